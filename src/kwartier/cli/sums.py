"""``kwartier sums``: what groups of connections used, as far as a purpose shows it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import (
    Fineness,
    HomeOption,
    JsonOption,
    ResolutionOption,
    UseCaseOption,
    home_folder,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from kwartier.gate.sums import Sum

WIDTH = 48
"""Columns of a curve of a day."""


def sums(
    day: Annotated[datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="The local day.")],
    by: Annotated[str, typer.Option("--by", help="Sums by grid_area, brp, supplier or transformer.")],
    purpose: Annotated[str, typer.Option(help="What they are for; it is recorded, and has to be given.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")] = "",
    recipient: Annotated[str, typer.Option(help="Who gets to see them, if not you; it is recorded.")] = "",
    area: Annotated[str, typer.Option("--area", help="Of this grid area alone.")] = "",
    resolution: ResolutionOption = None,
    use_case: UseCaseOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what groups of connections took and fed in on a local day, in Wh, as far as the purpose allows it.

    A sum over too few is withheld, and so is a second one where the first could be told from the others. In statistics only
    fixed blocks of connections are counted; how many they are stands beside each sum.
    """
    from kwartier.gate.policy import Scope
    from kwartier.gate.purposes import Resolution
    from kwartier.service import telling
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.readings import sums_of_day

    start = day.date()
    scope = Scope(
        start=start,
        end=start + timedelta(days=1),
        by=by,
        area=area,
        use_case=use_case,
        resolution=None if resolution is None else Resolution(resolution.value),
    )
    with open_home(home_folder(home)) as opened:
        found = sums_of_day(opened, scope, actor=actor(opened), purpose=purpose, reason=reason, recipient=recipient)
    if as_json:
        print_json(telling.sums(found))
        return
    rows = [_row(one, drawn=resolution is not Fineness.DAY) for one in (*found.rows, found.total)]
    print_table(rows, header=(by, "counted", "import Wh", "export Wh", "import in the day"))


def _row(one: "Sum", *, drawn: bool) -> tuple[str, ...]:
    from kwartier.cli.curve import curve

    name = " ".join(part for part in (one.within, one.group) if part) or "all"
    counted = f"{one.counted} of {one.connections}"
    if one.energy_wh is None:
        return name, counted, one.withheld, one.withheld, ""
    totals = [f"{int(one.energy_wh[c].sum())}" if c in one.energy_wh else "" for c in ("import_wh", "export_wh")]
    column = one.energy_wh.get("import_wh")
    shape = curve([max(0, value) for value in column.tolist()], WIDTH) if drawn and column is not None else ""
    return name, counted, *totals, shape
