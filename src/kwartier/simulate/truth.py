"""What a simulated fleet really used: the truth that a night's outcome is compared with.

``truth.json`` says which fleet it is - seed, number of meters, faults - and everything else follows from that.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kwartier.clock import quarter_ends
from kwartier.errors import InputError
from kwartier.simulate import faults
from kwartier.simulate.faults import Fault
from kwartier.simulate.metering.module import MeteringModule, Registers, Times
from kwartier.simulate.world import Who, World, meter_name, numbers

FILE = "truth.json"
FORMAT = 1
MAX_FILE_BYTES = 1 << 26
MAX_REMEMBERED = 4096
"""Metering modules kept: a comparison asks of each meter more than once."""


class Truth:
    """The truth of one fleet. ``clock``: the moment that its time started at, or None for real time."""

    def __init__(self, world: World, clock: datetime | None) -> None:
        self.world = world
        self.clock = clock
        self._metering = lru_cache(maxsize=MAX_REMEMBERED)(world.metering)

    @property
    def timezone(self) -> str:
        """Where the fleet stands."""
        return self.world.timezone

    def meters(self) -> Iterator[str]:
        """The names of all meters."""
        return map(meter_name, range(self.world.count))

    def who(self, meter: str) -> Who:
        """Which meter has that name. Raises ``KeyError``."""
        return self.world.who(self._number(meter))

    def ean(self, meter: str) -> str:
        """The connection of a meter."""
        return self.who(meter).ean

    def fault(self, meter: str) -> Fault | None:
        """What is wrong with a meter."""
        return self.world.fault(self.who(meter))

    def registers(self, meter: str, times: Times) -> Registers:
        """Every register of a meter at the quarter ends ``times`` (UTC seconds), in Wh, as the meter holds it."""
        return self.metering(meter).registers(times)

    def status(self, meter: str, times: Times) -> npt.NDArray[np.uint8]:
        """The AMR status byte of each quarter end."""
        return self.metering(meter).status(times)

    def obtainable(self, meter: str, day: date) -> npt.NDArray[np.bool_]:
        """For the opening and each quarter of a local day: False where nobody can read it the whole night long."""
        times = quarter_ends(day, day + timedelta(days=1), self.timezone)
        fault = self.fault(meter)
        if fault is not None and fault.is_for_the_night:
            return np.zeros(len(times), np.bool_)
        return self.metering(meter).captured(times)

    def metering(self, meter: str) -> MeteringModule:
        """The metering module of a meter."""
        return self._metering(self._number(meter))

    def _number(self, meter: str) -> int:
        return numbers([meter], self.world.count)[0]


def dump(world: World, clock: datetime | None) -> str:
    """What :func:`load` reads."""
    return json.dumps(
        {
            "format": FORMAT,
            "seed": world.seed,
            "meters": world.count,
            "timezone": world.timezone,
            "clock": None if clock is None else clock.isoformat(),
            "faults": world.faults.table(),
            "recordings": None if world.recordings is None else str(world.recordings),
        }
    )


def load(folder: Path) -> Truth:
    """The truth of the fleet whose files are in ``folder``. Raises ``InputError`` bad-truth."""
    path = folder / FILE
    try:
        with path.open(encoding="utf-8") as file:
            table = json.loads(file.read(MAX_FILE_BYTES))
        if table["format"] != FORMAT:
            raise ValueError("of another format")
        recordings = table["recordings"]
        world = World(
            seed=int(table["seed"]),
            count=int(table["meters"]),
            timezone=str(table["timezone"]),
            faults=faults.of_table(table["faults"], FILE),
            recordings=None if recordings is None else Path(recordings),
        )
        clock = None if table["clock"] is None else datetime.fromisoformat(table["clock"])
    except OSError as error:
        raise InputError("bad-truth", f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError("bad-truth", f"{path} is not what `simulate fleet` wrote") from None
    return Truth(world, clock)
