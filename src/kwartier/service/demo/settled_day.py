"""The day of a demonstration, validated, settled and told to the market; and its residual, held against the truth.

What is left of the infeed of an area is what nobody meters, and what volumes that were put in the place of readings are wrong
by. The truth of a simulated fleet says how much each of these is, connection by connection; it has to come to the residual.
"""

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from kwartier.export.formats import FORMATS
from kwartier.export.pictures import palette
from kwartier.export.pictures.day_curve import DayCurve
from kwartier.gate.policy import Asking, Scope
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import Quality
from kwartier.service.exporting.outbox import OUTBOX, Exported
from kwartier.service.exporting.run import export
from kwartier.service.home import Home
from kwartier.service.settling import run as settling
from kwartier.service.validating import shown
from kwartier.service.validating.run import validate
from kwartier.service.validating.runs import Run, Runs
from kwartier.settle.members import BY_READINGS
from kwartier.settle.tables import DIRECTIONS, Energy, Part
from kwartier.simulate.market import FRACTIONS, INFEED, LOSSES, MARKET, UNMETERED, supplies, truth_volumes, write_market
from kwartier.simulate.truth import load

PARTS = "market"
"""The folder of the files of the market, in that of the fleet."""
ONE_DAY = timedelta(days=1)
Flow = dict[tuple[str, str], Energy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the residual of an area and direction is made of, over the day; ``is_exact``: in every quarter, to the Wh."""

    grid_area: str
    direction: str
    residual_wh: int = field(repr=False)
    unmetered_wh: int = field(repr=False)
    estimates_wh: int = field(repr=False)
    """What connections that were read used, less what was measured or put in its place."""
    profiles_wh: int = field(repr=False)
    """What the others used, less what their profiles give them."""
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledDay:
    """How it went. ``took_s``: all of it, in seconds."""

    run: Run
    quarters: Mapping[palette.Kind, int]
    """Quarters of meters, by kind."""
    curve: DayCurve
    settled: settling.Outcome
    exported: Mapping[str, Exported]
    left: tuple[Left, ...]
    out: Path
    took_s: float


def say_market(home: Home, folder: Path, day: date, *, actor: Asking, at: int) -> None:
    """What the market says of the fleet in ``folder`` and the day, imported from the files that it hands in."""
    write_market(load(folder), day, day + ONE_DAY, folder / PARTS)
    for name in (MARKET, INFEED, LOSSES, FRACTIONS):
        path = folder / PARTS / name
        kind = Kind(path.stem)
        Market(home.engine).import_file(path, kind=kind, at=at, actor=actor.name)


def settle_day(
    home: Home,
    folder: Path,
    day: date,
    *,
    actor: Asking,
    reason: str,
    say: Callable[[str], None],
    wall: Callable[[], float] = time.time,
    ended: Callable[[], bool] = lambda: False,
) -> SettledDay | None:
    """Validate, settle and export a day that was read from the fleet in ``folder``. ``wall`` gives UTC seconds.

    ``ended`` is asked between the steps; None: it had been.
    """
    begun = time.monotonic()
    say_market(home, folder, day, actor=actor, at=int(wall()))
    if ended():
        return None
    say("readings are judged and completed")
    validate(home, day, actor=actor, now=int(wall()), reason=reason)
    run = Runs(home.engine).demand(day)
    if ended():
        return None
    say("the day is settled, and checked on a second path")
    settled = settling.settle(home, day, actor=actor, reason=reason, at=int(wall()))
    if ended():
        return None
    out = home.path / OUTBOX
    exported = {} if settled.is_held else export_all(home, day, actor=actor, reason=reason, at=int(wall()))
    return SettledDay(
        run=run,
        quarters=shown.coverage(home, day, day + ONE_DAY, actor=actor, reason=reason).totals(),
        curve=shown.curve(home, day, actor=actor, reason=reason),
        settled=settled,
        exported=exported,
        left=tuple(_left(home, folder, settled, run.run, actor)),
        out=out,
        took_s=time.monotonic() - begun,
    )


def export_all(home: Home, day: date, *, actor: Asking, reason: str, at: int) -> dict[str, Exported]:
    """The last version of a day in each format, into the outbox of the home. ``at``: UTC seconds."""
    out = home.path / OUTBOX
    return {kind: export(home, kind, day, version=None, out=out, actor=actor, reason=reason, at=at) for kind in FORMATS}


def _left(home: Home, folder: Path, done: settling.Outcome, run: int, actor: Asking) -> Iterator[Left]:
    day = done.settled.day
    truth, unmetered = load(folder), _unmetered(folder / PARTS / UNMETERED)
    really = truth_volumes(truth, day)
    volumes = _volumes(home, day, run, actor)
    estimates, profiles = _nothing(unmetered), _nothing(unmetered)
    for one in supplies(truth):
        for direction in DIRECTIONS.values():
            used_wh = really[one.ean][direction]
            if one.method in BY_READINGS and one.ean in volumes:
                estimates[one.grid_area, direction] += used_wh - volumes[one.ean][direction]
            else:
                profiles[one.grid_area, direction] += used_wh
    for given in done.settled.sums:
        if given.part is Part.PROFILED:
            profiles[given.grid_area, given.direction] -= given.energy_wh
    for given in done.settled.sums:
        if given.part is Part.RESIDUAL:
            key = given.grid_area, given.direction
            parts = unmetered[key], estimates[key], profiles[key]
            unmetered_wh, estimates_wh, profiles_wh = (int(part.sum()) for part in parts)
            yield Left(
                grid_area=given.grid_area,
                direction=given.direction,
                residual_wh=int(given.energy_wh.sum()),
                unmetered_wh=unmetered_wh,
                estimates_wh=estimates_wh,
                profiles_wh=profiles_wh,
                is_exact=bool((given.energy_wh == sum(parts)).all()),
            )


def _unmetered(path: Path) -> Flow:
    """What nobody meters, as the file of the simulated market says."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["grid_area"], row["direction"]].append(int(row["energy_wh"]))
    return {key: np.array(energy_wh, np.int64) for key, energy_wh in found.items()}


def _nothing(like: Flow) -> Flow:
    return {key: np.zeros_like(energy_wh) for key, energy_wh in like.items()}


def _volumes(home: Home, day: date, run: int, actor: Asking) -> dict[str, dict[str, Energy]]:
    """By connection and direction the volumes, of those of which no quarter is missing."""
    scope = Scope(start=day, end=day + ONE_DAY)
    purpose = home.settings.compare_purpose
    grant = home.gate.open(actor=actor, purpose=purpose, reason="comparison with the truth", scope=scope)
    found: dict[str, dict[str, Energy]] = defaultdict(dict)
    broken: set[str] = set()
    for volumes, links in grant.volumes(day, run):
        for channel, direction in DIRECTIONS.items():
            gone = (volumes.quality[channel] == Quality.MISSING).any(axis=1)
            for row, link in enumerate(links):
                if gone[row]:
                    broken.add(link.ean)
                before_wh = found[link.ean].get(direction, 0)
                found[link.ean][direction] = before_wh + volumes.energy_wh[channel][row].astype(np.int64)
    return {ean: energy_wh for ean, energy_wh in found.items() if ean not in broken}
