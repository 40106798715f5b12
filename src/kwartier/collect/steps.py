"""The steps of a night's work between which a process may be lost. Whoever wants to see it survive that names one of them."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just been done, in the order in which it is done for one meter."""

    LEASED = "leased"
    """Meters are ours."""
    CLAIMED = "claimed"
    """Their one read is claimed."""
    RESERVED = "reserved"
    """Their invocation counters are reserved."""
    ASKING = "asking"
    """Personal data are about to be asked for."""
    READ = "read"
    """A visit has ended."""
    SPOOLED = "spooled"
    """A batch of visits is about to be written down."""
    NOTED = "noted"
    """The visits are written down, and what is about to be stored."""
    APPENDED = "appended"
    """The readings are in the store."""
    FULFILLED = "fulfilled"
    """It is written down that they are."""


Reached = Callable[[Step], None]


def onward(step: Step) -> None:
    """Nobody is watching."""
