"""A settlement as bytes: the same settlement has the same ones, so that a digest says whether it is still what it was.

The bytes are JSON in one form - keys in order, no white space, volumes as whole numbers - so that who holds the digest and the
published sums can check one against the other without this program. In the database every sum is a row, its volumes 64-bit
numbers, the least significant byte first.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import numpy as np

from kwartier.settle.recipe import order
from kwartier.settle.tables import Area, AreaState, Check, Energy, Part, Settled, Sum

FORMAT = 1
_STORED = np.dtype("<i8")

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of the tables settlement_area, settlement_sum and settlement_check, but for day and version."""

    areas: tuple[Row, ...]
    sums: tuple[Row, ...]
    checks: tuple[Row, ...]


def frozen(settled: Settled) -> bytes:
    """The bytes of a settlement."""
    found = {
        "v": FORMAT,
        "day": settled.day.isoformat(),
        "areas": [_area(one) for one in settled.areas],
        "sums": [
            _named(one) | {name: volume.tolist() for name, volume in _volumes(one).items()} for one in settled.sums
        ],
        "checks": [_check(one) for one in settled.checks],
    }
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(settled: Settled) -> str:
    """SHA-256 of the bytes of a settlement, in hex."""
    return sha256(frozen(settled)).hexdigest()


def rows(settled: Settled) -> Rows:
    """The rows of a settlement."""
    sums = [
        _named(one) | {name: volume.astype(_STORED).tobytes() for name, volume in _volumes(one).items()}
        for one in settled.sums
    ]
    return Rows(
        areas=tuple(_area(one) for one in settled.areas),
        sums=tuple(sums),
        checks=tuple(_check(one) for one in settled.checks),
    )


def thawed(day: date, areas: Iterable[Row], sums: Iterable[Row], checks: Iterable[Row]) -> Settled:
    """The settlement of a day from rows like those of :func:`rows`, in whatever order they come."""
    return Settled(
        day=day,
        areas=tuple(sorted(map(_read_area, areas), key=lambda one: one.grid_area)),
        sums=tuple(sorted(map(_read_sum, sums), key=order)),
        checks=tuple(sorted(map(_read_check, checks), key=lambda one: (one.grid_area, one.code))),
    )


def _area(one: Area) -> dict[str, object]:
    return {
        "grid_area": one.grid_area,
        "state": one.state.value,
        "code": one.code,
        "reason": one.reason,
        "connections": one.connections,
        "unread": one.unread,
    }


def _named(one: Sum) -> dict[str, object]:
    return {
        "grid_area": one.grid_area,
        "part": one.part.value,
        "brp": one.brp,
        "supplier": one.supplier,
        "method": one.method,
        "direction": one.direction,
        "connections": one.connections,
    }


def _volumes(one: Sum) -> dict[str, Energy]:
    return {"energy_wh": one.energy_wh, "calculated_wh": one.calculated_wh, "estimated_wh": one.estimated_wh}


def _check(one: Check) -> dict[str, object]:
    return {"grid_area": one.grid_area, "code": one.code, "passed": one.passed, "detail": one.detail}


def _read_area(row: Row) -> Area:
    return Area(
        grid_area=str(row["grid_area"]),
        state=AreaState(str(row["state"])),
        code=str(row["code"]),
        reason=str(row["reason"]),
        connections=_count(row["connections"]),
        unread=_count(row["unread"]),
    )


def _read_sum(row: Row) -> Sum:
    return Sum(
        grid_area=str(row["grid_area"]),
        part=Part(str(row["part"])),
        direction=str(row["direction"]),
        brp=str(row["brp"]),
        supplier=str(row["supplier"]),
        method=str(row["method"]),
        connections=_count(row["connections"]),
        energy_wh=_volume(row["energy_wh"]),
        calculated_wh=_volume(row["calculated_wh"]),
        estimated_wh=_volume(row["estimated_wh"]),
    )


def _read_check(row: Row) -> Check:
    return Check(
        grid_area=str(row["grid_area"]),
        code=str(row["code"]),
        passed=bool(row["passed"]),
        detail=str(row["detail"]),
    )


def _count(value: object) -> int:
    return int(str(value))


def _volume(value: object) -> Energy:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("volumes are stored as bytes")
    return np.frombuffer(value, dtype=_STORED).astype(np.int64)
