"""Registers to volumes: differences where they can be used, else what methods made, and the state that the day leaves.

Every quarter has a quality: measured unless it was rejected, then what a method says, else missing; absent while there was no
such meter, and all day in a channel that the meter has no register of.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import numpy.typing as npt

from kwartier.model import STATE, Bytes8, Missing, Quality, Registers, Stack, Times, Volumes
from kwartier.validate.day import CHANNELS, Around, Day, Mask
from kwartier.validate.estimate.parameters import estimation, parameters_of
from kwartier.validate.estimate.sheet import Filled
from kwartier.validate.usable import ROWS_AT_ONCE, differences, out_of_bounds, present

Wh = npt.NDArray[np.int32]


def volumes(day: Day, rejected: Mapping[str, Mask], filled: Filled | None = None) -> Volumes:
    """The volumes of a day, and its state.

    ``rejected``: that of a plan, or of the rules; what no two registers tell is not measured, whatever it says. ``filled``:
    what was made of the gaps; without it they are missing.
    """
    energy_wh: dict[str, Wh] = {}
    quality: dict[str, Bytes8] = {}
    for channel in CHANNELS:
        energy_wh[channel], quality[channel] = _measured(day, channel, rejected.get(channel))
        cells = None if filled is None else filled.cells.get(channel)
        if cells is not None:
            energy_wh[channel][cells.rows, cells.quarters] = cells.energy_wh
            quality[channel][cells.rows, cells.quarters] = cells.quality
    state = _state(day, energy_wh, quality)
    return Volumes(day=day.stack.day, ids=day.stack.ids, energy_wh=energy_wh, quality=quality, state=state)


def absent_stack(day: date, ids: Registers, times: Times, channels: tuple[str, ...] = CHANNELS) -> Stack:
    """Rows for readings of which nothing came: all of it is missing. ``ids`` ascend; their meters have all ``channels``."""
    shape = len(ids), len(times)
    return Stack(
        day=day,
        ids=ids,
        registers={channel: np.zeros(shape, np.int64) for channel in channels},
        missing={channel: np.full(shape, Missing.NOT_STORED, np.uint8) for channel in channels},
        status=np.zeros(shape, np.uint8),
        clock_status=np.zeros(shape, np.uint8),
        versions=np.zeros(len(ids), np.int64),
        known_at=np.zeros(len(ids), np.int64),
    )


def whole_day(count: int, quarters: int) -> Around:
    """What is around ``count`` rows of which nothing is known but that their meters were there all day."""
    return Around(
        capacity_wh=np.zeros(count, np.int64),
        first=np.zeros(count, np.int64),
        last=np.full(count, quarters, np.int64),
        exchanged=np.zeros(count, np.bool_),
    )


def _measured(day: Day, channel: str, rejected: Mask | None) -> tuple[Wh, Bytes8]:
    """What the registers tell, and of which quarters."""
    shape = len(day), day.quarters
    registers = day.stack.registers.get(channel)
    if registers is None:
        return np.zeros(shape, np.int32), np.full(shape, Quality.ABSENT, np.uint8)
    missing, there = day.stack.missing[channel], present(day)
    energy_wh = np.empty(shape, np.int32)
    bad = np.zeros(shape, np.bool_) if rejected is None else rejected.copy()
    for start in range(0, len(day), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        moved_wh, unknown = differences(registers[rows]), missing[rows] != 0
        bad[rows] |= unknown[:, 1:] | unknown[:, :-1] | out_of_bounds(moved_wh)
        energy_wh[rows] = moved_wh  # what does not fit is bad, and becomes 0
    quality = bad.view(np.uint8) * np.uint8(Quality.MISSING)
    if there is not None:
        quality[~there] = Quality.ABSENT
        bad |= ~there
    if bad.any():
        energy_wh[bad] = 0
    return energy_wh, quality


def _state(day: Day, energy_wh: Mapping[str, Wh], quality: Mapping[str, Bytes8]) -> Mapping[str, Registers]:
    """The columns of :data:`STATE`."""
    count, nothing = len(day), np.zeros(len(day), np.int64)
    past = {name: day.around.state.get(name, nothing) for name in STATE}
    eligible = _eligible(day, quality)
    days = past["mean_days"]
    most = parameters_of(day.stack.day, estimation()).mean_days
    among = np.minimum(days + 1, most)
    state: dict[str, Registers] = {}
    used, unsure = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    for channel in CHANNELS:
        volume_wh, how = energy_wh[channel], quality[channel]
        total_wh = volume_wh.sum(axis=1, dtype=np.int64)
        away_wh = total_wh - past[f"mean_{channel}"]
        step_wh = (2 * away_wh + among) // (2 * among)
        state[f"total_{channel}"] = total_wh
        state[f"mean_{channel}"] = past[f"mean_{channel}"] + np.where(eligible, step_wh, 0)
        guessed = (how == Quality.ESTIMATED) | (how == Quality.MISSING)
        odd = np.flatnonzero((how != Quality.MEASURED).any(axis=1))
        unsure |= guessed.any(axis=1)
        highest_wh, sure_wh = volume_wh.max(axis=1).astype(np.int64), total_wh.copy()
        highest_wh[odd] = np.where(how[odd] == Quality.MEASURED, volume_wh[odd], 0).max(axis=1)
        sure_wh[odd] = np.where(guessed[odd], 0, volume_wh[odd]).sum(axis=1, dtype=np.int64)
        state[f"peak_{channel}"] = np.maximum(past[f"peak_{channel}"], highest_wh)
        used |= sure_wh > 0
        state.update(_last(day, channel, past))
    state["mean_days"] = np.minimum(days + eligible, most)
    state["zero_days"] = np.where(used, 0, past["zero_days"] + ~unsure)
    state["eligible"] = eligible.astype(np.int64)
    state["raw_version"] = day.stack.versions
    return {name: state[name] for name in STATE}


def _eligible(day: Day, quality: Mapping[str, Bytes8]) -> Mask:
    """Whether each row was measured as a whole, on a day on which the power did not fail."""
    bits = parameters_of(day.stack.day, estimation()).power_failure_bits
    failed: Mask = (day.stack.status & np.uint8(bits)).any(axis=1) | day.around.exchanged
    failed[list(day.around.outages)] = True
    measured = [~quality[channel].any(axis=1) for channel in CHANNELS if channel in day.stack.registers]
    return np.logical_and.reduce(measured) & ~failed if measured else np.zeros(len(day), np.bool_)


def _last(day: Day, channel: str, past: Mapping[str, Registers]) -> Mapping[str, Registers]:
    """The last register that is known at the end of the day, and when it was so."""
    name = channel.removesuffix("_wh")
    last_wh, last_at = past[f"last_{channel}"].copy(), past[f"last_{name}_at"].copy()
    registers = day.stack.registers.get(channel)
    if registers is not None and len(day):
        missing, place = day.stack.missing[channel], day.around.last.copy()
        found = missing[np.arange(len(day)), place] == 0
        odd = np.flatnonzero(~found)
        if len(odd):
            places = np.arange(day.quarters + 1)
            known = (missing[odd] == 0) & (places >= day.around.first[odd, None]) & (places <= place[odd, None])
            place[odd] = day.quarters - known[:, ::-1].argmax(axis=1)
            found[odd] = known.any(axis=1)
        last_wh[found] = registers[found, place[found]]
        last_at[found] = day.times[place[found]]
    return {f"last_{channel}": last_wh, f"last_{name}_at": last_at}
