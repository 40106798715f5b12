"""What somebody does to a fleet that listens: for a demonstration, and for who wants to see how a night takes it.

Faults follow from the seed and are there all night (``faults.py``); trouble comes and goes. It is told as a whole: what is not
in it any more is over.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How things stand. ``ahead_s``: how far all clocks of meters are ahead of this host's."""

    ahead_s: float = 0.0
    cells: frozenset[str] = frozenset()
    """Radio cells that are down: lines into them are reset."""
    suppliers: frozenset[str] = frozenset()
    """Suppliers whose meters have fallen silent: they accept lines and answer nothing."""
    repeats: int = 0
    """How many meters in all, since the fleet began, use an invocation counter again, as a frame that somebody repeats has."""


CALM = Trouble()
