"""For any fleet: parties, unread, losses and residual are the infeed, to the watt-hour, and nobody is lost or doubled."""

from collections import Counter
from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.model import Quality
from kwartier.settle.conservation import Bounds
from kwartier.settle.frozen import frozen
from kwartier.settle.tables import DIRECTIONS, AreaState, Part
from tests.settle.building import Day, Meter, quarterly, settle, supply, times_of

DAYS = (date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 24))
AREAS, PARTIES, SUPPLIERS, PROFILES = ("A", "B"), ("brp-1", "brp-2", "brp-3"), ("lev-1", "lev-2"), ("E1A", "E1B")
METHODS = ("SMA", "cSMA", "PRF")
ANY_RESIDUAL = Bounds(share_bp=0, floor_wh=1 << 60)
MOST_METERS = 2

connections = st.lists(
    st.fixed_dictionaries(
        {
            "area": st.sampled_from(AREAS),
            "brp": st.sampled_from(PARTIES),
            "supplier": st.sampled_from(SUPPLIERS),
            "method": st.sampled_from(METHODS),
            "profile": st.sampled_from(PROFILES),
            "meters": st.integers(0, MOST_METERS),
            "has_hole": st.booleans(),
            "is_registered": st.booleans(),
        }
    ),
    max_size=12,
)


def a_day(day: date, fleet: list[dict[str, object]], seed: int) -> Day:
    """A fleet with volumes, years, infeed and losses drawn from ``seed``."""
    chance = np.random.default_rng(seed)
    quarters = len(times_of(day)) - 1
    meters: list[Meter] = []
    supplies, registered = [], []
    for number, one in enumerate(fleet):
        ean = f"8719999000{number:08d}"
        years = {name: int(chance.integers(0, 10**8)) for name in ("year_import_wh", "year_export_wh")}
        facts = {name: one[name] for name in ("supplier", "method", "profile")}
        supplies.append(supply(ean, str(one["area"]), str(one["brp"]), **facts, **years))
        if one["is_registered"] or one["meters"]:
            registered.append({"ean": ean, "grid_area": one["area"]})
        for place in range(int(str(one["meters"]))):
            energy = chance.integers(0, 5_000, (2, quarters))
            quality = chance.choice([Quality.MEASURED, Quality.CALCULATED, Quality.ESTIMATED], (2, quarters))
            if one["has_hole"] and place == 0:
                quality[int(chance.integers(2)), int(chance.integers(quarters))] = Quality.MISSING
            # Ids are random in the store: here they stand in another order than the connections.
            meters.append(
                Meter(id=10_000 - 2 * number - place, ean=ean, energy_wh=energy, quality=quality.astype(np.uint8))
            )
    keys = [{"grid_area": area, "direction": way} for area in AREAS for way in DIRECTIONS.values()]
    return Day(
        day=day,
        meters=meters,
        connections=registered,
        supplies=supplies,
        infeed=[
            row
            for key in keys
            for row in quarterly(day, key, "energy_wh", chance.integers(0, 50_000, quarters).tolist())
        ],
        losses=[
            row
            for key in keys
            for row in quarterly(day, key, "energy_wh", chance.integers(0, 2_000, quarters).tolist())
        ],
        fractions=[
            row
            for key in keys
            for profile in PROFILES
            for row in quarterly(
                day, {**key, "profile": profile}, "fraction_e12", chance.integers(0, 10**8, quarters).tolist()
            )
        ],
        bounds=ANY_RESIDUAL,
    )


@settings(max_examples=60)
@given(day=st.sampled_from(DAYS), fleet=connections, seed=st.integers(0, 2**32))
def test_the_parts_are_the_infeed_in_every_quarter_and_direction(
    day: date, fleet: list[dict[str, object]], seed: int
) -> None:
    made = a_day(day, fleet, seed)
    settlement = settle(made)
    assert [one.state for one in settlement.areas] == [AreaState.SETTLED, AreaState.SETTLED]
    assert [one for one in settlement.checks if not one.passed] == []
    times = {end: place for place, end in enumerate(times_of(day)[1:].tolist())}
    for area in AREAS:
        for direction in DIRECTIONS.values():
            rows = [one for one in made.infeed if (one["grid_area"], one["direction"]) == (area, direction)]
            left = [0] * len(times)
            for row in rows:
                left[times[row["quarter"]]] += int(str(row["energy_wh"]))
            for one in settlement.sums:
                if (one.grid_area, one.direction) == (area, direction) and one.part is not Part.INFEED:
                    left = [total - part for total, part in zip(left, one.energy_wh.tolist(), strict=True)]
            assert left == [0] * len(times)


@settings(max_examples=60)
@given(fleet=connections, seed=st.integers(0, 2**32))
def test_every_connection_is_in_one_sum_and_every_usable_watt_hour_too(
    fleet: list[dict[str, object]], seed: int
) -> None:
    made = a_day(DAYS[2], fleet, seed)
    settlement = settle(made)
    counted = Counter[tuple[str, str]]()
    metered_wh = 0
    for one in settlement.sums:
        if one.direction == "import":
            counted[one.grid_area, one.brp] += one.connections
            metered_wh += int(one.energy_wh.sum()) if one.part is Part.METERED else 0
    counted = Counter({key: count for key, count in counted.items() if count})
    assert counted == Counter((str(one["area"]), str(one["brp"])) for one in fleet)
    is_read = [one["method"] != "PRF" and bool(one["meters"]) and not one["has_hole"] for one in fleet]
    good = {f"8719999000{number:08d}" for number, read in enumerate(is_read) if read}
    assert metered_wh == sum(int(one.energy_wh[0].sum()) for one in made.meters if one.ean in good)
    unread = sum(one["method"] != "PRF" for one in fleet) - len(good)
    assert sum(one.unread for one in settlement.areas) == unread


@settings(max_examples=20)
@given(fleet=connections, seed=st.integers(0, 2**32))
def test_the_order_of_the_rows_changes_no_byte(fleet: list[dict[str, object]], seed: int) -> None:
    made = a_day(DAYS[0], fleet, seed)
    turned = Day(
        day=made.day,
        meters=made.meters[::-1],
        connections=made.connections[::-1],
        supplies=made.supplies[::-1],
        infeed=made.infeed[::-1],
        losses=made.losses[::-1],
        fractions=made.fractions[::-1],
        bounds=made.bounds,
    )
    assert frozen(settle(made)) == frozen(settle(turned))
