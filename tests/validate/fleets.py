"""Days of a small fleet with whatever may be wrong with them, drawn from a seed: many rows have a fault or two."""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from kwartier.clock import quarter_ends
from kwartier.model import STATE, Beside, Missing, Stack
from kwartier.validate.capacity import capacity_wh
from kwartier.validate.day import CHANNELS, NEVER_ASKED, Around, Day, Known

ZONE = "Europe/Amsterdam"
DAYS = (date(2026, 11, 24), date(2026, 3, 29), date(2026, 10, 25))
FAULTS = ("missing", "fall", "spike", "frozen", "status", "stay", "both", "night", "step", "beside")
Integers = npt.NDArray[np.int64]


def fleet(seed: int, rows: int) -> Day:
    """A day of ``rows`` meters."""
    chance = np.random.default_rng(seed)
    times = quarter_ends(day := DAYS[seed % 3], day + timedelta(days=1), ZONE)
    count = len(times) - 1
    energy = {channel: chance.integers(0, 90, (rows, count)) for channel in CHANNELS}
    energy["export_wh"][:, :20] = energy["export_wh"][:, -4:] = 0  # night
    missing = {channel: np.zeros((rows, count + 1), np.uint8) for channel in CHANNELS}
    status = np.zeros((rows, count + 1), np.uint8)
    first, last = np.zeros(rows, np.int64), np.full(rows, count, np.int64)
    beside: dict[int, tuple[Beside, ...]] = {}
    for row in np.flatnonzero(chance.random(rows) < 0.6).tolist():
        for fault in chance.choice(FAULTS, int(chance.integers(1, 3))):
            at = int(chance.integers(0, count - 12))
            channel = CHANNELS[int(chance.integers(0, 2))]
            own = energy[channel][row]
            match fault:
                case "missing":
                    missing[channel][row, at : at + int(chance.integers(1, 12))] = Missing.NOT_IN_BUFFER
                case "status":
                    status[row, at] = 1 << int(chance.integers(0, 8))
                case "stay":
                    first[row], last[row] = sorted(chance.integers(0, count + 1, 2).tolist())
                case "beside":
                    moment = int(times[at]) + 60
                    beside[row] = (Beside(time=moment, registers={}, status=0, clock_status=0),)
                case _:
                    spoil(chance, str(fault), energy, own, row, at)
    registers = {}
    for channel in CHANNELS:
        opening = chance.integers(1, 10**6, (rows, 1))
        registers[channel] = np.concatenate([opening, opening + np.cumsum(energy[channel], axis=1)], axis=1)
        registers[channel][missing[channel] != 0] = 0
    ids = np.arange(rows, dtype=np.int64)
    return Day(
        stack=Stack(
            day=day,
            ids=ids,
            registers=registers,
            missing=missing,
            status=status,
            clock_status=np.zeros_like(status),
            versions=ids,
            known_at=ids,
            beside=beside,
        ),
        times=times,
        around=around(chance, registers, missing, times, (first, last)),
    )


def spoil(
    chance: np.random.Generator, fault: str, energy: dict[str, Integers], own: Integers, row: int, at: int
) -> None:
    """A fault of the quarters themselves; just beyond a limit, just within it, or far beyond."""
    match fault:
        case "fall":
            own[at] = -int(chance.integers(1, 5000))
        case "spike":
            own[at : at + 3] = chance.choice([178, 179, 400, 499, 500, 501, 5174, 5175, 9000], 3)
        case "frozen":
            own[at : at + int(chance.integers(2, 10))] = int(chance.integers(98, 102))
        case "both":
            for channel in CHANNELS:
                energy[channel][row, at : at + 2] = chance.choice([99, 100, 313, 4212, 4213, 4300], 2)
        case "night":
            energy["export_wh"][row, [0, -1]] = chance.choice([9, 10, 11], 2)
        case "step":
            own[at] = int(chance.integers(1480, 1600))
        case _:
            pass


def around(
    chance: np.random.Generator,
    registers: dict[str, Integers],
    missing: dict[str, npt.NDArray[np.uint8]],
    times: Integers,
    stays: tuple[Integers, Integers],
) -> Around:
    """What is known besides, of a part of the rows."""
    rows = len(stays[0])
    closing = {
        channel: Known(
            register_wh=registers[channel][:, -1] + chance.integers(-3, 4, rows),
            at=np.where(chance.random(rows) < 0.9, times[-1], 0),
            there=chance.random(rows) < 0.7,
        )
        for channel in CHANNELS
    }
    state = {name: chance.integers(0, 2000, rows) for name in STATE} | {"mean_days": chance.integers(0, 20, rows)}
    state |= {"zero_days": chance.integers(0, 60, rows)}
    return Around(
        capacity_wh=chance.choice([0, capacity_wh("3x25A"), capacity_wh("1x35A")], rows),
        first=stays[0],
        last=stays[1],
        exchanged=chance.random(rows) < 0.3,
        next_opening=closing,
        daily={"import_wh": closing["import_wh"]},
        check_meter_wh={"import_wh": closing["import_wh"]},
        state=state,
        clock_drift_s=np.where(chance.random(rows) < 0.8, chance.integers(-70, 71, rows), NEVER_ASKED),
        inactive=chance.random(rows) < 0.1,
        outages=dict.fromkeys(range(0, rows, 7), ((0, 3),)),
        cohort=tuple(f"cohort {row % 3}" for row in range(rows)),
        transformer=tuple(f"T{row % 4}" for row in range(rows)),
    )
