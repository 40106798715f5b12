"""A day of validated volumes in a store, written as validation writes it, and the groups that its meters are settled in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.store import CHANNELS, DAY, QUARTERS, SEED, Keys, households
from kwartier.model import STATE, Quality, Volumes
from kwartier.settle.tables import Group, Membership
from kwartier.store import Validated

AREAS, SUPPLIERS = 12, 50
"""What makes 600 groups by readings: as many as a nation has, in the order of magnitude."""
PIECE = 50_000
UNMEASURED = 0.02
"""Part of the meters that have a stretch which was calculated, or estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where the files are, and what they are settled by."""

    folder: Path
    membership: Membership
    total_wh: int

    def keys(self, *, encrypted: bool) -> Keys | None:
        """What the files open with."""
        return Keys() if encrypted else None


def scene(folder: Path, meters: int, *, encrypted: bool) -> Scene:
    """Store a day of so many meters."""
    generator = np.random.default_rng(SEED)
    ids = np.unique(generator.integers(-(2**63), 2**63 - 1, meters))
    totals: list[int] = []
    Validated(folder, Keys() if encrypted else None).append(1, DAY, _volumes(generator, ids, totals))
    return Scene(folder=folder, membership=membership(ids), total_wh=sum(totals))


def membership(ids: npt.NDArray[np.int64]) -> Membership:
    """Each id in one of the groups, without any order."""
    groups = tuple(
        Group(f"area{a:02}", f"brp{s % 20:02}", f"s{s:02}", "SMA") for a in range(AREAS) for s in range(SUPPLIERS)
    )
    chosen = np.random.default_rng(SEED).integers(0, len(groups), len(ids)).astype(np.int32)
    return Membership(groups=groups, ids=ids, group=chosen, connection=np.arange(len(ids)))


def _volumes(generator: np.random.Generator, ids: npt.NDArray[np.int64], totals: list[int]) -> Iterator[Volumes]:
    for first in range(0, len(ids), PIECE):
        some = ids[first : first + PIECE]
        energy_wh = {
            name: np.diff(one, axis=1).astype(np.int32) for name, one in households(generator, len(some)).items()
        }
        totals.extend(int(one.sum(dtype=np.int64)) for one in energy_wh.values())
        quality = np.zeros((len(some), QUARTERS), np.uint8)
        rows = np.flatnonzero(generator.random(len(some)) < UNMEASURED)
        for row, start in zip(rows.tolist(), generator.integers(0, QUARTERS - 8, len(rows)).tolist(), strict=True):
            quality[row, start : start + 8] = Quality.ESTIMATED if row % 2 else Quality.CALCULATED
        yield Volumes(
            day=DAY,
            ids=some,
            energy_wh=energy_wh,
            quality=dict.fromkeys(CHANNELS, quality),
            state=dict.fromkeys(STATE, generator.integers(0, 30_000_000, len(some))),
        )
