"""Why quarters of a day were not measured, or came late: told from the visits, the due meters and the places of the readings.

A reading has one reason for what it lacks, that of most of its quarters that no meter sent, and one for coming late. As bytes a
row they are 0 where there is nothing to say, else one more than the place of the reason in :data:`REASONS`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine, select

from kwartier.clock import midnight
from kwartier.collect.due import State
from kwartier.database import reading
from kwartier.gate.ids import Links
from kwartier.model import Bytes8, Missing, Quality, Registers, Stack, Volumes
from kwartier.names import names_of, places_in
from kwartier.service.reasons import REASONS, Reason, of_code, of_missing
from kwartier.service.validating.runs import Gap
from kwartier.tables import dues, visits
from kwartier.validate.day import Day

BATCH = 500
NOT_STORED = tuple(state for state in State if state is not State.STORED)
NOT_TRIED = "not-tried"


def place_of(reason: Reason) -> int:
    """As a byte."""
    return REASONS.index(reason) + 1


_OF_PLACE = np.array(
    # Where both registers are there a rule has refused what they say, or the register started anew.
    [place_of(Reason.METER if one is Missing.PRESENT else of_missing(one)) for one in Missing],
    np.uint8,
)
_OTHERWISE = place_of(of_code(NOT_TRIED))


class Why(NamedTuple):
    """By row: why it lacks quarters, and why it came late."""

    lack: Bytes8
    late: Bytes8


class Causes:
    """What is known of the meters of a day. ``meters``: only these are asked about; None: any.

    ``earlier``: why some readings lacked something when they were looked at last.
    """

    def __init__(
        self,
        engine: Engine,
        day: date,
        timezone: str,
        *,
        meters: Collection[str] | None = None,
        earlier: Callable[[Sequence[int]], Mapping[int, Why]] = lambda ids: {},
    ) -> None:
        self._engine = engine
        self._night = day + timedelta(days=1)
        self._late_since = midnight(day + timedelta(days=2), timezone)
        self._earlier = earlier
        codes = sorted(_codes(engine, day, meters).items())
        self._unread = names_of([meter for meter, _ in codes])
        self._reasons = np.array([place_of(of_code(code)) for _, code in codes] + [_OTHERWISE], np.uint8)
        """By meter, and last that of any other: :data:`~kwartier.names.NOWHERE` is the last place."""

    def unread(self, links: Links) -> Bytes8:
        """Why nothing is stored of some meters, if nothing is."""
        return self._reasons[places_in(self._unread, links.meters)]

    def late(self, stack: Stack, links: Links) -> Bytes8:
        """Why rows came after the night that they were due in; 0: they did not."""
        found = np.zeros(len(stack), np.uint8)
        rows = np.flatnonzero(stack.known_at >= self._late_since).tolist()
        if rows:
            late = {row: link.meter for row, link in zip(rows, links.take(np.array(rows, np.int64)), strict=True)}
            said = self._failures(sorted(set(late.values())))
            rest = [int(stack.ids[row]) for row, meter in late.items() if meter not in said]
            before = self._earlier(rest) if rest else {}
            for row, meter in late.items():
                code, known = said.get(meter), before.get(int(stack.ids[row]))
                lack = 0 if known is None else int(known.lack[0]) or int(known.late[0])
                found[row] = place_of(of_code(code)) if code else lack or place_of(of_code(NOT_TRIED))
        return found

    def _failures(self, meters: Sequence[str]) -> dict[str, str]:
        """How the last visits of the night ended that brought nothing."""
        found: dict[str, str] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(meters), BATCH):
                query = select(visits.c.meter, visits.c.outcome).where(
                    visits.c.meter.in_(meters[first : first + BATCH]),
                    visits.c.date == self._night,
                    visits.c.outcome != "done",
                )
                found.update((row[0], row[1]) for row in connection.execute(query.order_by(visits.c.started)))
        return found


def _codes(engine: Engine, day: date, meters: Collection[str] | None) -> dict[str, str]:
    """The codes of the meters that the night has not read."""
    query = select(dues.c.meter, dues.c.code).where(dues.c.day == day, dues.c.state.in_(NOT_STORED))
    found: dict[str, str] = {}
    with reading(engine) as connection:
        if meters is None:
            return {row[0]: row[1] or NOT_TRIED for row in connection.execute(query)}
        names = sorted(meters)
        for first in range(0, len(names), BATCH):
            some = query.where(dues.c.meter.in_(names[first : first + BATCH]))
            found.update((row[0], row[1] or NOT_TRIED) for row in connection.execute(some))
    return found


def lacks(day: Day, made: Volumes, unread: Bytes8) -> Bytes8:
    """Why each row lacks quarters: the reason of most of them, and of as many the first in :data:`REASONS`.

    ``made``: the volumes of these rows; ``unread``: the reason where nothing is stored.
    """
    counts = np.zeros((len(day), len(REASONS)), np.int64)
    for channel, missing in day.stack.missing.items():
        quality = made.quality[channel]
        wanted = (quality == Quality.ESTIMATED) | (quality == Quality.MISSING)
        opening, closing = missing[:, :-1], missing[:, 1:]
        at = np.where(closing != 0, closing, opening)
        reasons = np.where(at == Missing.NOT_STORED, unread[:, np.newaxis], _OF_PLACE[at])
        for place in range(len(REASONS)):
            counts[:, place] += ((reasons == place + 1) & wanted).sum(axis=1)
    found = counts.argmax(axis=1) + 1
    return np.where(counts.any(axis=1), found, 0).astype(np.uint8)


def gaps_of(ids: Registers, why: Why) -> list[Gap]:
    """As it is kept: of the readings of which there is something to say."""
    rows = np.flatnonzero((why.lack > 0) | (why.late > 0)).tolist()
    return [Gap(int(ids[row]), _word(why.lack[row]), _word(why.late[row])) for row in rows]


def why_of(gaps: Sequence[Gap | None]) -> Why:
    """The same of what was kept; None: there was nothing to say."""
    lack = [0 if one is None or not one.lack else place_of(Reason(one.lack)) for one in gaps]
    late = [0 if one is None or not one.late else place_of(Reason(one.late)) for one in gaps]
    return Why(np.array(lack, np.uint8), np.array(late, np.uint8))


def _word(place: int) -> str:
    return REASONS[place - 1].value if place else ""
