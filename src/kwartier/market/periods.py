"""What is said of a connection from one day up to another, laid over what was said before.

A later statement takes the place of whatever it covers, and what it does not cover stays: an earlier one that reaches further
is cut. Neighbours that say the same are one, so that saying again what is known changes nothing.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from kwartier.rowfile import Value


class Piece(NamedTuple):
    """What holds of the local days from ``start`` up to but not including ``end``."""

    start: date
    end: date
    facts: tuple[Value, ...]


def says(pieces: Sequence[Piece], said: Piece) -> bool:
    """Whether what is said is known already. ``pieces``: joined, as :func:`laid_over` gives them."""
    return any(one.start <= said.start and said.end <= one.end and one.facts == said.facts for one in pieces)


def laid_over(pieces: Sequence[Piece], said: Piece) -> list[Piece]:
    """What holds once ``said`` is, in the order of days."""
    kept = [said]
    for one in pieces:
        if one.start < said.start:
            kept.append(one._replace(end=min(one.end, said.start)))
        if one.end > said.end:
            kept.append(one._replace(start=max(one.start, said.end)))
    kept.sort(key=lambda one: one.start)
    joined: list[Piece] = []
    for one in kept:
        if joined and joined[-1].end == one.start and joined[-1].facts == one.facts:
            joined[-1] = joined[-1]._replace(end=one.end)
        else:
            joined.append(one)
    return joined
