"""What the conditions are told of: numbers of a night, counted in the database of its home.

How far a night is and whether there is room is cheap to see, and seen at every look. The rest takes as long as the night has
rows: it is looked at less often the longer that takes, and what is usual is learned a night at a time.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from kwartier.collect.due import BUFFER_DAYS, OPEN, UNREACHED, State
from kwartier.database import reading
from kwartier.keys.counters import WARN_COUNTER
from kwartier.service.alerting import conditions
from kwartier.service.alerting.conditions import CLOCK_NORM_S, LOSS_NEAR_DAY, Code, Drift, Found, Missing, Sample, Tried
from kwartier.service.files import room_for
from kwartier.service.home import Home
from kwartier.tables import counters, drifts, dues, meter_keys

SILENT_TRIES = 2
"""A meter that gave nothing in so many tries is silent: one try fails by chance too often."""
USUAL_NIGHTS = 7
"""Earlier nights that tell what is usual."""
PAUSE_PART = 10
"""What took long is left alone for so many times as long."""
LEARNING_S = 2.0
"""For about so long a look goes on to learn what is usual."""
MAX_SAMPLES = 1_000
MAX_METERS = 100_000
"""Meters of one condition that are looked at; with more, the alert says less than there is."""
NOT_STORED = tuple(state for state in State if state is not State.STORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found, and the codes that were looked for."""

    found: tuple[Found, ...]
    codes: frozenset[Code]


