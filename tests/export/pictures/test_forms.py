"""Pictures as files: every form of every picture, the same each time, and each kind looks like itself."""

import re
from io import BytesIO
from itertools import combinations
from pathlib import PurePath

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
from lxml import etree
from matplotlib.image import imread

from kwartier.errors import InputError
from kwartier.export.pictures.coverage import Seen, coverage_of
from kwartier.export.pictures.day_curve import curve_of
from kwartier.export.pictures.forms import Form, Picture, form_of, rendered
from kwartier.export.pictures.palette import INKS, KINDS, MARKS, PAPER, Kind, Scheme
from tests.export.pictures.volumes import BACK, FORWARD, PLAIN, TIMEZONE, coverage, curve, volumes

PLOT = 560
"""Rows of pixels of a curve that are above its hours and its legend."""
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script>alert(1)</script> $x_1$ & "q" \x1b[31m\n' + "long " * 40
PICTURES: dict[str, Picture] = {
    "a plain day": curve("mmmcc.ee", export=["m"]),
    "forward": curve("m" * 40 + "e", day=FORWARD),
    "back": curve("m" * 40 + ".", day=BACK, export=["m" * 50 + "c"]),
    "nothing of a day": curve_of([], PLAIN, TIMEZONE),
    "a day that is missing": curve("."),
    "an estimated day": curve("e", export=["e"]),
    "nothing fed in": curve_of([Seen(volumes(PLAIN, ["m"], ["m"], energy_wh=0))], PLAIN, TIMEZONE),
    "many days": coverage_of([Seen(volumes(day, ["mmmce.", "m"])) for day in (FORWARD, PLAIN, BACK)], TIMEZONE),
    "no days": coverage_of([], TIMEZONE),
    "estimated hours": coverage("e"),
    "meters that are not there": coverage("-"),
    "hostile": coverage("m", caption=HOSTILE),
    "hostile curve": curve("m", caption=HOSTILE),
}


def pixels(picture: Picture, scheme: Scheme = Scheme.LIGHT) -> npt.NDArray[np.float64]:
    """The picture as rows of pixels, red, green and blue from 0 to 1."""
    return np.asarray(imread(BytesIO(rendered(picture, Form.PNG, scheme)), format="png"), np.float64)[:, :, :3]


def share_of(image: npt.NDArray[np.float64], colour: str) -> float:
    """Which part of the pixels has a colour."""
    return float((np.abs(image - _light(colour)).max(axis=2) < 0.01).mean())


def svg_of(picture: Picture, scheme: Scheme = Scheme.LIGHT) -> etree._Element:
    return etree.fromstring(rendered(picture, Form.SVG, scheme))


def texts(root: etree._Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_comes_out_in_every_form_the_same_each_time(name: str, form: Form) -> None:
    made = [rendered(PICTURES[name], form) for _ in range(2)]
    assert made[0] == made[1]
    start = {Form.PNG: b"\x89PNG", Form.SVG: b"<?xml", Form.HTML: b"<!DOCTYPE html>"}[form]
    assert made[0].startswith(start)
    assert b"Date" not in made[0]


def test_what_else_is_drawn_in_the_process_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rendered(PICTURES["back"], Form.SVG)
    monkeypatch.setitem(mpl.rcParams, "font.size", 31.0)
    monkeypatch.setitem(mpl.rcParams, "svg.hashsalt", "of somebody else")
    assert rendered(PICTURES["back"], Form.SVG) == before
    assert mpl.rcParams["font.size"] == 31
    assert mpl.rcParams["svg.hashsalt"] == "of somebody else"


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize(
    ("row", "late", "kind"),
    [
        ("m", False, Kind.MEASURED),
        ("c", False, Kind.CALCULATED),
        ("m", True, Kind.LATE),
        ("e", False, Kind.ESTIMATED),
        (".", False, Kind.MISSING),
    ],
)
def test_a_kind_that_is_there_has_much_more_of_its_ink_than_the_legend_needs(
    row: str, late: bool, kind: Kind, scheme: Scheme
) -> None:
    none = coverage_of([], TIMEZONE)
    seen = Seen(volumes(PLAIN, [row]), np.array([late]), ("A", "B", "C", "D"), np.array([0]))
    ink = MARKS[kind].ink.of(scheme)
    with_it = share_of(pixels(coverage_of([seen], TIMEZONE), scheme), ink)
    assert with_it > 3 * share_of(pixels(none, scheme), ink) > 0


def test_in_black_and_white_no_two_kinds_look_the_same() -> None:
    """The legend's swatches as ink and paper only: each differs from each other in a good part of its pixels."""
    image = pixels(coverage_of([], TIMEZONE))
    rows, columns = image.shape[:2]
    swatches = []
    for place in range(len(KINDS)):
        left = round((0.3 + place * 8.4 / 5) * 150)
        # From the bottom, in inches: as wide and high as a swatch, less its edges.
        part = image[rows - round(0.59 * 150) : rows - round(0.45 * 150), left + 4 : left + 40]
        assert left + 40 < columns
        swatches.append((1 - part).max(axis=2) > 0.35)
    assert swatches[0].all()
    differences = {
        (str(KINDS[one]), str(KINDS[other])): float((swatches[one] != swatches[other]).mean())
        for one, other in combinations(range(len(KINDS)), 2)
    }
    assert {pair: part for pair, part in differences.items() if part < 0.12} == {}


def test_a_missing_stretch_of_a_curve_is_open_and_an_estimated_one_is_hatched() -> None:
    missing, estimated = MARKS[Kind.MISSING].ink.light, MARKS[Kind.ESTIMATED].ink.light
    measured, gap, guess = (pixels(curve(row)) for row in ("m", "m" * 48 + "." * 48, "m" * 48 + "e" * 48))
    assert share_of(gap, missing) > 3 * share_of(measured, missing)
    assert share_of(guess, estimated) > 3 * share_of(measured, estimated)
    half = gap.shape[1] // 2
    assert share_of(gap[:, half + 100 : -200], MARKS[Kind.MEASURED].ink.light) == 0
    assert share_of(guess[:, half + 100 : -200], PAPER.light) > 0.3


def test_where_few_of_many_are_missing_the_opening_is_shallow() -> None:
    few, many = (
        pixels(curve(*["m"] * there, *["m" * 48 + "." * 48] * gone))[:PLOT] for there, gone in ((9, 1), (1, 9))
    )
    ink = MARKS[Kind.MISSING].ink.light
    assert 3 * share_of(few, ink) < share_of(many, ink)


def test_no_volume_hides_an_opening() -> None:
    """The meter that is there fills the whole scale."""
    ink = MARKS[Kind.MISSING].ink.light
    hidden = curve("m", "m" * 48 + "-" * 48, "-" * 48 + "." * 48, export=["m", "-" * 48 + ".", "-"])
    image = pixels(hidden)[:PLOT]
    assert share_of(image, ink) > 0.002
    assert share_of(image[:250], ink) > 0


def test_import_is_above_the_line_and_export_below() -> None:
    image = pixels(curve("e", export=["m"]))[:PLOT]
    above, below = (
        np.flatnonzero((np.abs(image - _light(MARKS[kind].ink.light)).max(axis=2) < 0.01).any(axis=1))
        for kind in (Kind.ESTIMATED, Kind.MEASURED)
    )
    assert above.max() < below.min() + 3
    assert {"export"} <= set(texts(svg_of(curve("-", export=["m"]))))
    assert "export" not in texts(svg_of(curve("m")))


def _light(colour: str) -> npt.NDArray[np.float64]:
    return np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("a plain day", ["00", "01", "02", "03"]),
        ("forward", ["00", "01", "03"]),
        ("back", ["00", "01", "02", "02B", "03"]),
    ],
)
def test_hours_have_the_names_that_the_clock_shows(name: str, hours: list[str]) -> None:
    said = texts(svg_of(PICTURES[name]))
    found = [text for text in said if re.fullmatch(r"\d\dB?", text)]
    assert found[: len(hours)] == hours
    assert found[-1] == "24"


