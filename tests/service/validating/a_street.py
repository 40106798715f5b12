"""A street of meters whose registers are known at every quarter, and an installation that stores what one says it read."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from kwartier.clock import QUARTER_S, midnight, quarter_ends
from kwartier.database import writing
from kwartier.fleet.ean import check_digit
from kwartier.gate.ids import Ids
from kwartier.gate.policy import Scope
from kwartier.model import Missing, Quality, Readings, Registers, Times, Volumes
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.validating.chosen import NOTHING, Again
from kwartier.service.validating.due import validate_due
from kwartier.service.validating.run import Outcome, validate
from kwartier.service.validating.runs import Runs
from kwartier.store.encode import Entry
from tests.somebody import TESTER

ZONE = "Europe/Amsterdam"
ONE_DAY = timedelta(days=1)
EPOCH = midnight(date(2024, 12, 1), ZONE)
CHANNELS = ("import_wh", "export_wh")
FIRST_WH = 1_000_000
ALL_DAY = 97


def ean(number: int) -> str:
    body = f"2087{number:013d}"
    return body + str(check_digit(body))


def registers(number: int, times: Times) -> dict[str, Registers]:
    """What a meter counts: of import 40 to 90 Wh a quarter and never three alike, of export a third of the meters something."""
    whole = (times - EPOCH) // QUARTER_S
    steps = 40 + (np.arange(int(whole.max()) + 1) * 7 + number * 13) % 51
    taken = FIRST_WH * (number + 1) + np.concatenate([[0], np.cumsum(steps)])[whole]
    given = (number + 1) * whole if number % 3 == 0 else np.zeros_like(whole)
    noon = (times - EPOCH) // 86_400
    return {"import_wh": taken, "export_wh": np.where(number % 3 == 0, noon * 3, given * 0)}


def energy_wh(number: int, start: int, end: int, channel: str = "import_wh") -> int:
    """What went through a meter from one moment to another (UTC s)."""
    found = registers(number, np.array([start, end], np.int64))[channel]
    return int(found[1] - found[0])


@contextmanager
def a_street(folder: Path, meters: int = 3, *settings: str, since: date = date(2020, 1, 1)) -> Iterator["Street"]:
    """An installation that knows ``meters`` meters, m0 and so on, each at a connection of its own."""
    home = folder / "home"
    home.mkdir(parents=True)
    lines = ['client_system_title = "4B57540102030405"', *settings]
    (home / "kwartier.toml").write_text("\n".join(lines) + "\n", "utf-8")
    create_home(home)
    rows = ["meter,ean,host,port,system_title,companion,grid_area,capacity,valid_from"]
    rows += [
        f"m{one},{ean(one)},127.0.0.1,4059,4B575400000000{one:02d},smr-5.5,noord,3x25A,{since}" for one in range(meters)
    ]
    (folder / "fleet.csv").write_text("\n".join(rows) + "\n")
    with open_home(home) as opened:
        if meters:
            opened.registry.import_file(folder / "fleet.csv", at=0)
        yield Street(opened, folder)


class Street:
    """The installation, and what may happen to it."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self._batches = 0

    def read(
        self,
        day: date,
        *numbers: int,
        missing: Collection[int] = (),
        reason: Missing = Missing.NOT_IN_BUFFER,
        marked: Collection[int] = (),
        change: Mapping[int, int] | None = None,
        known_at: int | None = None,
        timezone: str = ZONE,
    ) -> None:
        """Store a day of some meters but for some places; ``change`` adds Wh to import registers from a place on."""
        entries = []
        times = quarter_ends(day, day + ONE_DAY, timezone)
        for number in numbers:
            with writing(self.home.engine) as connection:
                (identity,) = Ids(self.home.engine).ids_of(connection, [(ean(number), f"m{number}", day.year)]).values()
            columns = {name: column.copy() for name, column in registers(number, times).items()}
            for place, wh in (change or {}).items():
                columns["import_wh"][place:] += wh
            reasons, status = np.zeros(len(times), np.uint8), np.zeros(len(times), np.uint8)
            reasons[list(missing)] = reason
            status[list(marked)] = 0x80
            readings = Readings(
                meter=f"m{number}",
                start=day,
                end=day + ONE_DAY,
                times=times,
                registers=columns,
                missing=dict.fromkeys(CHANNELS, reasons),
                status=status,
                clock_status=np.zeros(len(times), np.uint8),
            )
            at = int(times[-1]) + 3600 if known_at is None else known_at
            entries.append(Entry(id=identity, readings=readings, timezone=timezone, known_at=at))
        self._batches += 1
        self.home.open_store().append(f"b{self._batches}", entries)

    def now(self, day: date) -> int:
        """Some hours into the day after ``day``, in UTC seconds."""
        return midnight(day + ONE_DAY, ZONE) + 6 * 3600

    def validate(self, day: date, *, again: Again = NOTHING, today: date | None = None) -> Outcome | None:
        """Validate ``day`` in the night after it, or in the morning of ``today``."""
        now = self.now(day) if today is None else self.now(today - ONE_DAY)
        return validate(self.home, day, actor=TESTER, now=now, reason="a test", again=again)

    def due(self, day: date) -> list[Outcome]:
        """Validate what is due in the night after ``day``."""
        found = validate_due(self.home, actor=TESTER, now=self.now(day), reason="a test", watch=lambda _: None)
        return list(found)

    def volumes(self, day: date) -> dict[str, "Row"]:
        """The volumes of a day as of its last run, by meter."""
        run = Runs(self.home.engine).demand(day)
        scope = Scope(start=day, end=day + ONE_DAY)
        grant = self.home.gate.open(actor=TESTER, purpose="validation", scope=scope, reason="a test")
        return {
            link.meter: Row(piece, row)
            for piece, links in grant.volumes(day, run.run)
            for row, link in enumerate(links)
        }


class Row:
    """The volumes of one meter and day."""

    def __init__(self, volumes: Volumes, row: int) -> None:
        self._volumes = volumes
        self._row = row

    def wh(self, channel: str = "import_wh") -> list[int]:
        """Of each quarter."""
        return [int(one) for one in self._volumes.energy_wh[channel][self._row]]

    def qualities(self, channel: str = "import_wh") -> list[Quality]:
        """Of each quarter."""
        return [Quality(one) for one in self._volumes.quality[channel][self._row]]

    def kinds(self, channel: str = "import_wh") -> set[Quality]:
        """Those that there are."""
        return set(self.qualities(channel))