class Lookout:
    """Looks at the night of one day. ``closes_at``: when its window closes, None where it is not waited for.

    ``steady`` gives seconds of a clock that nobody sets; a look that is ``thorough`` leaves nothing for later.
    """

    def __init__(
        self, home: Home, day: date, *, closes_at: int | None, steady: Callable[[], float], thorough: bool = False
    ) -> None:
        self._home = home
        self._day = day
        self._closes_at = closes_at
        self._steady = steady
        self._thorough = thorough
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._due = 0
        self._earlier: dict[str, list[Tried]] = {}
        self._learned = 0
        """How many earlier nights."""
        self._slowly = Look(found=(), codes=frozenset())
        """What was found of that which takes long."""
        self._next_slow_s = steady()

    def look(self, *, now: float) -> Look:
        """Every condition that a database and a disk tell of, as far as it was looked at yet."""
        found, codes = self._room(), {Code.NO_ROOM}
        if self._closes_at is not None:
            found += self._forecast(now, self._closes_at)
            codes.add(Code.WILL_NOT_FINISH)
        begun_s = self._steady()
        if begun_s >= self._next_slow_s:
            self._slowly = self._look_slowly(begun_s)
            ended_s = self._steady()
            self._next_slow_s = ended_s + PAUSE_PART * (ended_s - begun_s)
        return Look(found=(*found, *self._slowly.found), codes=self._slowly.codes | codes)

    def _look_slowly(self, begun_s: float) -> Look:
        while self._learned < USUAL_NIGHTS:
            self._learned += 1
            for cohort, one in self._cohorts(self._day - timedelta(days=self._learned)).items():
                self._earlier.setdefault(cohort, []).append(one)
            if not self._thorough and self._steady() - begun_s > LEARNING_S:
                break
        found = conditions.data_loss_near(self._missing(), day=self._day)
        found += conditions.clocks_beyond_norm(self._drifts())
        found += conditions.counters_near_end(counters_near_end(self._home))
        codes = {Code.DATA_LOSS_NEAR, Code.CLOCK_BEYOND_NORM, Code.COUNTER_NEAR_END}
        if self._learned == USUAL_NIGHTS:
            found += conditions.silent_cohorts(self._cohorts(self._day), self._earlier) if self._earlier else []
            codes.add(Code.SILENT_COHORT)
        return Look(found=tuple(found), codes=frozenset(codes))

    def _ours(self) -> tuple[ColumnElement[bool], ...]:
        dso = self._home.settings.dso
        return (dues.c.dso == dso,) if dso else ()

    def _forecast(self, now: float, closes_at: int) -> list[Found]:
        night = (dues.c.day == self._day, *self._ours())
        late = case((dues.c.next_at <= now - conditions.OVERDUE_S, 1), else_=0)
        waiting = select(func.count(), func.coalesce(func.sum(late), 0)).where(*night, dues.c.state == State.WAITING)
        begun = select(func.count()).where(*night, dues.c.state == State.LEASED, dues.c.attempts == 0)
        with reading(self._home.engine) as connection:
            if not self._samples:
                self._due = connection.execute(select(func.count()).where(*night)).scalar_one()
            untried, overdue = connection.execute(waiting).one()
            under_way = connection.execute(begun).scalar_one()
        self._samples.append(Sample(now, untried + under_way, int(overdue)))
        return conditions.will_not_finish(tuple(self._samples), day=self._day, due=self._due, closes_at=closes_at)

    def _missing(self) -> list[Missing]:
        oldest = self._day - timedelta(days=BUFFER_DAYS - 1)
        newest = self._day - timedelta(days=LOSS_NEAR_DAY - 1)
        query = (
            select(dues.c.meter, func.max(dues.c.cell), func.max(dues.c.kind), func.min(dues.c.day))
            .where(dues.c.day.in_(_days(oldest, newest)), dues.c.state.in_(NOT_STORED), *self._ours())
            .group_by(dues.c.meter)
            .order_by(dues.c.meter)
            .limit(MAX_METERS)
        )
        with reading(self._home.engine) as connection:
            rows = connection.execute(query).all()
        return [Missing(meter, cohort_of(cell, kind), first) for meter, cell, kind, first in rows]

    def _drifts(self) -> list[Drift]:
        query = (
            select(dues.c.meter, dues.c.kind, drifts.c.drift_s)
            .join(drifts, drifts.c.meter == dues.c.meter)
            .where(dues.c.day == self._day, func.abs(drifts.c.drift_s) > CLOCK_NORM_S, *self._ours())
            .order_by(func.abs(drifts.c.drift_s).desc(), dues.c.meter)
            .limit(MAX_METERS)
        )
        with reading(self._home.engine) as connection:
            rows = connection.execute(query).all()
        return [Drift(meter, kind, drift_s) for meter, kind, drift_s in rows]

    def _room(self) -> list[Found]:
        room = room_for(self._home.store_folder)
        if room.is_enough:
            return []
        text = f"{room.free_bytes >> 20} MB are free, and {room.kept_bytes >> 20} MB are kept for records"
        return [Found(code=Code.NO_ROOM, subject="disk", text=text)]

    def _cohorts(self, day: date) -> dict[str, Tried]:
        """Each cell and each kind of meter in a night, as far as it is.

        Only meters that answered the night before: those that did not come early in a night, so that its first hour would
        look worse than the whole.
        """
        before = dues.alias("before")
        was_ill = or_(before.c.state != State.STORED, before.c.attempts >= SILENT_TRIES)
        ill = exists().where(and_(before.c.day == day - timedelta(days=1), before.c.meter == dues.c.meter, was_ill))
        # Where a whole cell is silent, failures count as no tries; see ``collect/breaker.py``.
        uncounted = and_(dues.c.attempts == 0, dues.c.state.in_((*OPEN, State.FAILED)), dues.c.code.in_(UNREACHED))
        is_silent = or_(dues.c.state == State.REFUSED, dues.c.attempts >= SILENT_TRIES, uncounted)
        is_tried = or_(dues.c.state == State.STORED, dues.c.attempts > 0, uncounted)
        query = (
            select(dues.c.cell, dues.c.kind, func.count(), func.sum(case((is_silent, 1), else_=0)))
            .where(dues.c.day == day, is_tried, ~ill, *self._ours())
            .group_by(dues.c.cell, dues.c.kind)
        )
        found: dict[str, Tried] = {}
        with reading(self._home.engine) as connection:
            for cell, kind, tried, silent in connection.execute(query):
                for cohort in {f"cell {cell}" if cell else "", kind} - {""}:
                    present = found.get(cohort, Tried(0, 0))
                    found[cohort] = Tried(present.tried + tried, present.silent + int(silent))
        return found


def counters_near_end(home: Home) -> list[str]:
    """Meters under whose present key a counter is near its end."""
    query = (
        select(meter_keys.c.meter)
        .join(counters, counters.c.ek_fingerprint == meter_keys.c.ek_fingerprint)
        .where(counters.c.next > WARN_COUNTER, counters.c.title == home.settings.own_title.hex())
        .order_by(meter_keys.c.meter)
        .limit(MAX_METERS)
    )
    with reading(home.engine) as connection:
        return list(connection.execute(query).scalars())


def cohort_of(cell: str, kind: str) -> str:
    """What a meter is counted with: its cell, else what it is."""
    return f"cell {cell}" if cell else kind


def _days(first: date, last: date) -> Sequence[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
