"""How many lines a process may have open: the limit of open files, raised as far as the system lets us."""

import resource
from typing import NamedTuple

OWN_FILES = 200
"""What a process keeps open beside its lines: database, store, libraries."""


class Limit(NamedTuple):
    """The limit of open files, and how many visits fit below it."""

    soft: int
    hard: int

    @property
    def visits(self) -> int:
        """How many visits may be open at once when the limit is raised to the hard one."""
        return max(2, self.hard - OWN_FILES)


def present() -> Limit:
    """As it stands."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limit(soft, 1 << 20 if hard == resource.RLIM_INFINITY else hard)


def raised() -> Limit:
    """Raise the limit of this process to the hard one."""
    limit = present()
    if limit.soft < limit.hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit.hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return present()
