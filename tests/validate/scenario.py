"""Scenario folders of rules: ``when`` says what is known of a day, ``then`` what rules say of it, by hand.

Quarters are counted from 1, as in market messages; place 0 is the opening and place q the end of quarter q. ``id`` may be a
range (``1-200``). ``when`` holds ``day.csv``, ``meters.csv`` (an id, and any of what is known around it; of columns that are
not there nothing is known), ``registers.csv`` (by how much a register moves in each of some quarters; in all others by 0),
and as needed ``missing.csv`` and ``status.csv`` (places), ``others.csv`` (registers known from elsewhere), ``beside.csv``,
``outages.csv``, ``transformers.csv``. ``then`` holds ``findings.csv``, and as needed ``evaluated.csv`` (of how many rows a
rule could say something) and ``judged.csv`` (rules over the fleet).
"""

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from kwartier.clock import quarter_ends
from kwartier.model import STATE, Beside, Missing, Stack
from kwartier.validate.capacity import capacity_wh
from kwartier.validate.day import CHANNELS, NEVER_ASKED, Around, Day, Known, Mask, Verdicts
from kwartier.validate.differences import look
from kwartier.validate.parameters import Parameters, parameters
from kwartier.validate.rules.many import V16, V17, balance, cohorts, ratios, taken
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "scenarios"
FOLDERS = sorted(FOLDER.glob("given_v[0-9]*"))
ZONE = "Europe/Amsterdam"
OPENING_WH = 1_000_000
Line = dict[str, str]


def lines(folder: Path, name: str) -> list[Line]:
    """A file of a folder; none where it is not there."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def ids_of(text: str) -> range:
    """``7`` or ``1-200``."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def number(line: Line, name: str, otherwise: int) -> int:
    """A whole number; ``otherwise`` where the column is not there or empty."""
    return int(line.get(name) or otherwise)


