"""A home for ``python -m bench pages``: days of a fleet, validated, settled and tidied by the services, a night, an account.

The days end two days ago, so that the next one's readings are there. The night is that of yesterday: every meter has its row,
most are stored, and some of every cell are not. Each meter has been visited once a day.
"""

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from bench import day_scene
from bench.day_scene import ONE_DAY, noon_after
from bench.store import QUARTERS, ZONE
from kwartier.clock import local_day, midnight
from kwartier.collect.due import State
from kwartier.database import insert_lines, without_indices, writing
from kwartier.fleet.ean import check_digit
from kwartier.service.home import Home, open_home
from kwartier.service.settling.run import settle
from kwartier.service.upkeep import tidy
from kwartier.service.validating.run import validate
from kwartier.tables import dues, nights, visits
from kwartier.who.accounts import Accounts, Cost
from tests.somebody import TESTER

NAME, PASSWORD = "bench", "correct horse battery"
ROLES = ["operator", "privacy-officer", "registry", "settlement", "validation"]
CHEAP = Cost(n=2, r=1, p=1)
"""What a password costs is no part of a page."""
FAULTS = 0.02
CELL_METERS = 600
US = 1_000_000
NIGHT_S = 6 * 3600
STANDING = (
    *((State.STORED, None),) * 30,
    (State.FAILED, "connect-timeout"),
    (State.REFUSED, "association-refused"),
    (State.RETRY, "connect-timeout"),
    *((State.WAITING, None),) * 4,
)
"""How meters stand, by turns; 37 of them, so that no two cells have the same."""
DETAIL = json.dumps({"try": 1, "sent": 700, "received": 2_900, "messages": 6, "drift_s": 0.5})


def first_of(days: int, now: float) -> date:
    """The first of so many days; of which none, nor the day before, is of another year than the last."""
    last = local_day(int(now), ZONE) - 2 * ONE_DAY
    first = last - (days - 1) * ONE_DAY
    return (
        first if (first - ONE_DAY).year == (last + ONE_DAY).year else date(last.year - 1, 12, 30) - (days - 1) * ONE_DAY
    )


def make(path: Path, meters: int, days: int, first: date) -> dict[str, float]:
    """The home in ``path``; seconds of each part of making it."""
    took: dict[str, float] = {}
    begun = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal begun
        took[name], begun = round(time.perf_counter() - begun, 1), time.perf_counter()

    day_scene.make(path, meters, FAULTS, first=first, days=days, cell_meters=CELL_METERS)
    lap("readings")
    with (path / "kwartier.toml").open("a") as out:
        out.write(f'\n[roles]\n"account:{NAME}" = {json.dumps(ROLES)}\n')
    with open_home(path) as home:
        for day in (first + number * ONE_DAY for number in range(days)):
            validate(home, day, actor=TESTER, now=noon_after(day), reason="bench")
            settle(home, day, actor=TESTER, reason="bench", at=noon_after(day))
        lap("judging")
        tidy(home, keep_days=0, wall=time.time)
        lap("tidying")
        _visits(home, meters, first, days)
        _night(home, meters)
        Accounts(home.engine, simulated=lambda: True, cost=CHEAP).add(NAME, PASSWORD, by="os:bench", at=0)
        lap("night")
    return took


def ean(number: int) -> str:
    """Of a meter, as the scene of the day gives them."""
    body = f"2087{number:013d}"
    return body + str(check_digit(body))


def _visits(home: Home, meters: int, first: date, days: int) -> None:
    def lines() -> Iterator[tuple[object, ...]]:
        for day in (first + number * ONE_DAY for number in range(days)):
            opens = midnight(day + ONE_DAY, ZONE)
            date_ = f"{day + ONE_DAY}"
            for number in range(meters):
                at = (opens + number * NIGHT_S // meters) * US
                name = f"{day.toordinal():08x}{number:024x}"
                yield (
                    name, f"m{number}", ean(number), date_, at, at + US, "done", True, "settlement", "", "os:bench", DETAIL,
                )  # fmt: skip  # the values of a row, in the order of its columns

    with writing(home.engine) as connection, without_indices(connection, visits):
        insert_lines(connection, visits, lines())


def _night(home: Home, meters: int) -> None:
    """Yesterday's, in its middle: nobody is at work."""
    now = int(time.time())
    day = local_day(now, ZONE) - ONE_DAY
    opens = midnight(day + ONE_DAY, ZONE)

    def lines() -> Iterator[tuple[object, ...]]:
        for number in range(meters):
            state, code = STANDING[number % len(STANDING)]
            planned = opens + number * NIGHT_S // meters
            done = min(planned + 2, now) if state in (State.STORED, State.FAILED, State.REFUSED) else None
            present = QUARTERS if state is State.STORED else 0
            yield (
                f"{day}", f"m{number}", ean(number), "", ZONE, state.value, planned, planned, opens + NIGHT_S,
                int(state is not State.WAITING), None, None, code, QUARTERS, present, done,
                f"cell{number // CELL_METERS:05}", f"maker {number % 2} {day_scene.FIRMWARE[number % 3]}",
            )  # fmt: skip  # the values of a row, in the order of its columns

    with writing(home.engine) as connection:
        insert_lines(connection, nights, [(f"{day}", opens, "settlement", "os:bench")])
        with without_indices(connection, dues):
            insert_lines(connection, dues, lines())
