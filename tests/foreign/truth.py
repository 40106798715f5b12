"""What a foreign meter holds, computed here and nowhere else: registers from a formula, stamps from the calendar alone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

QUARTER_S = 900
ZONE = ZoneInfo("Europe/Amsterdam")
SUMMER = 0x80
AMR_SUMMER = 0x08
AMR_POWER_DOWN = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a quarter profile: when its quarter ended (UTC seconds), status and registers in Wh."""

    time: int
    status: int
    import_wh: int
    export_wh: int


def rows(first: int, count: int) -> list[Row]:
    """``count`` rows from the quarter end ``first`` on (UTC seconds)."""
    found = []
    import_wh, export_wh = 4_294_000, 71_003
    for number in range(count):
        time = first + number * QUARTER_S
        import_wh += (number * 37 + 11) % 251
        export_wh += (number * 13) % 89 if number % 96 in range(36, 72) else 0
        status = AMR_SUMMER if is_summer(time) else 0
        if number % 50 == 7:
            status |= AMR_POWER_DOWN
        found.append(Row(time=time, status=status, import_wh=import_wh, export_wh=export_wh))
    return found


def is_summer(time: int) -> bool:
    """Whether Dutch clocks show summer time at ``time`` (UTC seconds)."""
    return bool(datetime.fromtimestamp(time, ZONE).dst())


def stamp(time: int) -> bytes:
    """The twelve bytes of a COSEM date-time (Blue Book 4.1.6.1) for ``time`` on a Dutch clock."""
    local = datetime.fromtimestamp(time, ZONE)
    ahead = local.utcoffset()
    minutes = 0 if ahead is None else int(ahead.total_seconds()) // 60
    parts = (local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second, 0)
    status = SUMMER if is_summer(time) else 0
    return local.year.to_bytes(2, "big") + bytes(parts) + (-minutes).to_bytes(2, "big", signed=True) + bytes((status,))


def moment(octets: bytes) -> int:
    """The UTC seconds that twelve bytes mean; without a deviation on a Dutch clock, the earlier where there are two."""
    local = datetime(int.from_bytes(octets[:2], "big"), octets[2], octets[3], octets[5], octets[6], octets[7])
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    if deviation == -0x8000:
        return int(local.replace(tzinfo=ZONE).timestamp())
    return int(local.replace(tzinfo=UTC).timestamp()) + 60 * deviation


def midnight(text: str) -> int:
    """The first moment of a Dutch day, in UTC seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())
