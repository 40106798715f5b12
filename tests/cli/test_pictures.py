"""Pictures in characters: aligned, legible without colours, never wider than asked for."""

from collections.abc import Iterable
from datetime import date

import numpy as np
import pytest
from rich.cells import cell_len
from rich.text import Text

from kwartier.cli.pictures import LEAST_WIDTH, coverage_lines, curve_lines, print_picture
from kwartier.export.pictures.coverage import Coverage, Seen, coverage_of
from kwartier.export.pictures.day_curve import curve_of
from kwartier.export.pictures.palette import MARKS, Kind
from tests.export.pictures.volumes import BACK, FORWARD, PLAIN, TIMEZONE, coverage, curve, volumes

WIDTHS = (1, 40, 57, 80, 115, 200)
MANY = coverage_of([Seen(volumes(day, ["mmmce.", "m"])) for day in (FORWARD, PLAIN, BACK)], TIMEZONE, "Many\x1b days")
COHORTS = coverage_of(
    [Seen(volumes(PLAIN, ["m"]), labels=("a supplier with a long name", "b"), places=np.array([0]))], TIMEZONE
)


def plain(lines: Iterable[Text]) -> list[str]:
    return [line.plain for line in lines]


def test_a_cell_says_what_most_is_and_what_is_least_sure() -> None:
    seen = Seen(volumes(PLAIN, ["m" * 4 + "mmmc" + "cccc" + "eemm" + "m..." + "...." + "----"]))
    row = plain(coverage_lines(coverage_of([seen], TIMEZONE), 120))[1]
    assert row[11:39] == "■   ■▦  ▦   ■▒  ·   ·       "
    assert row.startswith("2026-11-25 ")


def test_late_has_a_sign_of_its_own() -> None:
    late = coverage_of([Seen(volumes(PLAIN, ["m"]), np.array([True]))], TIMEZONE)
    assert plain(coverage_lines(late, 115))[1].count(MARKS[Kind.LATE].sign) == 24


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "shown", [MANY, COHORTS, coverage_of([], TIMEZONE), coverage(".")], ids=["many", "cohorts", "none", "missing"]
)
def test_a_heat_map_is_aligned_and_as_wide_as_it_may_be(shown: Coverage, width: int) -> None:
    lines = plain(coverage_lines(shown, width))
    assert max(map(cell_len, lines)) <= max(width, LEAST_WIDTH)
    rows = [line for line in lines if line.rstrip().endswith(("%", "–", "complete")) and "(" not in line]
    assert len(rows) == len(shown.rows) + 1
    assert len({cell_len(row) for row in rows}) == 1
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("day", [FORWARD, PLAIN, BACK])
def test_a_curve_is_aligned_and_as_wide_as_it_may_be(day: date, width: int) -> None:
    lines = plain(curve_lines(curve("mmce.", day=day, export=["m"]), width))
    assert max(map(cell_len, lines)) <= max(width, LEAST_WIDTH)
    drawn = [line for line in lines if MARKS[Kind.MEASURED].sign in line and "kWh" not in line]
    assert len({len(line) for line in drawn}) == 1


def test_a_curve_rises_with_what_is_used_and_falls_with_what_is_fed_in() -> None:
    lines = plain(curve_lines(curve("m" * 48 + "-" * 48, export=["-" * 48 + "m" * 48]), 120))
    hours = next(place for place, line in enumerate(lines) if line.split()[:2] == ["00", "01"])
    above, below = lines[hours - 1], lines[hours + 1]
    assert above.startswith("import ")
    assert above.count("■") == below.count("■") == 48
    assert above.index("■") + 48 == below.index("■")


def test_a_gap_is_open_to_the_edge_and_an_estimate_is_not_measured() -> None:
    lines = plain(curve_lines(curve("m" * 32 + "." * 32 + "e" * 32), 120))
    drawn = lines[2:11]
    assert all(line.count("·") == 32 for line in drawn)
    assert drawn[-1].endswith("■" * 32 + "·" * 32 + "▒" * 32)


def test_few_of_many_missing_leave_the_curve_to_be_seen() -> None:
    lines = plain(curve_lines(curve(*["mc"] * 9, "." * 96), 120))
    assert [line.count("·") for line in lines[2:11]] == [96, *[0] * 8]
    some = curve_of([Seen(volumes(PLAIN, ["m" * 48 + "-" * 48] * 9 + ["."]))], PLAIN, TIMEZONE)
    assert [line.count("·") for line in plain(curve_lines(some, 120))[2:11]] == [96, *[48] * 8]


@pytest.mark.parametrize(("day", "wanted"), [(FORWARD, "00  01  03"), (PLAIN, "00  01  02  03"), (BACK, "02  02B 03")])
def test_hours_have_the_names_that_the_clock_shows(day: date, wanted: str) -> None:
    assert any(wanted in line for line in plain(curve_lines(curve("m", day=day), 120)))


def test_without_colours_each_kind_still_has_its_sign(capsys: pytest.CaptureFixture[str]) -> None:
    print_picture(MANY)
    print_picture(curve("mc.e"))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    for mark in MARKS.values():
        assert f"{mark.sign} " in said


def test_nothing_to_show_is_said() -> None:
    assert "there is nothing to show" in plain(coverage_lines(coverage_of([], TIMEZONE)))
    assert "there is nothing to show" in plain(curve_lines(curve_of([], PLAIN, TIMEZONE)))
