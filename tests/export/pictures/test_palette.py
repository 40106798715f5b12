"""The inks of pictures: readable in the light, in the dark, without colours and by those who see other ones."""

from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest

from kwartier.export.pictures.palette import (
    FAINT,
    INKS,
    KINDS,
    MARK_CONTRAST,
    MARKS,
    PAPER,
    PATTERNS,
    PLACES,
    TEXT,
    TEXT_CONTRAST,
    Scheme,
    contrast,
    luminance,
    pattern_of,
    place_of,
)

MACHADO = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}
"""How linear red, green and blue look to people who lack a cone (Machado, Oliveira and Fernandes, 2009, severity 1)."""
LEAST_DISTANCE = 10
"""In CIE L*a*b*: far more than two colours next to one another need to be told apart."""


def lab(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIE L*a*b* (D65) of linear red, green and blue."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    ratio = xyz / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def linear(colour: str) -> npt.NDArray[np.float64]:
    """The linear light of ``#rrggbb``."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.asarray(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4))


def test_contrast_is_what_the_recommendation_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.005)
    assert luminance("#ff0000") == pytest.approx(0.2126)


@pytest.mark.parametrize("scheme", Scheme)
def test_every_mark_and_every_writing_stands_out_from_the_paper(scheme: Scheme) -> None:
    paper = PAPER.of(scheme)
    marks = {kind: contrast(mark.ink.of(scheme), paper) for kind, mark in MARKS.items()}
    assert {kind: ratio for kind, ratio in marks.items() if ratio < MARK_CONTRAST} == {}
    assert all(contrast(ink.of(scheme), paper) >= TEXT_CONTRAST for ink in (TEXT, FAINT))


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("eyes", MACHADO)
def test_no_two_kinds_look_the_same_to_anybody(scheme: Scheme, eyes: str) -> None:
    seen = {kind: lab(np.clip(np.array(MACHADO[eyes]) @ linear(MARKS[kind].ink.of(scheme)), 0, 1)) for kind in KINDS}
    near = {
        (one, other): distance
        for one, other in combinations(KINDS, 2)
        if (distance := float(np.linalg.norm(seen[one] - seen[other]))) < LEAST_DISTANCE
    }
    assert near == {}


def test_without_colours_hatching_and_sign_tell_them_apart() -> None:
    assert len({(mark.hatch, mark.is_open) for mark in MARKS.values()}) == len(KINDS)
    assert len({mark.sign for mark in MARKS.values()}) == len(KINDS)
    assert {len(mark.sign) for mark in MARKS.values()} == {1}


def test_each_ink_has_one_colour_and_one_name() -> None:
    """A page turns colours into names, so no two inks may share one."""
    assert len({ink.light for ink in INKS}) == len({ink.name for ink in INKS}) == len(INKS)
    assert set(MARKS) == set(KINDS)


@pytest.mark.parametrize("scheme", Scheme)
def test_each_place_stands_out_from_the_paper(scheme: Scheme) -> None:
    assert all(contrast(ink.of(scheme), PAPER.of(scheme)) >= MARK_CONTRAST for ink in PLACES)
    assert not {ink.of(scheme) for ink in PLACES} & {ink.of(scheme) for ink in INKS}


def test_no_two_of_many_places_look_the_same_and_neighbours_differ_in_both() -> None:
    looks = [(place_of(place).name, pattern_of(place)) for place in range(len(PLACES) * len(PATTERNS))]
    assert len(set(looks)) == len(looks)
    assert all(one[0] != other[0] and one[1] != other[1] for one, other in pairwise(looks))
