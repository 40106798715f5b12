"""The page *Gaps*: how complete days are by cohort, day by day or hour by hour, and where the fault lies in what is not.

Nothing is read for it but counts that validation keeps (``validating/covered.py``), so it costs the same however many meters
there are. A cohort of fewer meters than the minimum group of the purposes is not shown: those are counted together, with as
many others as it takes that none of them can be told from the rest (``gate/suppression.py``; along one axis, with the cells
inside their areas). What one of them is like, the gate shows to whom it may, and writes that down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.export.pictures.hours import SLOTS, hours_of, slot_name
from kwartier.export.pictures.palette import KINDS, KNOWN
from kwartier.gate.grant import Gate
from kwartier.gate.ids import Ids, Link
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import purposes
from kwartier.gate.suppression import SHOWN, Path, withheld
from kwartier.service.home import Home
from kwartier.service.reasons import REASONS
from kwartier.service.validating import covered
from kwartier.service.validating.causes import why_of
from kwartier.service.validating.covered import AREA, AXES, CELL, CODES, KIND, Cohorts, Counts, Covered, Key
from kwartier.service.validating.runs import Run, Runs
from kwartier.validate.day import Mask

MAX_DAYS = 62
MAX_ROWS = 60
"""Cohorts that are shown by themselves: those with the largest part of quarters that no meter sent."""
COHORT, FEW, REST, ALL = "cohort", "few", "rest", "all"
STATISTICS = "statistics"
"""The purpose whose minimum group holds."""
ONE_DAY = timedelta(days=1)
_IS_KNOWN = np.array([code.kind in KNOWN for code in CODES], np.bool_)
_KIND_OF = np.array([KINDS.index(code.kind) for code in CODES], np.int64)
_NOT_PLAIN = [place for place, code in enumerate(CODES) if code.reason is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOf:
    """What a place of :attr:`Square.counts` counts. ``reason``: None where none is needed."""

    kind: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """Quarters of a cohort on a day or in an hour.

    ``known``: those that rest on what a meter sent; ``counts``: by :attr:`Gaps.codes`; ``kind``: the least sure kind that there
    is; ``reason``: where the fault lies in most of what came late, was estimated or is missing, empty where there is nothing.
    """

    due: int
    known: int
    kind: str
    reason: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``what``: one ``cohort``, the ``few`` that are too small to be shown, the ``rest``, or ``all``.

    ``cohorts``: how many; ``meters``: the most of a day.
    ``squares``: one a column; None: nothing is known of it, or it may not be shown.
    """

    what: str
    within: str
    cohort: str
    cohorts: int
    meters: int
    total: Square
    squares: tuple[Square | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A local day, or an hour of one. ``run``: as of which one; None: it was not validated, or before days were counted."""

    label: str
    day: date
    run: int | None
    validated_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """A heat map of cohorts by days (``by`` day) or by the hours of one (``by`` hour); ``end``: the first day not in it."""

    axis: str
    by: str
    start: date
    end: date
    minimum: int
    codes: tuple[CodeOf, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None
    """Of all cohorts; None where there is nothing, or where all of them together are too few."""


LEGEND = tuple(CodeOf(kind=code.kind.value, reason=code.reason and code.reason.value) for code in CODES)


def by_day(home: Home, axis: str, start: date, end: date) -> Gaps:
    """The days from ``start`` up to ``end``. Raises ``InputError`` bad-argument, bad-day."""
    _check_axis(axis)
    if not 0 < (end - start).days <= MAX_DAYS:
        raise InputError("bad-day", f"from one to {MAX_DAYS} days are shown at once")
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    with reading(home.engine) as connection:
        found = covered.read_days(connection, axis, start, end)
    keys = {key: row for row, key in enumerate(sorted({key for names in {one.keys for one in found} for key in names}))}
    place = {day: number for number, day in enumerate(days)}
    counts = np.zeros((len(keys), len(days), len(CODES)), np.int64)
    meters = np.zeros((len(keys), len(days)), np.int64)
    rows_of = {names: [keys[key] for key in names] for names in {one.keys for one in found}}
    for one in found:
        rows = rows_of[one.keys]
        counts[rows, place[one.day]], meters[rows, place[one.day]] = one.totals, one.meters
    heads = _columns(home, [(f"{day}", day) for day in days], {place[one.day] for one in found})
    shape = _Shape(axis=axis, by="day", start=start, end=end, columns=heads)
    return _laid_out(shape, list(keys), counts, meters)


def by_hour(home: Home, axis: str, day: date) -> Gaps:
    """The hours of a day. Raises ``InputError`` bad-argument."""
    _check_axis(axis)
    with reading(home.engine) as connection:
        found = covered.read(connection, day, axis)
    return _of_hours(home, axis, day, [(one.key, one.meters, one.counts) for one in found])


def of_cohort(
    home: Home,
    key: Key,
    day: date,
    *,
    actor: Asking,
    reason: str,
    purpose: str | None = None,
    gate: Gate | None = None,
) -> Gaps:
    """The hours of a day of one cohort, however few it has: looked up through the gate, which writes down of whom.

    ``purpose``: what somebody says that they look for, else that for which days are validated here; ``gate``: one of this home
    that the thread keeps.
    Raises ``InputError`` bad-argument; ``StateError`` not-validated; ``Denied`` as the gate does.
    """
    _check_axis(key.axis)
    scope = Scope(start=day, end=day + ONE_DAY)
    own = home.settings.validate_purpose
    opening = home.gate if gate is None else gate
    grant = opening.open(actor=actor, purpose=own if purpose is None else purpose, scope=scope, reason=reason)
    runs = Runs(home.engine)
    run = runs.demand(day)
    cohorts, members = _members(home, key, day)
    ids = sorted(Ids(home.engine).known(members).values())
    gaps, counted = runs.gaps(run, ids), Covered(home.settings.timezone, cohorts)
    quarters = hours_of(day, home.settings.timezone).quarters
    for volumes, links in grant.look_up_qualities(ids, day, quarters, run.run) if ids else ():
        counted.add(volumes, links, why_of([gaps.get(one) for one in volumes.ids.tolist()]))
    found = [(one.key, one.meters, one.counts) for one in counted.cohorts() if one.key == key]
    return _of_hours(home, key.axis, day, found, minimum=0)


def _check_axis(axis: str) -> None:
    if axis not in AXES:
        raise InputError("bad-argument", f"there are no cohorts by {axis[:20]!r}, but by {', '.join(AXES)}")


def _members(home: Home, key: Key, day: date) -> tuple[Cohorts, list[Link]]:
    """What meters belong to, and those of a cohort, each at its connection."""
    # A cell is a few hundred of the meters, and to look at what stands of all of them takes seconds.
    some = home.registry.in_cell(key.cohort, day) if key.axis == CELL else None
    found = home.registry.standing_on(day, some)
    within = {
        AREA: [(found.grid_area, key.cohort)],
        CELL: [(found.grid_area, key.within), (found.cell, key.cohort)],
        KIND: [(found.kind, key.cohort)],
    }
    are_in = np.ones(len(found.meters), np.bool_)
    for column, text in within[key.axis]:
        are_in &= np.array([one == text for one in column.texts], np.bool_)[column.codes]
    named = zip(found.eans[are_in].tolist(), found.meters[are_in].tolist(), strict=True)
    members = [Link(ean.decode(), meter.decode(), day.year) for ean, meter in named]
    cohorts = Cohorts(meters=found.meters, area=found.grid_area, cell=found.cell, kind=found.kind)
    return cohorts, members


def _of_hours(
    home: Home, axis: str, day: date, found: Sequence[tuple[Key, int, Counts]], *, minimum: int | None = None
) -> Gaps:
    used = sorted(set(hours_of(day, home.settings.timezone).slots.tolist()))
    names = [(slot_name(slot), day) for slot in used]
    heads = _columns(home, names, set(range(len(used))) if found else set())
    counts = np.array([one[2] for one in found], np.int64).reshape(len(found), SLOTS, len(CODES))[:, used]
    meters = np.array([[one[1]] * len(used) for one in found], np.int64).reshape(len(found), len(used))
    shape = _Shape(axis=axis, by="hour", start=day, end=day + ONE_DAY, columns=heads)
    return _laid_out(shape, [one[0] for one in found], counts, meters, minimum)


def _columns(home: Home, names: Iterable[tuple[str, date]], counted: set[int]) -> tuple[Column, ...]:
    runs: dict[date, Run | None] = {}
    found = []
    for number, (label, day) in enumerate(names):
        if day not in runs:
            runs[day] = Runs(home.engine).latest(day)
        run = runs[day] if number in counted else None
        found.append(
            Column(
                label=label,
                day=day,
                run=None if run is None else run.run,
                validated_at=None if run is None else run.finished_at,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    axis: str
    by: str
    start: date
    end: date
    columns: tuple[Column, ...]


def _laid_out(shape: _Shape, keys: Sequence[Key], counts: Counts, meters: Counts, minimum: int | None = None) -> Gaps:
    """``counts``: cohorts by columns by codes; ``meters``: cohorts by columns."""
    least = purposes()[STATISTICS].minimum_group if minimum is None else minimum
    hidden, nothing = _hidden(keys, meters, least)
    shown = np.where(hidden[:, :, np.newaxis], 0, counts)
    due = shown.sum(axis=(1, 2))
    lacking = shown[:, :, ~_IS_KNOWN].sum(axis=(1, 2))
    order = sorted(np.flatnonzero(due > 0).tolist(), key=lambda row: (-lacking[row] / due[row], keys[row]))
    rows = [
        _row(COHORT, keys[row], 1, meters[row], counts[row], hidden[row] | (meters[row] == 0))
        for row in order[:MAX_ROWS]
    ]
    rest = order[MAX_ROWS:]
    if rest:
        # Of each column those that are not hidden there.
        some = np.where(hidden[rest], 0, meters[rest]).sum(axis=0)
        rows.append(_row(REST, None, len(rest), some, shown[rest].sum(axis=0), some == 0))
    if (hidden & ~nothing).any():
        pooled = np.where(hidden, meters, 0).sum(axis=0)
        of_few = np.where(hidden[:, :, np.newaxis], counts, 0).sum(axis=0)
        several = int((hidden & ~nothing).any(axis=1).sum())
        rows.append(_row(FEW, None, several, pooled, of_few, nothing | (pooled == 0)))
    total = None
    if len(keys) and not nothing.all():
        total = _row(ALL, None, len(keys), meters.sum(axis=0), counts.sum(axis=0), nothing | (meters.sum(axis=0) == 0))
    return Gaps(
        axis=shape.axis,
        by=shape.by,
        start=shape.start,
        end=shape.end,
        minimum=least,
        codes=LEGEND,
        columns=shape.columns,
        rows=tuple(rows),
        total=total,
    )


def _hidden(keys: Sequence[Key], meters: Counts, minimum: int) -> tuple[Mask, Mask]:
    """Which cohorts are not shown by themselves in which column, and in which columns nothing is shown at all."""
    hidden = np.zeros(meters.shape, np.bool_)
    nothing = np.zeros(meters.shape[1], np.bool_)
    paths: list[Path] = [(key.within, key.cohort) if key.axis == CELL else (key.cohort,) for key in keys]
    known: dict[bytes, tuple[Mask, bool]] = {}
    for column in range(meters.shape[1]):
        members = meters[:, column]
        if not ((members > 0) & (members < minimum)).any():
            continue
        if members.tobytes() not in known:
            there = {paths[row]: int(members[row]) for row in np.flatnonzero(members).tolist()}
            reasons = withheld(there, minimum)
            some = np.array([path in there and reasons[path] != SHOWN for path in paths], np.bool_)
            known[members.tobytes()] = some, reasons[()] != SHOWN
        hidden[:, column], nothing[column] = known[members.tobytes()]
    return hidden, nothing


def _row(what: str, key: Key | None, cohorts: int, meters: Counts, counts: Counts, unshown: Mask) -> Row:
    squares = _squares(counts)
    return Row(
        what=what,
        within="" if key is None else key.within,
        cohort="" if key is None else key.cohort,
        cohorts=cohorts,
        meters=int(np.where(unshown, 0, meters).max(initial=0)),
        total=_squares(counts[~unshown].sum(axis=0)[np.newaxis])[0],
        squares=tuple(None if off else one for one, off in zip(squares, unshown.tolist(), strict=True)),
    )


def _squares(counts: Counts) -> list[Square]:
    """``counts``: columns by codes."""
    by_reason = counts[:, _NOT_PLAIN].reshape(len(counts), -1, len(REASONS)).sum(axis=1)
    least_sure = ((counts > 0) * _KIND_OF).max(axis=1)
    columns = zip(
        counts.sum(axis=1).tolist(),
        counts[:, _IS_KNOWN].sum(axis=1).tolist(),
        least_sure.tolist(),
        np.where(by_reason.any(axis=1), by_reason.argmax(axis=1), -1).tolist(),
        counts.tolist(),
        strict=True,
    )
    return [
        Square(
            due=due,
            known=known,
            kind=KINDS[kind].value,
            reason="" if reason < 0 else REASONS[reason].value,
            counts=tuple(several),
        )
        for due, known, kind, reason, several in columns
    ]
