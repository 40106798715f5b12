"""An installation with two meters, one behind each transport, of which one visit each was traced."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pytest

from kwartier.clock import midnight
from kwartier.model import Meter, Readings
from kwartier.service import reading
from kwartier.service.home import Home, open_home
from kwartier.service.tracing import naming
from tests.service.street import TIMEZONE, installed, timeless
from tests.somebody import TESTER

DAY: Final = date(2026, 11, 24)
AFTER: Final = DAY + timedelta(days=1)
NOW: Final = midnight(AFTER, TIMEZONE) + 10 * 3600
REASON: Final = "complaint 4711"


def wall() -> float:
    return NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A visit that was traced, and what it read."""

    trace: str
    meter: Meter
    readings: Readings = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The installation, and its traces by transport."""

    path: Path
    traced: dict[str, Traced]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Made once: whoever changes it copies it first."""
    return place_in(tmp_path_factory.mktemp("tracing"))


def place_in(folder: Path) -> Place:
    """The installation, made in a folder."""
    with timeless(folder, 2, wall) as fleet:
        path = installed(folder, fleet)
        with open_home(path) as home:
            traced = dict(_trace(home, one) for one in home.registry.on_day(DAY))
    assert set(traced) == {"wrapper", "hdlc"}
    return Place(path=path, traced=traced)


def _trace(home: Home, meter: Meter) -> tuple[str, Traced]:
    made = naming.request(home, meter.meter, actor=TESTER, reason=REASON, wall=wall)
    asked = reading.Request(meter=meter.meter, start=DAY, end=AFTER, purpose="test", reason="", actor=TESTER)
    report = reading.read(home, asked, wall=wall)
    assert report.visit.outcome == "done"
    assert report.readings is not None
    return meter.transport, Traced(trace=made.id, meter=meter, readings=report.readings)


@pytest.fixture
def home(built: Place) -> Iterator[Home]:
    """The installation, to be looked at and not changed."""
    with open_home(built.path) as opened:
        yield opened


@pytest.fixture(params=["wrapper", "hdlc"])
def traced(request: pytest.FixtureRequest, built: Place) -> Traced:
    """Each of the two visits in turn."""
    return built.traced[str(request.param)]
