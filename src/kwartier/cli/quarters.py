"""Quarters as rows for people, with a curve."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kwartier.cli.curve import bar, curve
from kwartier.cli.options import stdout

if TYPE_CHECKING:
    from kwartier.model import Readings

BAR_WIDTH = 24
CURVE_WIDTH = 48


def energies(readings: "Readings", name: str) -> list[int | None]:
    """The energy of each quarter in Wh: the difference of two registers that are both there."""
    there = readings.missing[name] == 0
    steps = readings.registers[name][1:] - readings.registers[name][:-1]
    return [
        int(step) if both else None
        for step, both in zip(steps.tolist(), (there[1:] & there[:-1]).tolist(), strict=True)
    ]


def print_quarters(readings: "Readings", timezone: str, status_bits: Mapping[int, str]) -> None:
    """A row for each quarter of the days that there are, and the curve of the whole, on stdout."""
    from rich.table import Table

    from kwartier.model import Missing
    from kwartier.service.telling import row_of

    zone = ZoneInfo(timezone)
    used = {name: energies(readings, name) for name in readings.registers}
    highest = {name: max((one or 0 for one in column), default=0) for name, column in used.items()}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("quarter ends")
    for name in used:
        table.add_column(name, justify="right")
        table.add_column("Wh", justify="right")
        table.add_column("", min_width=BAR_WIDTH)
    table.add_column("status")
    for place, seconds in enumerate(readings.times.tolist()):
        if all(column[place] == Missing.NOT_STORED for column in readings.missing.values()):
            continue
        row = row_of(readings, place)
        cells = [datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M %Z")]
        for name, column in used.items():
            energy_wh = column[place - 1] if place else None
            drawn = bar(energy_wh, highest[name], BAR_WIDTH) if place else "opening"
            register = row[name]
            cells += ["-" if register is None else f"{register}", "" if energy_wh is None else f"{energy_wh}", drawn]
        cells.append(str(row.get("reason") or _status_text(int(readings.status[place]), status_bits)))
        table.add_row(*cells)
    console = stdout()
    console.print(table)
    console.print()
    for name, column in used.items():
        total_wh = sum(one or 0 for one in column)
        console.print(f"{name:<10} {curve(column, CURVE_WIDTH)}  {total_wh / 1000:.3f} kWh")


def _status_text(status: int, status_bits: Mapping[int, str]) -> str:
    from kwartier.cosem.status import bit_names

    return ", ".join(bit_names(status, status_bits)) if status else ""
