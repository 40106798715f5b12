"""Days to tell messages about: of each length, with every quality, and names that are out to break something."""

from datetime import date, timedelta

import numpy as np

from kwartier.clock import quarter_ends
from kwartier.export.codes import Code, Codes
from kwartier.export.document import Content, Header
from kwartier.export.series import Series
from kwartier.model import Quality, Times
from kwartier.settle.tables import Area, AreaState, Part, Sum

AMSTERDAM = "Europe/Amsterdam"
SPRING, PLAIN, AUTUMN = date(2026, 3, 29), date(2026, 11, 25), date(2026, 10, 25)
LENGTHS = {SPRING: 92, PLAIN: 96, AUTUMN: 100}
EAN = "200000000000000004"
HOSTILE = "BRP <&\"'> ]]> ënd"
AREA, OTHER_AREA = "GA-west", "GA-oost"
CODES = Codes(
    sender=Code("2900000000018", "A10"),
    tso=Code("10X1001A1001A264", "A01"),
    parties={
        "BRP-Delta": Code("2900000000032", "A10"),
        "BRP-Veluwe": Code("2900000000049", "A10"),
        "Polderstroom": Code("2900000000063", "A10"),
        HOSTILE: Code("2900000000070", "A10"),
    },
    areas={AREA: Code("290000000000000012", "A10"), OTHER_AREA: Code("10YNL----------L", "A01")},
)
SETTLED = (Area(grid_area=AREA, state=AreaState.SETTLED),)
CREATED, KNOWN = 1_795_000_000, 1_794_990_000


def times_of(day: date) -> Times:
    """The quarter ends of a day."""
    return quarter_ends(day, day + timedelta(days=1), AMSTERDAM)[1:]


def series(
    day: date = PLAIN,
    *,
    ean: str = EAN,
    direction: str = "import",
    energy_wh: list[int] | None = None,
    quality: list[int] | None = None,
    supplier: str = "Polderstroom",
    grid_area: str = AREA,
) -> Series:
    """One series; by default 0, 1, 2, ... Wh, all measured."""
    times = times_of(day)
    count = len(times)
    return Series(
        ean=ean,
        direction=direction,
        day=day,
        times=times,
        energy_wh=np.array(energy_wh or range(count), dtype=np.int64),
        quality=np.array(quality or [Quality.MEASURED] * count, dtype=np.uint8),
        grid_area=grid_area,
        brp="BRP-Delta",
        supplier=supplier,
    )


def total(
    part: Part = Part.METERED,
    *,
    day: date = PLAIN,
    direction: str = "import",
    grid_area: str = AREA,
    brp: str = "BRP-Delta",
    supplier: str = "Polderstroom",
    method: str = "cSMA",
    energy_wh: int = 0,
    calculated: dict[int, int] | None = None,
    estimated: dict[int, int] | None = None,
) -> Sum:
    """A row of a settlement, with ``energy_wh`` in each quarter; by place, how much of it is not measured."""
    count = LENGTHS[day]
    columns = {"calculated_wh": np.zeros(count, np.int64), "estimated_wh": np.zeros(count, np.int64)}
    for name, parts in (("calculated_wh", calculated), ("estimated_wh", estimated)):
        for place, part_wh in (parts or {}).items():
            columns[name][place] = part_wh
    is_whole = part in {Part.LOSS, Part.RESIDUAL, Part.INFEED}
    return Sum(
        grid_area=grid_area,
        part=part,
        direction=direction,
        brp="" if is_whole else brp,
        supplier="" if is_whole else supplier,
        method="" if is_whole else method,
        connections=1,
        energy_wh=np.full(count, energy_wh, np.int64),
        **columns,
    )


def content(*found: Series | Sum, day: date = PLAIN, areas: tuple[Area, ...] = SETTLED) -> Content:
    """What is to be told of a day."""
    return Content(
        day=day,
        times=times_of(day),
        areas=areas,
        sums=[one for one in found if isinstance(one, Sum)],
        series=[one for one in found if isinstance(one, Series)],
    )


def header(*, version: int = 1, final: bool = False) -> Header:
    """A header that is the same each time."""
    return Header(
        message_id="00000000-0000-4000-8000-000000000001",
        created_at=CREATED,
        known_at=KNOWN,
        sender=Code("2900000000018", "A10"),
        receiver=Code("2900000000063", "A10"),
        version=version,
        final=final,
    )
