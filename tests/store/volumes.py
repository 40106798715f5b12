"""Volumes to store, drawn from a seed: no two rows of different seeds, days or ids are alike."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date, timedelta

import numpy as np

from kwartier.clock import quarter_ends
from kwartier.model import STATE, Quality, Volumes
from tests.store.entries import CHANNELS, ZONE

ONE_DAY = timedelta(days=1)


def volumes(
    day: date, ids: Sequence[int], *, seed: int = 0, missing: Sequence[int] = (), measured: bool = False
) -> Volumes:
    """Volumes of some ids; of the rows numbered ``missing`` a quarter is missing. ``measured``: all others were."""
    generator = np.random.default_rng([seed, day.toordinal()])
    shape = (len(ids), len(quarter_ends(day, day + ONE_DAY, ZONE)) - 1)
    quality = {name: np.zeros(shape, np.uint8) for name in CHANNELS}
    if not measured:
        sure = (Quality.MEASURED, Quality.CALCULATED, Quality.ESTIMATED, Quality.ABSENT)
        for name in CHANNELS:
            some = generator.random(len(ids)) < 0.4
            quality[name][some] = generator.choice(sure, (int(some.sum()), shape[1]))
    for row in missing:
        quality[CHANNELS[row % 2]][row, 7] = Quality.MISSING
    return Volumes(
        day=day,
        ids=np.array(ids, np.int64),
        energy_wh={name: generator.integers(0, 2**31 - 1, shape).astype(np.int32) for name in CHANNELS},
        quality=quality,
        state={name: generator.integers(-(2**62), 2**62, len(ids)) for name in STATE},
    )


def rows(found: Sequence[Volumes]) -> dict[tuple[date, int], tuple[object, ...]]:
    """Every value of every row, by day and id; no id is there twice."""
    assert {one.name for one in fields(Volumes)} == {"day", "ids", "energy_wh", "quality", "state"}
    everything: dict[tuple[date, int], tuple[object, ...]] = {}
    for one in found:
        assert (one.ids[1:] > one.ids[:-1]).all(), "in the order of ids"
        assert {column.dtype for column in one.energy_wh.values()} == {np.dtype(np.int32)}
        for row, identity in enumerate(one.ids.tolist()):
            assert (one.day, identity) not in everything
            everything[one.day, identity] = (
                *(one.energy_wh[name][row].tobytes() for name in CHANNELS),
                *(one.quality[name][row].tobytes() for name in CHANNELS),
                *(int(one.state[name][row]) for name in STATE),
            )
    return everything
