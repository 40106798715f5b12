"""What a meter says at its consumer port: DSMR 5.0.2 telegrams (P1 Companion Standard 5.0.2, chapter 6), without a line.

The communication module speaks, from what the metering module measures: registers in whole Wh, shown as kWh with three digits,
and the power of the moment in W. Two registers a direction stand for two tariffs; together they are that of the profile.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from kwartier import clock
from kwartier.clock import QUARTER_S
from kwartier.decode.p1 import crc16
from kwartier.simulate.household import EPOCH_S
from kwartier.simulate.metering.module import MeteringModule

VERSION = "50"
LOW, NORMAL = 1, 2
DAY_BEGINS, DAY_ENDS = 7, 23
"""The hours between which the normal tariff holds on a working day."""
SATURDAY = 5
NORMAL_SHARE = (55, 100)
"""What part of the register that a household began with counts as normal tariff."""
VOLTAGE_DV = 2301
"""230.1 V, on each phase."""
PHASES = 3
MAX_POWER_W = 99_999
REGISTER_MODULUS_WH = 1_000_000_000
"""Registers have six digits of kWh before the point."""


class ConsumerPort:
    """The consumer port of one meter: ``letters`` of its maker, ``name`` its own number."""

    __slots__ = ("_letters", "_module", "_name", "_normal_before", "_timezone")

    def __init__(self, module: MeteringModule, *, letters: str, name: str, timezone: str) -> None:
        self._module = module
        self._letters = letters
        self._name = name
        self._timezone = timezone
        self._normal_before = lru_cache(maxsize=4)(self._normal_until)

    def telegram(self, utc: float) -> bytes:
        """The telegram of the moment ``utc`` (seconds)."""
        now = int(utc)
        local = datetime.fromtimestamp(now, clock.zone(self._timezone))
        begins, ends = _hours(local.date(), self._timezone)
        tariff = NORMAL if begins <= now < ends else LOW
        registers = self._registers(now)
        imported_w, exported_w = (min(one, MAX_POWER_W) for one in self._module.power_w(now))
        lines = [
            f"/{self._letters}5\\2KWARTIER",
            "",
            f"1-3:0.2.8({VERSION})",
            f"0-0:1.0.0({local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'})",
            f"0-0:96.1.1({self._name.encode().hex().upper()})",
            *(_energy(code, wh) for code, wh in zip(("1.8.1", "1.8.2", "2.8.1", "2.8.2"), registers, strict=True)),
            f"0-0:96.14.0({tariff:04d})",
            _power("1.7.0", imported_w),
            _power("2.7.0", exported_w),
            "0-0:96.7.21(00000)",
            "0-0:96.7.9(00000)",
            "1-0:99.97.0(0)(0-0:96.7.19)",
            *(f"1-0:{phase}2.{kind}.0(00000)" for kind in (32, 36) for phase in (3, 5, 7)),
            "0-0:96.13.0()",
            *(f"1-0:{phase}2.7.0({VOLTAGE_DV / 10:05.1f}*V)" for phase in (3, 5, 7)),
            *_currents(max(imported_w, exported_w)),
            *(_power(f"{phase}1.7.0", watts) for phase, watts in zip((2, 4, 6), _phases(imported_w), strict=True)),
            *(_power(f"{phase}2.7.0", watts) for phase, watts in zip((2, 4, 6), _phases(exported_w), strict=True)),
        ]
        body = ("\r\n".join(lines) + "\r\n!").encode("ascii")
        return body + f"{crc16(body):04X}\r\n".encode("ascii")

    def _registers(self, now: int) -> tuple[int, int, int, int]:
        """Import in low and normal tariff, export in low and normal tariff, in Wh."""
        start = now // QUARTER_S * QUARTER_S
        day = datetime.fromtimestamp(now, clock.zone(self._timezone)).date()
        begins, ends = _hours(day, self._timezone)
        times = np.array([start, start + QUARTER_S, begins, ends], np.int64)
        found = []
        for column, before in zip(self._module.registers(times).values(), self._normal_before(day), strict=True):
            first, after, morning, evening = column.tolist()
            total = first + max(0, after - first) * (now - start) // QUARTER_S
            today = max(0, (total if now < ends else evening) - morning) if begins <= now else 0
            normal = min(before + today, total)  # a register that started anew has less than its tariffs had before
            found += [(total - normal) % REGISTER_MODULUS_WH, normal % REGISTER_MODULUS_WH]
        return found[0], found[1], found[2], found[3]

    def _normal_until(self, day: date) -> tuple[int, int]:
        """What was counted in normal tariff before local ``day``, for each direction."""
        first = datetime.fromtimestamp(EPOCH_S, UTC).date() + timedelta(days=1)
        days = [first + timedelta(days=number) for number in range((day - first).days)]
        bounds = [bound for one in days for bound in _hours(one, self._timezone)]
        normal = []
        for column in self._module.registers(np.array([EPOCH_S, *bounds], np.int64)).values():
            steps = np.maximum(column[2::2] - column[1::2], 0)
            normal.append(int(column[0]) * NORMAL_SHARE[0] // NORMAL_SHARE[1] + int(steps.sum()))
        return normal[0], normal[1]


def _hours(day: date, timezone: str) -> tuple[int, int]:
    """From when and until when the normal tariff holds on a local day, in UTC seconds: at weekends for no time at all."""
    hours = (DAY_BEGINS, DAY_ENDS if day.weekday() < SATURDAY else DAY_BEGINS)
    zone = clock.zone(timezone)
    begins, ends = (int(datetime(day.year, day.month, day.day, hour, tzinfo=zone).timestamp()) for hour in hours)
    return begins, ends


def _energy(code: str, wh: int) -> str:
    return f"1-0:{code}({wh // 1000:06d}.{wh % 1000:03d}*kWh)"


def _power(code: str, watts: int) -> str:
    return f"1-0:{code}({watts // 1000:02d}.{watts % 1000:03d}*kW)"


def _phases(watts: int) -> Sequence[int]:
    """Power spread over three phases; the first has what does not divide."""
    each = watts // PHASES
    return (watts - 2 * each, each, each)


def _currents(watts: int) -> list[str]:
    amperes = [one * 10 // VOLTAGE_DV for one in _phases(watts)]
    return [f"1-0:{phase}1.7.0({one:03d}*A)" for phase, one in zip((3, 5, 7), amperes, strict=True)]