class When:
    """What is known of one day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "when"
        self.day = date.fromisoformat(self._lines("day")[0]["day"])
        self.rules: Parameters = parameters(self.day)
        self.meters = {one: line for line in self._lines("meters") for one in ids_of(line["id"])}
        self.ids = sorted(self.meters)
        self.times = quarter_ends(self.day, self.day + timedelta(days=1), ZONE)

    def _lines(self, name: str) -> list[Line]:
        return lines(self._folder, name)

    def _places(self, name: str) -> Iterator[tuple[list[int], slice, Line]]:
        for line in self._lines(name):
            rows = [self.ids.index(one) for one in ids_of(line["id"])]
            yield rows, slice(int(line["first"]), int(line["last"]) + 1), line

    def _column(self, name: str, otherwise: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.array([number(self.meters[one], name, otherwise) for one in self.ids], np.int64)

    def _mask(self, name: str) -> Mask:
        return np.asarray(self._column(name, 0) != 0, np.bool_)

    def _has(self, name: str) -> bool:
        return any(name in line for line in self.meters.values())

    def stack(self) -> Stack:
        shape = (len(self.ids), len(self.times))
        moves = {channel: np.zeros(shape, np.int64) for channel in CHANNELS}
        for channel in CHANNELS:
            moves[channel][:, 0] = self._column(f"{channel[:6]}_opening_wh", OPENING_WH)
        for rows, places, line in self._places("registers"):
            moves[line["channel"]][rows, places] = int(line["moves_wh"])
        registers = {channel: np.cumsum(column, axis=1) for channel, column in moves.items()}
        missing = {channel: np.zeros(shape, np.uint8) for channel in CHANNELS}
        status = np.zeros(shape, np.uint8)
        for rows, places, line in self._places("missing"):
            missing[line["channel"]][rows, places] = Missing.NOT_IN_BUFFER
            registers[line["channel"]][rows, places] = 0
        for rows, places, line in self._places("status"):
            status[rows, places] |= np.uint8(int(line["bits"], 2))
        ids = np.array(self.ids, np.int64)
        return Stack(
            day=self.day,
            ids=ids,
            registers=registers,
            missing=missing,
            status=status,
            clock_status=np.zeros(shape, np.uint8),
            versions=np.ones_like(ids),
            known_at=np.ones_like(ids),
            beside={
                self.ids.index(int(line["id"])): (
                    Beside(
                        time=int(datetime.fromisoformat(line["time"]).timestamp()),
                        registers={},
                        status=0,
                        clock_status=0,
                    ),
                )
                for line in self._lines("beside")
            },
        )

    def _known(self, kind: str) -> dict[str, Known]:
        found = {}
        for channel in CHANNELS:
            own = [one for one in self._lines("others") if (one["kind"], one["channel"]) == (kind, channel)]
            if not own:
                continue
            register, there = np.zeros(len(self.ids), np.int64), np.zeros(len(self.ids), np.bool_)
            for line in own:
                rows = [self.ids.index(one) for one in ids_of(line["id"])]
                register[rows], there[rows] = int(line["register_wh"]), True
            found[channel] = Known(register_wh=register, at=np.where(there, self.times[-1], 0), there=there)
        return found

    def _texts(self, name: str) -> tuple[str, ...]:
        return tuple(self.meters[one].get(name, "") for one in self.ids) if self._has(name) else ()

    def around(self) -> Around:
        has_state = any(self._has(name) for name in STATE)
        return Around(
            capacity_wh=np.array([capacity_wh(self.meters[one].get("capacity", "")) for one in self.ids], np.int64),
            first=self._column("first", 0),
            last=self._column("last", len(self.times) - 1),
            exchanged=self._mask("exchanged"),
            next_opening=self._known("next_opening"),
            daily=self._known("daily"),
            check_meter_wh=self._known("check_meter"),
            state={name: self._column(name, 0) for name in STATE} if has_state else {},
            clock_drift_s=self._column("drift_s", NEVER_ASKED) if self._has("drift_s") else None,
            inactive=self._mask("inactive") if self._has("inactive") else None,
            outages={
                row: ((places.start - 1, places.stop - 2),)
                for rows, places, _ in self._places("outages")
                for row in rows
            },
            cohort=self._texts("cohort"),
            transformer=self._texts("transformer"),
        )

    def known(self) -> Day:
        """All of it."""
        return Day(stack=self.stack(), times=self.times, around=self.around())

    def transformers(self) -> tuple[dict[str, int], dict[str, int]]:
        """What each measured, and what is lost behind it."""
        rows = self._lines("transformers")
        measured = {one["transformer"]: int(one["measured_wh"]) for one in rows}
        return measured, {one["transformer"]: int(one["losses_wh"]) for one in rows}


def findings(when: When, said: Verdicts) -> list[Line]:
    """What the rules said, as ``findings.csv`` has it."""
    return [
        {
            "id": str(when.ids[row]),
            "code": one.code,
            "severity": one.severity,
            "channel": one.channel,
            "first": str(first + 1),
            "last": str(last + 1),
        }
        for one in said.said
        for row, first, last in zip(*(column.tolist() for column in one.spans), strict=True)
    ]


def judged(when: When) -> list[Line]:
    """What the rules over the fleet say, as ``judged.csv`` has it."""
    seen = look(when.known())
    measured, losses = when.transformers()
    return [
        {
            "code": code,
            "subject": one.subject,
            "rows": str(one.rows),
            "evaluated": "yes" if one.evaluated else "no",
            "severity": one.severity,
            "away_percent": str(one.away_percent),
        }
        for code, several in (
            (V16, balance(taken(seen), measured, losses, when.rules)),
            (V17, cohorts(ratios(seen, when.rules), when.rules)),
        )
        for one in several
    ]


def ordered(found: list[Line]) -> list[Line]:
    """The same in an order of its own."""
    return sorted(found, key=lambda line: sorted(line.items()))
