"""Volumes that two persons agreed on by hand: new ones, and those that earlier runs of the day have taken in.

They are kept where all volumes are, in the validated table; the list of substitutes says where in it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from kwartier.errors import InputError
from kwartier.gate.grant import Grant
from kwartier.gate.ids import Ids, Link
from kwartier.service.validating.runs import Run, Runs
from kwartier.validate.estimate.sheet import Manual

METHOD = "E8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """Volumes for quarters of a meter's day, from ``first`` (counted from 0) on, and why."""

    ean: str
    meter: str
    channel: str
    first: int
    energy_wh: tuple[int, ...] = field(repr=False)
    reason: str


def by_hand(
    grant: Grant, runs: Runs, last: Run | None, new: Sequence[ByHand], ids: Ids, day: date
) -> tuple[tuple[Manual, ...], frozenset[int]]:
    """What holds on a day, the new last; and whose readings the new ones are of. Raises ``InputError`` bad-manual-volumes."""
    links = {Link(one.ean, one.meter, day.year) for one in new}
    known = ids.known(links)
    if len(known) < len(links):
        raise InputError("bad-manual-volumes", f"of {len(links) - len(known)} meters nothing is known on {day}")
    agreed = [
        Manual(
            reading=known[Link(one.ean, one.meter, day.year)],
            channel=one.channel,
            first=one.first,
            energy_wh=one.energy_wh,
            reason=one.reason,
        )
        for one in new
    ]
    return (*_before(grant, runs, last, day), *agreed), frozenset(known.values())


def _before(grant: Grant, runs: Runs, last: Run | None, day: date) -> list[Manual]:
    put = [] if last is None else runs.put(last, METHOD)
    if last is None or not put:
        return []
    volumes = {}
    for piece, _ in grant.look_up_volumes(sorted({one.reading for one in put}), day, day + timedelta(days=1), last.run):
        volumes.update({identity: (piece, row) for row, identity in enumerate(piece.ids.tolist())})
    found = []
    for one in put:
        if one.reading in volumes:
            piece, row = volumes[one.reading]
            energy_wh = piece.energy_wh[one.channel][row, one.first : one.last + 1]
            found.append(
                Manual(
                    reading=one.reading,
                    channel=one.channel,
                    first=one.first,
                    energy_wh=tuple(energy_wh.tolist()),
                    reason=_reason(one.inputs),
                )
            )
    return found


def _reason(inputs: str) -> str:
    return str(json.loads(inputs).get("reason", ""))
