"""What is told of volumes: what is missing has none, whatever number stands in its place, and a table says the same."""

from datetime import date
from typing import Any

import pyarrow

from kwartier.model import Quality
from kwartier.service import telling
from kwartier.service.validating.shown import OfOne

ONE = OfOne(
    ean="200000000000000035",
    meter="m3",
    day=date(2026, 11, 24),
    run=7,
    ends=[1_795_735_800, 1_795_736_700, 1_795_737_600],
    energy_wh={"import_wh": [40, 0, 0], "export_wh": [1, 2, 3]},
    quality={
        "import_wh": [Quality.MEASURED, Quality.MISSING, Quality.ABSENT],
        "export_wh": [Quality.CALCULATED, Quality.ESTIMATED, Quality.MEASURED],
    },
)


def test_what_is_missing_has_no_volume_and_what_was_not_there_has_none_to_miss() -> None:
    told: Any = telling.volumes([ONE])["volumes"]  # fields say no more of it
    quarters = told[0]["quarters"]
    assert len(told) == 1
    assert [(row["import_wh"], row["import_quality"]) for row in quarters] == [
        (40, "measured"),
        (None, "missing"),
        (0, "absent"),
    ]
    assert [row["export_quality"] for row in quarters] == ["calculated", "estimated", "measured"]


def test_the_table_says_the_same() -> None:
    table = telling.volume_rows([ONE])
    assert table["import_wh"].to_pylist() == [40, None, 0]
    assert table["export_quality"].to_pylist() == ["calculated", "estimated", "measured"]
    assert set(table["run"].to_pylist()) == {7}
    assert telling.volume_rows([]).schema == table.schema
    assert table.schema.field("import_wh").type == pyarrow.int64()


def test_its_repr_shows_no_volume() -> None:
    assert "40" not in repr(ONE)
