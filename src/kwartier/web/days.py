"""Days in addresses: local days that somebody may mean, so that nobody trips over the ends of the calendar."""

from datetime import date, timedelta

from kwartier.clock import FIRST_YEAR, LAST_YEAR
from kwartier.errors import InputError

ONE_DAY = timedelta(days=1)


def demand(day: date) -> date:
    """The day itself. Raises ``InputError`` bad-day."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InputError("bad-day", f"{day} is before {FIRST_YEAR} or after {LAST_YEAR}")
    return day


def after(day: date) -> date:
    """The day after. Raises ``InputError`` bad-day."""
    return demand(day) + ONE_DAY
