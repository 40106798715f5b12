"""What the system gives a process: open files, raised as far as it lets us, and room on the disk, of which some is kept."""

import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
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


KEPT_PART = 0.05
"""This part of a disk is kept for records: of visits, claims and counters, and of what was read already."""
MOST_KEPT_BYTES = 10 << 30
"""On a large disk this much is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoom:
    """What a disk has left, and what of it is kept for records."""

    free_bytes: int
    kept_bytes: int

    @property
    def is_enough(self) -> bool:
        """Whether more may be read."""
        return self.free_bytes > self.kept_bytes


def room_for(folder: Path) -> DiskRoom:
    """The room on the disk of ``folder``, or of where it will be."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    usage = shutil.disk_usage(there)
    return DiskRoom(free_bytes=usage.free, kept_bytes=min(MOST_KEPT_BYTES, int(usage.total * KEPT_PART)))
