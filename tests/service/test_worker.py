"""One process of a night on a disk that fills up, and what a night says of it meanwhile."""

import asyncio
import time
from dataclasses import asdict
from datetime import date, datetime
from multiprocessing import Pipe, Process
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kwartier.cli.progress import Shown
from kwartier.collect.due import Dues
from kwartier.collect.engine import Tally
from kwartier.service import night, worker
from kwartier.service.compare import compare_night
from kwartier.service.files import DiskRoom
from kwartier.service.home import open_home
from kwartier.service.night import Progress, Request, orders_of
from tests.service.street import TIMEZONE, installed, timeless
from tests.somebody import TESTER

DAY = date(2026, 3, 4)
NIGHT = datetime(2026, 3, 5, 1, tzinfo=ZoneInfo(TIMEZONE)).timestamp()
METERS = 20
FULL_LOOKS = 3


def test_on_a_full_disk_no_visit_begins_and_the_night_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, said = 0, list[Tally]()
    begun_s = time.monotonic()

    def wall() -> float:
        return NIGHT + time.monotonic() - begun_s

    def room(folder: Path) -> DiskRoom:
        nonlocal looks
        looks += 1
        if looks <= FULL_LOOKS:
            assert said == [] or said[-1].tries == 0, "no visit begins"
        return DiskRoom(free_bytes=2 if looks > FULL_LOOKS else 1, kept_bytes=1)

    monkeypatch.setattr(worker, "room_for", room)
    with timeless(tmp_path, METERS, wall) as fleet:
        request = Request(day=DAY, workers=1, at_once=True, actor=TESTER)
        with open_home(installed(tmp_path, fleet)) as home:
            night.plan(home, request, now=wall())
            told = lambda tally: said.append(Tally(**asdict(tally)))  # noqa: E731 - the tally changes
            tally = asyncio.run(worker.run(home, orders_of(home, request), progress=told, wall=wall))
            assert (tally.stored, tally.away) == (METERS, "")
            assert "no-room" in {one.away for one in said}
            assert Dues(home.engine).counts(DAY).stored == METERS
            assert compare_night(home, fleet, DAY, actor=TESTER).is_clean
    assert looks > FULL_LOOKS


def test_a_night_says_what_its_processes_wait_for(capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = Pipe(duplex=False)
    workers = [night._Worker(process=Process(), report=ours)]
    progress = Progress(due=5, already=1)
    theirs.send(asdict(Tally(stored=2, open=1, away="database-away")))
    night._listen(workers)
    night._sum_up(workers, progress)
    assert (progress.stored, progress.open, progress.away) == (2, 1, "database-away")
    with Shown() as shown:
        shown._next_s = 0.0
        shown.show(progress)
    assert "3 of 5 meters" in (said := capsys.readouterr().err)
    assert "no visit begins: database-away" in said
    theirs.send(asdict(Tally(stored=3)))
    night._listen(workers)
    night._sum_up(workers, progress)
    assert (progress.stored, progress.away) == (3, "")
    for end in (ours, theirs):
        end.close()
