"""A home with days of a large fleet in it: registry, ids, readings of the days and the next, what the day before left, market.

Readings are written as a rewrite leaves them, in one file a day in the order of ids; the day before the first has a run of
validation. A part of the meters has something to say of, as in ``python -m bench rules``.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow
from deltalake.transaction import AddAction

from bench.rules import spoil
from bench.store import CHANNELS, DAY, QUARTERS, SEED, ZONE, households
from kwartier.clock import midnight, quarter_ends
from kwartier.database import insert_lines, writing
from kwartier.fleet.ean import check_digit
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import STATE, Volumes
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.validating.runs import Runs
from kwartier.store.encode import Block, encode
from kwartier.store.files import Files
from kwartier.store.log import Log
from kwartier.tables import FOREVER, drifts, modules, reading_ids

ONE_DAY = timedelta(days=1)
PIECE = 50_000
AREAS = 12
SUPPLIERS = 50
CLIENT = 'client_system_title = "4B57540102030405"\n'
FLEET = "meter,ean,host,port,system_title,companion,grid_area,transformer,capacity,cell,valid_from"
MARKET = "ean,valid_from,brp,supplier,grid_area,method,year_volume_wh"
ENERGY = "grid_area,quarter,direction,energy_wh"
FRACTION = "grid_area,profile,direction,quarter,fraction,quality"
FIRMWARE = ("5.1", "5.2", "6.0")
Integers = npt.NDArray[np.int64]


def noon_after(day: date) -> int:
    """When the day is validated and settled, two days later: the next day's readings are there."""
    return midnight(day + 2 * ONE_DAY, ZONE) + 43_200


def make(path: Path, meters: int, faults: float, *, first: date = DAY, days: int = 1, cell_meters: int = 0) -> None:
    """A home in ``path``, with ``days`` from the ``first`` on, all of one year.

    A radio cell has ``cell_meters``, all of one grid area; 0: there are no cells.
    """
    path.mkdir(parents=True)
    (path / "kwartier.toml").write_text(CLIENT)
    create_home(path)
    with open_home(path) as home:
        eans = [body + str(check_digit(body)) for body in (f"2087{number:013d}" for number in range(meters))]
        _fleet(home, path, eans, first, cell_meters)
        ids = _ids(home, eans, first.year)
        _market(home, path, eans, first, days, cell_meters)
        _eve(home, ids, _opening(meters), first - ONE_DAY)
        registers = _opening(meters)
        for number in range(days):
            registers = _readings(home, ids, first + number * ONE_DAY, f"day {number}", registers, faults)
        _readings(home, ids, first + days * ONE_DAY, "next", registers, 0.0)


def area_of(number: int, cell_meters: int) -> str:
    """The grid area of a meter: by turns, or that of its cell."""
    return f"area{(number // cell_meters if cell_meters else number) % AREAS:02}"


def _opening(meters: int) -> Mapping[str, Integers]:
    generator = np.random.default_rng(SEED)
    return {channel: generator.integers(1_000_000, 30_000_000, meters) for channel in CHANNELS}


def _fleet(home: Home, path: Path, eans: list[str], first: date, cell_meters: int) -> None:
    file = path.parent / "fleet.csv"
    with file.open("w") as out:
        out.write(f"{FLEET}\n")
        out.writelines(
            f"m{number},{ean},127.0.0.1,4059,{0x4B57540000000000 + number:016X},smr-5.5,{area_of(number, cell_meters)},"
            f"t{number // 50},3x25A,{f'cell{number // cell_meters:05}' if cell_meters else ''},2020-01-01\n"
            for number, ean in enumerate(eans)
        )
    home.registry.import_file(file, at=0)
    file.unlink()
    asked = midnight(first + ONE_DAY, ZONE) + 3600
    since, until = date.min.isoformat(), date.max.isoformat()
    with writing(home.engine) as connection:
        insert_lines(connection, drifts, ((f"m{number}", number % 7 - 3, asked) for number in range(len(eans))))
        kinds = (
            (f"m{number}", "communication", f"maker {number % 2}", FIRMWARE[number % 3]) for number in range(len(eans))
        )
        lines = (
            (meter, kind, since, until, 0, FOREVER, "", maker, "", "", firmware)
            for meter, kind, maker, firmware in kinds
        )
        insert_lines(connection, modules, lines)


def _ids(home: Home, eans: list[str], year: int) -> Integers:
    generator = np.random.default_rng(SEED)
    ids = np.unique(generator.integers(-(2**63), 2**63 - 1, len(eans)))
    if len(ids) != len(eans):
        raise RuntimeError("two ids are the same")
    with writing(home.engine) as connection:
        order = generator.permutation(len(eans)).tolist()
        lines = [(int(ids[place]), f"m{number}", eans[number], year) for place, number in enumerate(order)]
        insert_lines(connection, reading_ids, lines)
    return np.sort(ids)


