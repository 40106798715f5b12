"""What was asked for, asked once more from outside: one read a day, and a second one refused with who asked and what for."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from kwartier.collect.claims import Claims
from kwartier.errors import Denied
from kwartier.service.home import open_home
from kwartier.service.reading import Request, read
from kwartier.service.rehearsal.nights import Script, rehearse
from tests.service.rehearsal.test_nights import SHORT_MINUTES
from tests.service.street import installed, timeless
from tests.service.test_purposes import eans, records, ticking
from tests.service.test_worker import DAY
from tests.somebody import TESTER

METERS = 60
ONE_DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("middle", "quarters"),
    [
        (date(2026, 3, 29), 92),
        pytest.param(date(2026, 6, 10), 96, marks=pytest.mark.long),
        pytest.param(date(2026, 10, 25), 100, marks=pytest.mark.long),
    ],
    ids=str,
)
def test_one_read_a_day_at_most_on_days_of_every_length(middle: date, quarters: int) -> None:
    script = Script(seed=quarters, meters=METERS, days=3, first_day=middle - ONE_DAY, window_minutes=SHORT_MINUTES)
    found = rehearse(script)
    assert found.broken == ()
    assert (found.comparison.wrong, found.comparison.doubled, found.comparison.lost) == (0, 0, 0)
    assert found.meter_nights == 3 * METERS


def test_a_second_read_on_the_same_day_is_refused_and_says_who_asked_and_what_for(tmp_path: Path) -> None:
    wall = ticking()
    with timeless(tmp_path, 1, wall) as fleet, open_home(installed(tmp_path, fleet)) as home:
        (meter,) = [name for name, *_ in home.registry.list()]
        request = Request(meter=meter, start=DAY, end=DAY + ONE_DAY, actor=TESTER)
        assert read(home, request, wall=wall).readings is not None
        again = Request(meter=meter, start=DAY, end=DAY + ONE_DAY, purpose="complaint", actor=TESTER)
        with pytest.raises(Denied) as caught:
            read(home, again, wall=wall)
        assert caught.value.code == "already-read"
        told = [(one["kind"], one["actor"], one["purpose"]) for one in records(home)]
        assert told == [("read", TESTER.name, "validation"), ("read", TESTER.name, "complaint")]
        assert eans(home)[0] not in json.dumps(records(home))
        proof = Claims(home.engine).proof(DAY + ONE_DAY)
        assert (proof.claims, proof.refused, proof.beyond) == (1, {"already-read": 1}, ())
