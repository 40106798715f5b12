"""The shapes that the market gives: a connection's year volume, spread by the fractions of its profile."""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from kwartier.clock import QUARTER_S, quarter_ends
from kwartier.gate.ids import Link
from kwartier.market.market import Market
from kwartier.market.series import Series
from kwartier.market.supplies import Supplies
from kwartier.model import Times
from kwartier.service.validating.facts import DAYS_AROUND, ONE_DAY
from kwartier.settle.inputs import ONE_E12
from kwartier.settle.tables import DIRECTIONS
from kwartier.validate.estimate.shape import Curve


class MarketProfiles:
    """Profiles as of a revision, around a local day; ``links``: whose the readings are that it is asked about."""

    def __init__(self, market: Market, day: date, revision: int, timezone: str, links: Mapping[int, Link]) -> None:
        self._market = market
        self._day = day
        self._revision = revision
        self._links = links
        around = timedelta(days=DAYS_AROUND)
        self._times = quarter_ends(day - around, day + around + ONE_DAY, timezone)[1:]

    def curve(self, reading: int, channel: str, ends: Times) -> Curve | None:
        """As :class:`kwartier.validate.estimate.shape.Profiles` says; None also too far from the day."""
        link = self._links.get(reading)
        place = None if link is None else self._place(link.ean)
        if place is None or not len(ends) or ends[0] < self._times[0] or ends[-1] > self._times[-1]:
            return None
        supplies = self._supplies
        key = (supplies.grid_area[place], supplies.profile[place], DIRECTIONS[channel])
        series = self._fractions.get(key)
        quarters = (ends - self._times[0]) // QUARTER_S
        if series is None or not series.there[quarters].all():
            return None
        weights = series.values[quarters]
        years = {"import_wh": supplies.year_import_wh, "export_wh": supplies.year_export_wh}
        # A year's volume times fractions has more than 64 bits: Python's whole numbers have no end.
        part_e12 = int(years[channel][place]) * int(weights.sum())
        return Curve(weights=weights.astype(np.int64), energy_wh=(2 * part_e12 + ONE_E12) // (2 * ONE_E12))

    def _place(self, ean: str) -> int | None:
        eans = self._supplies.eans
        place = bisect_left(eans, ean)
        return place if place < len(eans) and eans[place] == ean else None

    @cached_property
    def _supplies(self) -> Supplies:
        return self._market.supplies(self._day, self._revision)

    @cached_property
    def _fractions(self) -> Mapping[tuple[str, str, str], Series]:
        return self._market.fractions(self._times, self._revision)