def _readings(
    home: Home, ids: Integers, day: date, batch: str, opening: Mapping[str, Integers], faults: float
) -> Mapping[str, Integers]:
    """A day of readings in one file; the registers that it closes with."""
    closing = {channel: np.zeros(len(ids), np.int64) for channel in CHANNELS}
    log = Log(home.store_folder, encrypted=home.day_keys is not None)
    files = Files(log.root, home.day_keys)
    path = f"day={day}/{secrets.token_hex(16)}.parquet"
    size = files.write(path, _tables(ids, day, batch, opening, closing, faults))
    log.refresh()
    log.commit(
        [AddAction(path, size, {"day": f"{day}"}, int(time.time() * 1000), True, "{}")], transaction=batch, version=1
    )
    return closing


def _tables(
    ids: Integers,
    day: date,
    batch: str,
    opening: Mapping[str, Integers],
    closing: Mapping[str, Integers],
    faults: float,
) -> Iterator[pyarrow.Table]:
    generator = np.random.default_rng(SEED + day.toordinal())
    known_at = int(quarter_ends(day, day + ONE_DAY, ZONE)[-1]) + 3600
    for first in range(0, len(ids), PIECE):
        rows = slice(first, first + PIECE)
        count = len(ids[rows])
        registers = households(generator, count)
        missing = {channel: np.zeros((count, QUARTERS + 1), np.uint8) for channel in CHANNELS}
        for channel in CHANNELS:
            registers[channel] += (opening[channel][rows] - registers[channel][:, 0])[:, np.newaxis]
            closing[channel][rows] = registers[channel][:, -1]
        for row in np.flatnonzero(generator.random(count) < faults).tolist():
            spoil(generator, registers["import_wh"][row], missing["import_wh"][row])
        quiet = np.zeros((count, QUARTERS + 1), np.uint8)
        yield encode(
            batch,
            Block(
                ids=ids[rows],
                known_at=np.full(count, known_at),
                registers=registers,
                missing=missing,
                status=quiet,
                clock_status=quiet,
            ),
        )


def _eve(home: Home, ids: Integers, opening: Mapping[str, Integers], eve: date) -> None:
    """The day before as a run of validation left it."""
    runs = Runs(home.engine)
    run = runs.begin(eve, actor="os:bench", rules="2026", raw_version=0, market_revision=0, at=0)
    midnight_s = midnight(eve + ONE_DAY, ZONE)

    def pieces() -> Iterator[Volumes]:
        generator = np.random.default_rng(SEED)
        for first in range(0, len(ids), PIECE):
            rows = slice(first, first + PIECE)
            count = len(ids[rows])
            drawn = households(generator, count)
            energy_wh = {name: np.diff(one, axis=1).astype(np.int32) for name, one in drawn.items()}
            state = {name: np.zeros(count, np.int64) for name in STATE}
            for channel in CHANNELS:
                state[f"last_{channel}"] = opening[channel][rows]
                state[f"last_{channel.removesuffix('_wh')}_at"] = np.full(count, midnight_s)
                state[f"mean_{channel}"] = state[f"total_{channel}"] = energy_wh[channel].sum(axis=1, dtype=np.int64)
                state[f"peak_{channel}"] = 2 * energy_wh[channel].max(axis=1).astype(np.int64)
            state["mean_days"] = np.full(count, 7)
            state["eligible"] = np.ones(count, np.int64)
            quality = np.zeros((count, QUARTERS), np.uint8)
            yield Volumes(
                day=eve, ids=ids[rows], energy_wh=energy_wh, quality=dict.fromkeys(CHANNELS, quality), state=state
            )

    version = home.open_validated().append(run, eve, pieces())
    counts = {"rows": len(ids), "changed": len(ids), "findings": 0, "substitutes": 0}
    runs.finish(run, checks=[], counts=counts, version=version, at=0)


def _market(home: Home, path: Path, eans: list[str], first: date, days: int, cell_meters: int) -> None:
    """Who answers for whom, and what flowed into each area."""

    def said(kind: Kind, header: str, lines: Iterator[str]) -> None:
        file = path.parent / f"{kind}.csv"
        with file.open("w") as out:
            out.write(f"{header}\n")
            out.writelines(lines)
        Market(home.engine).import_file(file, kind=kind, at=noon_after(first) - 86_400, actor="os:bench")
        file.unlink()

    ends = quarter_ends(first, first + days * ONE_DAY, ZONE)[1:].tolist()
    quarters = [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%MZ") for one in ends]
    areas = [f"area{number:02}" for number in range(AREAS)]
    said(
        Kind.MARKET,
        MARKET,
        (
            f"{ean},2026-01-01,brp{number % SUPPLIERS % 20:02},s{number % SUPPLIERS:02},{area_of(number, cell_meters)},"
            f"{'cSMA' if number % 20 else 'PRF'},2500000\n"
            for number, ean in enumerate(eans)
        ),
    )
    each_wh = {"import": 70 * len(eans) // AREAS, "export": 30 * len(eans) // AREAS}
    for kind, part in ((Kind.INFEED, 1), (Kind.LOSSES, 20)):
        rows = (
            f"{area},{quarter},{way},{each_wh[way] // part if kind is Kind.INFEED or way == 'import' else 0}\n"
            for area in areas
            for way in each_wh
            for quarter in quarters
        )
        said(kind, ENERGY, rows)
    fractions = (
        f"{area},E1A,{way},{quarter},0.0000285,DYN\n" for area in areas for way in each_wh for quarter in quarters
    )
    said(Kind.FRACTIONS, FRACTION, fractions)
