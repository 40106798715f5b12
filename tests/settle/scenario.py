"""Scenario folders: ``when`` says what is known, ``then`` what must come out, by hand.

Stretches of quarters are given as ``first`` and ``last``, counted from 1 as in market messages. ``when`` holds ``day.csv``,
``connections.csv``, ``market.csv``, ``meters.csv``, ``volumes.csv`` (a quarter that no row has is missing), ``infeed.csv``,
``losses.csv``, and as needed ``registers.csv`` (what the stored registers of a meter moved), ``fractions.csv``, ``bounds.csv``.
``later`` in it holds the files that are otherwise at the next version. ``then`` holds ``areas.csv``, ``sums.csv`` and as needed
``failed.csv`` (checks), ``later/`` and ``difference.csv``.
"""

import csv
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np

from kwartier.model import Quality
from kwartier.settle.conservation import Bounds
from kwartier.settle.difference import Difference
from kwartier.settle.inputs import ONE_E12
from kwartier.settle.tables import Settled
from tests.conftest import ROOT
from tests.settle.building import Day, Meter, times_of

FOLDER = ROOT / "tests" / "scenarios"
FOLDERS = sorted(FOLDER.glob("given_s[0-9]*"))
Line = dict[str, str]


def lines(folder: Path, name: str) -> list[Line]:
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


class When:
    """What is known at one version; ``later``: at the next one."""

    def __init__(self, folder: Path, *, later: bool = False) -> None:
        self._folders = [folder / "when" / "later", folder / "when"] if later else [folder / "when"]

    def days(self) -> list[Day]:
        return [self._day(date.fromisoformat(one["day"])) for one in self._lines("day")]

    def _lines(self, name: str) -> list[Line]:
        holder = next((one for one in self._folders if (one / f"{name}.csv").exists()), self._folders[-1])
        return lines(holder, name)

    def _day(self, day: date) -> Day:
        bounds = self._lines("bounds")
        limits = (
            Bounds(share_bp=int(bounds[0]["share_bp"]), floor_wh=int(bounds[0]["floor_wh"])) if bounds else Bounds()
        )
        supplies = [
            {**one, **{name: int(one[name]) for name in ("year_import_wh", "year_export_wh")}}
            for one in self._lines("market")
            if one["valid_from"] <= day.isoformat() < one["valid_to"]
        ]
        return Day(
            day=day,
            meters=self._meters(len(times_of(day)) - 1),
            connections=self._lines("connections"),
            supplies=supplies,
            infeed=self._quarters(day, "infeed", "energy_wh"),
            losses=self._quarters(day, "losses", "energy_wh"),
            fractions=self._quarters(day, "fractions", "fraction_e12"),
            bounds=limits,
        )

    def _meters(self, quarters: int) -> list[Meter]:
        moved = {one["id"]: (int(one["import_wh"]), int(one["export_wh"])) for one in self._lines("registers")}
        found = []
        for one in self._lines("meters"):
            energy = np.zeros((2, quarters), np.int64)
            quality = np.full((2, quarters), Quality.MISSING, np.uint8)
            for stretch in self._lines("volumes"):
                if stretch["id"] == one["id"]:
                    span = slice(int(stretch["first"]) - 1, int(stretch["last"]))
                    energy[:, span] = [[int(stretch["import_wh"])], [int(stretch["export_wh"])]]
                    quality[:, span] = Quality[stretch["quality"].upper()]
            found.append(
                Meter(
                    id=int(one["id"]), ean=one["ean"], energy_wh=energy, quality=quality, moved_wh=moved.get(one["id"])
                )
            )
        return found

    def _quarters(self, day: date, name: str, value: str) -> list[dict[str, object]]:
        """The stretches of a file as rows of single quarters."""
        ends = times_of(day)[1:].tolist()
        found: list[dict[str, object]] = []
        for one in self._lines(name):
            amount = _e12(one["fraction"]) if value == "fraction_e12" else int(one[value])
            for end in ends[int(one["first"]) - 1 : int(one["last"])]:
                found.append({**one, "quarter": end, value: amount})
        return found


def _e12(text: str) -> int:
    whole, _, digits = text.partition(".")
    return int(whole) * ONE_E12 + int(digits.ljust(12, "0"))


# What came out, in the form of ``then``.


def areas(settled: Settled) -> list[Line]:
    return [
        {
            "day": settled.day.isoformat(),
            "grid_area": one.grid_area,
            "state": one.state.value,
            "code": one.code,
            "connections": str(one.connections),
            "unread": str(one.unread),
        }
        for one in settled.areas
    ]


def failed(settled: Settled) -> list[Line]:
    day = settled.day.isoformat()
    return [{"day": day, "grid_area": one.grid_area, "code": one.code} for one in settled.checks if not one.passed]


def sums(settled: Settled) -> list[Line]:
    """Every sum, in stretches over which nothing changes."""
    found: list[Line] = []
    for one in settled.sums:
        named = {
            "day": settled.day.isoformat(),
            "grid_area": one.grid_area,
            "part": one.part.value,
            "direction": one.direction,
            "brp": one.brp,
            "supplier": one.supplier,
            "method": one.method,
            "connections": str(one.connections),
        }
        columns = np.stack([one.energy_wh, one.calculated_wh, one.estimated_wh])
        edges = [0, *(np.flatnonzero((columns[:, 1:] != columns[:, :-1]).any(axis=0)) + 1).tolist(), columns.shape[1]]
        for start, stop in pairwise(edges):
            names = ("energy_wh", "calculated_wh", "estimated_wh")
            volumes = {name: str(columns[row, start]) for row, name in enumerate(names)}
            found.append({**named, "first": str(start + 1), "last": str(stop), **volumes})
    return found


def changes(found: Difference) -> list[Line]:
    return [
        {
            "grid_area": one.grid_area,
            "part": one.part.value,
            "direction": one.direction,
            "brp": one.brp,
            "method": one.method,
            "how": one.how.value,
            "connections": str(one.connections),
            "day_wh": str(one.day_wh),
            "quarters": str(one.quarters),
            "quarter": str(one.quarter + 1),
            "quarter_wh": str(one.quarter_wh),
        }
        for one in found.sums
    ]


def ordered(found: Sequence[Line]) -> list[tuple[tuple[str, str], ...]]:
    """Lines in whatever order, so that the hand that wrote them need not sort."""
    return sorted(tuple(sorted(one.items())) for one in found)
