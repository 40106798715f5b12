"""Files as the market hands them in, written by tests."""

from collections.abc import Iterable
from pathlib import Path

from kwartier.fleet.ean import check_digit

MARKET = "ean,valid_from,valid_to,brp,supplier,grid_area,method,year_volume_wh"
ENERGY = "grid_area,quarter,direction,energy_wh"
FRACTION = "grid_area,profile,direction,quarter,fraction,quality"


def ean(number: int) -> str:
    body = f"20{number:015d}"
    return body + str(check_digit(body))


def supply(number: int = 1, start: object = "2026-01-01", end: object = "", **other: object) -> str:
    """A row of market.csv."""
    facts = {"brp": "BRP-1", "supplier": "S-1", "area": "GA-1", "method": "cSMA", "year": 3_000_000, **other}
    return ",".join(map(str, (ean(number), start, end, *facts.values())))


def write(path: Path, header: str, rows: Iterable[str]) -> Path:
    path.write_text("\n".join((header, *rows)) + "\n")
    return path