def test_the_scale_is_in_watts_without_a_sign() -> None:
    said = texts(svg_of(curve("m", export=["m"])))
    assert [text for text in said if re.fullmatch(r"\d+00( W)?", text)] == ["400", "200", "200", "400 W"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_says_in_words_what_it_shows(name: str) -> None:
    root = svg_of(PICTURES[name])
    assert root.get("role") == "img"
    named = {each.get("id"): each for each in root}
    title, description = (named[one] for one in str(root.get("aria-labelledby")).split())
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert title.text
    assert description.text
    assert list(root)[:2] == [title, description]
    assert set(map(str, KINDS)) <= set(re.findall("[a-z]+", description.text))


@pytest.mark.parametrize("name", PICTURES)
def test_a_page_needs_nothing_beside_itself_and_is_light_or_dark(name: str) -> None:
    page = rendered(PICTURES[name], Form.HTML).decode()
    tags = {each.tag for each in etree.HTML(page).iter()}
    assert not tags & {"script", "link", "img", "iframe", "image", "object", "embed", "base", "use"}
    attributes = {(name, str(value)) for each in etree.HTML(page).iter() for name, value in each.attrib.items()}
    assert not [
        pair for pair in attributes if pair[0] in ("src", "href", "xlink:href") or str(pair[0]).startswith("on")
    ]
    assert not [one for one in re.findall(r"url\(([^)]*)\)", page) if not one.startswith("#")]
    assert "prefers-color-scheme: dark" in page
    assert "default-src 'none'" in page
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert re.findall(r"(?:fill|stroke)(?:: |=\")#", drawing) == []
    for ink in INKS:
        assert f"--{ink.name}: {ink.light};" in page
        assert f"--{ink.name}: {ink.dark};" in page
    assert set(re.findall(r"var\(--([a-z]+)\)", page)) <= {ink.name for ink in INKS}


def test_a_page_has_the_numbers_as_a_table() -> None:
    rows = table_of(PICTURES["back"])
    assert rows[0] == ["hour", "import", "export", "made of"]
    assert len(rows) == 1 + 25
    assert rows[4] == ["02B", "0.400 kWh", "0.400 kWh", "measured"]
    assert rows[11] == ["09", "0.300 kWh", "0.400 kWh", "measured, missing"]
    many = table_of(PICTURES["many days"])
    assert many[0] == ["row", *KINDS, "complete"]
    assert many[1][0] == FORWARD.isoformat()


def table_of(picture: Picture) -> list[list[str]]:
    """The rows of the table on a page."""
    root = etree.HTML(rendered(picture, Form.HTML).decode())
    return [[cell.text or "" for cell in row] for row in root.iter("tr")]


def test_a_caption_is_text_whatever_stands_in_it() -> None:
    for name in ("hostile", "hostile curve"):
        for form in (Form.SVG, Form.HTML):
            assert b"<script" not in rendered(PICTURES[name], form)
        (said,) = (text for text in texts(svg_of(PICTURES[name])) if "long" in text)
        assert said.startswith('</title><script>alert(1)</script> $x_1$ & "q"  [31m long')
        assert said.endswith("…")


def test_nothing_of_the_dark_is_in_a_light_picture() -> None:
    for scheme, other in ((Scheme.LIGHT, Scheme.DARK), (Scheme.DARK, Scheme.LIGHT)):
        found = set(re.findall(r"#[0-9a-f]{6}\b", rendered(PICTURES["many days"], Form.SVG, scheme).decode()))
        assert {ink.of(other) for ink in INKS} & found == set()
        assert PAPER.of(scheme) in found


def test_the_form_is_that_of_the_name() -> None:
    assert [form_of(PurePath(name)) for name in ("a.png", "a.b.SVG", "day.html")] == [Form.PNG, Form.SVG, Form.HTML]
    for name in ("a.pdf", "png", "a.", ""):
        with pytest.raises(InputError) as caught:
            form_of(PurePath(name))
        assert caught.value.code == "bad-picture"
