"""What the raw registers say of a meter that was measured as a whole; of any other, what its volumes come to."""

from datetime import date

import numpy as np

from kwartier.model import STATE, Missing, Quality, Stack, Volumes
from kwartier.service.settling.second_path import moved, rows_of

DAY = date(2026, 11, 24)
QUARTERS = 96


def volumes(ids: list[int], quality: Quality) -> Volumes:
    shape = (len(ids), QUARTERS)
    return Volumes(
        day=DAY,
        ids=np.array(ids, np.int64),
        energy_wh={"import_wh": np.full(shape, 10, np.int32), "export_wh": np.full(shape, 1, np.int32)},
        quality={name: np.full(shape, quality, np.uint8) for name in ("import_wh", "export_wh")},
        state={name: np.zeros(len(ids), np.int64) for name in STATE} | {"raw_version": np.ones(len(ids), np.int64)},
    )


def stack(ids: list[int], step_wh: int) -> Stack:
    shape = (len(ids), QUARTERS + 1)
    register = np.arange(QUARTERS + 1, dtype=np.int64) * step_wh + 1_000
    return Stack(
        day=DAY,
        ids=np.array(ids, np.int64),
        registers={name: np.tile(register, (len(ids), 1)) for name in ("import_wh", "export_wh")},
        missing={name: np.zeros(shape, np.uint8) for name in ("import_wh", "export_wh")},
        status=np.zeros(shape, np.uint8),
        clock_status=np.zeros(shape, np.uint8),
        versions=np.ones(len(ids), np.int64),
        known_at=np.zeros(len(ids), np.int64),
    )


def told(table: object) -> list[tuple[int, int, int, bool]]:
    rows = table.to_pylist()  # type: ignore[attr-defined]  # it is an Arrow table
    return [(row["id"], row["import_wh"], row["export_wh"], row["from_registers"]) for row in rows]


def test_registers_say_it_where_nothing_was_estimated() -> None:
    rows = rows_of([volumes([5, 9], Quality.MEASURED), volumes([-3], Quality.ESTIMATED)])
    found = moved(rows, [stack([-3, 5, 9], 20)], frozenset())
    assert told(found) == [(-3, 960, 96, False), (5, 1920, 1920, True), (9, 1920, 1920, True)]


def test_a_meter_that_was_exchanged_or_has_no_closing_is_told_by_its_volumes() -> None:
    rows = rows_of([volumes([5, 9, 12], Quality.CALCULATED)])
    there = stack([5, 9], 20)
    there.missing["export_wh"][1, -1] = Missing.NOT_IN_BUFFER
    found = moved(rows, [there], frozenset({5}))
    assert told(found) == [(5, 960, 96, False), (9, 960, 96, False), (12, 960, 96, False)]


def test_what_a_meter_was_heard_to_say_after_it_was_validated_counts_for_nothing() -> None:
    later = stack([5, 9], 20)
    later.versions[1] = 2
    found = moved(rows_of([volumes([5, 9], Quality.MEASURED)]), [later], frozenset())
    assert told(found) == [(5, 1920, 1920, True), (9, 960, 96, False)]


def test_of_nothing_nothing_is_told() -> None:
    assert told(moved(rows_of([]), [stack([5], 20)], frozenset())) == []
