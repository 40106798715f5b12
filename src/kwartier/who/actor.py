"""An actor: the one who asks, by a name that tells how it was proved, and the roles that the configuration gives it.

``os:eva``, ``oidc:<alias of the issuer>:<subject>``, ``mtls:<name in the certificate>``, ``account:demo``. Nothing more is
known of a person here: no address, no full name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kwartier.errors import Denied

Via = Literal["os", "oidc", "mtls", "account"]
VIAS: tuple[Via, ...] = ("os", "oidc", "mtls", "account")
ALIAS = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""What an installation may call an issuer."""
MAX_NAME = 128
"""Characters of a whole name: as many as the tables hold."""


def is_name(text: str) -> bool:
    """Whether ``text`` may stand behind the kind in a name: visible ASCII characters and no others."""
    return 0 < len(text) <= MAX_NAME and all("!" <= letter <= "~" for letter in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A name that was proved, and the groups that whoever proved it vouches for: ``group:<alias>:<value>``."""

    name: str
    via: Via
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, and as what."""

    name: str
    roles: frozenset[str]
    via: Via

    def require(self, roles: Iterable[str], what: str) -> None:
        """Raise ``Denied`` no-role unless the actor has one of ``roles``; ``what`` says in a few words what is asked."""
        wanted = sorted(roles)
        if self.roles.isdisjoint(wanted):
            raise Denied("no-role", f"{what} needs one of {', '.join(wanted)}, and {self.name} has none of them")
