"""What a rule is: which rows it can say something of, and what it says. Both are pure, and neither changes what it is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from kwartier.validate.day import Mask, Said
from kwartier.validate.differences import Look
from kwartier.validate.parameters import Parameters

FAIL, WARN = "fail", "warn"

Can = Callable[[Look, Parameters], Mask]
"""Of which rows something can be said; the others are *not evaluated*, which is not *passed*."""
Find = Callable[[Look, Parameters], tuple[Said, ...]]


class Over(StrEnum):
    """What a rule has to be shown."""

    QUARTERS = "quarters"
    """The quarters of each row."""
    DAY = "day"
    """Each row as a whole."""
    FLEET = "fleet"
    """All rows of a day at once; see ``many.py``."""
    VISIT = "visit"
    """It holds before there is a reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of the table of rules."""

    code: str
    says: str
    """What it says is wrong, in one sentence."""
    severity: str
    """``fail``, ``warn``, or both."""
    needs: str
    """What has to be known of a row, or it is not evaluated."""
    table: str
    """Its numbers: a table of ``rules.toml``, or none."""
    source: str
    """Where it comes from."""
    is_verified: bool
    """Whether that source gives all its numbers. If not, some are from memory or ours."""
    over: Over
    is_screened: bool = False
    """Whether the screen (``screen.py``) points at each row whose quarters it may speak of; if not, it is shown every row."""
    where: str = ""
    """If it is not among the rules here: where it is, or what it waits for."""
    can: Can | None = None
    find: Find | None = None
