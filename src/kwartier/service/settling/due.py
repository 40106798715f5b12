"""Which days are to be settled: those that validation has looked at since, and that are not closed.

A day is also due of which an area is held or stopped and the market has said something else of it since. What else is corrected
- a supply, an infeed of an area that was settled, the registry - is settled again when somebody names the day: a version for
every import that speaks of half a year would be none that anybody reads.
"""

from collections.abc import Mapping
from datetime import date

from kwartier.clock import quarter_ends
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.market.series import Series
from kwartier.service.home import Home
from kwartier.service.settling.gathering import ONE_DAY, Key
from kwartier.service.settling.versions import Version, Versions
from kwartier.service.validating.runs import Runs
from kwartier.settle.calendar import FIRST_YEAR, LAST_YEAR, dutch
from kwartier.settle.tables import AreaState


def due(home: Home, today: date) -> list[date]:
    """The local days that are to be settled ``today``, the earliest first."""
    versions, calendar = Versions(home.engine), dutch()
    found = []
    for day, run in Runs(home.engine).days().items():
        if not (FIRST_YEAR <= day.year <= LAST_YEAR and day < today <= calendar.closes(day)):
            continue
        latest = versions.latest(day)
        if latest is None or latest.made.validation_run < run.run or _may_go_on(home, versions, latest):
            found.append(day)
    return found


def _may_go_on(home: Home, versions: Versions, latest: Version) -> bool:
    """Whether the market has something new to say of a day that is not settled everywhere."""
    before, now = latest.made.market_revision, Market(home.engine).revision()
    if now == before or all(one.state is AreaState.SETTLED for one in versions.areas(latest.day, latest.version)):
        return False
    return _said(home, latest.day, before) != _said(home, latest.day, now)


def _said(home: Home, day: date, revision: int) -> tuple[object, ...]:
    """What the market says of a day, but for the names and years of single connections."""
    market, times = Market(home.engine), quarter_ends(day, day + ONE_DAY, home.settings.timezone)[1:]
    series = (
        _whole(market.energies(Kind.INFEED, times, revision)),
        _whole(market.energies(Kind.LOSSES, times, revision)),
        _whole(market.fractions(times, revision)),
    )
    return (market.counts(day, revision), *series)


def _whole(found: Mapping[Key, Series]) -> dict[Key, tuple[bytes, bytes]]:
    return {key: (one.values.tobytes(), one.there.tobytes()) for key, one in found.items()}
