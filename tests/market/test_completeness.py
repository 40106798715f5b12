"""Whether all is there to settle an area, and in words what is not."""

from datetime import date, timedelta
from pathlib import Path

from kwartier.clock import quarter_ends
from kwartier.market.completeness import inputs
from kwartier.market.market import Market
from tests.market.files import ENERGY, FRACTION, MARKET, supply, write

SPRING = date(2026, 3, 29)
TIMES = quarter_ends(SPRING, SPRING + timedelta(days=1), "Europe/Amsterdam")[1:]
STAMPS = [f"2026-03-28T{hour}:{minute:02d}Z" for hour in (23,) for minute in (15, 30, 45)] + [
    f"2026-03-29T{minutes // 60:02d}:{minutes % 60:02d}Z" for minutes in range(0, 22 * 60 + 1, 15)
]


def test_each_area_says_what_it_lacks(market: Market, tmp_path: Path) -> None:
    assert len(STAMPS) == len(TIMES) == 92
    rows = [supply(1), supply(2, method="PRF"), supply(3, area="GA-2"), supply(4, "2026-04-01", area="GA-4")]
    market.import_file(write(tmp_path / "market.csv", MARKET, rows), at=1, actor="os:test")
    ways = [(area, way) for area in ("GA-1", "GA-3") for way in ("import", "export")]
    for name in ("infeed", "losses"):
        lines = [f"{area},{stamp},{way},5" for area, way in ways for stamp in STAMPS]
        path = write(tmp_path / f"{name}.csv", ENERGY, lines if name == "infeed" else lines[:-2])
        market.import_file(path, at=1, actor="os:test")
    lines = [f"GA-1,E1A,{way},{stamp},0.1,DYN" for way in ("import", "export") for stamp in STAMPS]
    path = write(tmp_path / "fractions.csv", FRACTION, lines[1:])
    market.import_file(path, at=1, actor="os:test")
    one, two, three = inputs(market, SPRING, TIMES, market.revision())
    assert [one.grid_area, two.grid_area, three.grid_area] == ["GA-1", "GA-2", "GA-3"]
    assert [dict(area.connections) for area in (one, two, three)] == [{"PRF": 1, "cSMA": 1}, {"cSMA": 1}, {}]
    assert one.missing == ("fractions of E1A (import): 91 of 92 quarters",)
    assert len(two.missing) == 6
    assert three.missing == ("losses (export): 90 of 92 quarters",)
    market.import_file(write(path, FRACTION, lines[:1]), at=1, actor="os:test")
    assert inputs(market, SPRING, TIMES, market.revision())[0].missing == ()
    assert inputs(market, SPRING, TIMES, 0) == []
