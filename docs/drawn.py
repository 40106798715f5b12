"""Pictures for these pages, of a household that never was: what a day and ten days look like."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import numpy as np

from kwartier.export.pictures.coverage import Seen, coverage_of
from kwartier.export.pictures.day_curve import curve_of
from kwartier.export.pictures.forms import Form, rendered
from kwartier.export.pictures.hours import hours_of
from kwartier.model import Quality, Volumes

TIMEZONE = "Europe/Amsterdam"
CHANGE = date(2026, 10, 25)
"""On this day the clock goes back."""
LATE_DAY = 3


def example(day: date, holes: Mapping[tuple[int, int], Quality]) -> Volumes:
    """A day of a household that never was, in which some quarters came about in other ways than by being measured."""
    quarters = hours_of(day, TIMEZONE).quarters
    hour = np.arange(quarters) * 24 / quarters
    used = 60 + 150 * np.exp(-(((hour - 7.5) / 1.2) ** 2)) + 290 * np.exp(-(((hour - 19) / 2) ** 2))
    sun = np.maximum(0, 420 * np.exp(-(((hour - 12.5) / 2.2) ** 2)) - 50)
    quality = np.zeros((1, quarters), np.uint8)
    for (first, last), how in holes.items():
        quality[0, first:last] = how
    there = quality < Quality.MISSING
    return Volumes(
        day=day,
        ids=np.zeros(1, np.int64),
        energy_wh={
            "import_wh": np.where(there, np.rint(np.maximum(0, used - sun)), 0).astype(np.int32),
            "export_wh": np.where(there, np.rint(np.maximum(0, sun - used)), 0).astype(np.int32),
        },
        quality={"import_wh": quality, "export_wh": quality},
        state={},
    )


def day_picture() -> Iterator[str]:
    """The curve of the day on which the clock goes back, with every kind of quarter."""
    holes = {(9, 15): Quality.CALCULATED, (30, 40): Quality.ESTIMATED, (54, 60): Quality.MISSING}
    late = np.arange(100)[np.newaxis] >= 84
    seen = Seen(example(CHANGE, holes), late)
    picture = curve_of([seen], CHANGE, TIMEZONE, "The day of one connection")
    yield from rendered(picture, Form.SVG).decode().splitlines()


def completeness_picture() -> Iterator[str]:
    """Ten days around it."""
    holes: tuple[dict[tuple[int, int], Quality], ...] = (
        {},
        {(30, 37): Quality.ESTIMATED},
        {(66, 73): Quality.MISSING},
        {},
        {(12, 21): Quality.CALCULATED},
        {},
        {(84, 100): Quality.MISSING},
        {(0, 6): Quality.MISSING},
        {(44, 47): Quality.CALCULATED},
        {(58, 78): Quality.ESTIMATED},
    )
    first = CHANGE - timedelta(days=6)
    seen = (
        Seen(example(first + timedelta(days=place), each), np.array([place == LATE_DAY]))
        for place, each in enumerate(holes)
    )
    picture = coverage_of(seen, TIMEZONE, "Completeness of one connection")
    yield from rendered(picture, Form.SVG).decode().splitlines()
