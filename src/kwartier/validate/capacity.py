"""What a connection can carry: from the words of the registry to watt-hours in a quarter."""

import re

from kwartier.errors import InputError

VOLT = 230
"""Between a phase and neutral; DOMAIN.md computes the limits of V2 with it."""
QUARTERS_AN_HOUR = 4
MAX_SHOWN = 40
_CAPACITY = re.compile(r"([1-3])x([1-9][0-9]{0,3})A")


def capacity_wh(text: str) -> int:
    """What a connection like ``3x25A`` carries in a quarter, in whole Wh; 0 for an empty text: not known.

    Half a Wh is left away. Of no whole number of amperes that moves a limit of 120 % past a whole Wh. Raises ``InputError``
    bad-capacity.
    """
    if not text:
        return 0
    found = _CAPACITY.fullmatch(text)
    if found is None:
        raise InputError("bad-capacity", f"'{text[:MAX_SHOWN]}' is no capacity such as 3x25A")
    return int(found[1]) * int(found[2]) * VOLT // QUARTERS_AN_HOUR
