"""What the registry says of the meters of a local day, looked up once and cut out for each stack of readings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from kwartier.errors import InputError
from kwartier.fleet.standing import Coded, Standing
from kwartier.gate.ids import Links
from kwartier.model import Registers, Times
from kwartier.names import NOWHERE, Names, names_of, places_in
from kwartier.service.home import Home
from kwartier.validate.capacity import capacity_wh
from kwartier.validate.day import NEVER_ASKED, Mask
from kwartier.validate.exchange import HALF_S, Exchange

LOOK_AHEAD = 14
"""Local days after a day in which the end of a gap is looked for."""
DAYS_AROUND = 14
"""Local days around a day within which an exchange of a metering module parts what the registers tell."""
ONE_DAY = timedelta(days=1)
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds of meters on a day, in columns, a row a meter in the order of names; of any other meter nothing is known."""

    day: date
    meters: Names = field(repr=False)
    eans: Names = field(repr=False)
    capacity_wh: Registers = field(repr=False)
    transformer: Coded = field(repr=False)
    cohort: Coded = field(repr=False)
    place: tuple[Coded, Coded] = field(repr=False)
    """The grid area, and the radio cell."""
    drift_s: Registers = field(repr=False)
    exchanges: Mapping[str, tuple[Exchange, ...]] = field(repr=False)
    resets: Mapping[str, Sequence[date]]
    """By meter the days, before and after, too, on which its registers started anew."""

    def __len__(self) -> int:
        """How many meters."""
        return len(self.meters)

    def rows(self, links: Links) -> Registers:
        """The row of each meter, or :data:`~kwartier.names.NOWHERE`."""
        return places_in(self.meters, links.meters)

    def tick(self, links: Links, seen: Mask) -> None:
        """Mark in ``seen`` those that stand behind links: the meter at the connection where it is."""
        rows = self.rows(links)
        here = np.flatnonzero(rows != NOWHERE)
        here = here[self.eans[rows[here]] == links.eans[here]]
        seen[rows[here]] = True

    def reset(self, links: Links) -> Mask:
        """Whose registers started anew on the day."""
        those = [meter for meter, days in self.resets.items() if self.day in days]
        return np.isin(links.meters, names_of(those)) if those else np.zeros(len(links), np.bool_)

    def exchanges_of(self, links: Links) -> dict[int, tuple[Exchange, ...]]:
        """Comings and goings by row."""
        if not self.exchanges:
            return {}
        rows = np.flatnonzero(np.isin(links.meters, names_of(list(self.exchanges)))).tolist()
        return {row: self.exchanges[links[row].meter] for row in rows}


def of_rows(column: Registers, rows: Registers, otherwise: int) -> Registers:
    """A column for some rows; ``otherwise`` where there is no such row."""
    if not len(column):
        return np.full(len(rows), otherwise, np.int64)
    return np.where(rows == NOWHERE, otherwise, column[rows])


def texts_of(coded: Coded, rows: Registers) -> tuple[str, ...]:
    """Texts for some rows; empty where there is no such row."""
    texts = (*coded.texts, "")
    codes = of_rows(coded.codes.astype(np.int64, copy=False), rows, len(texts) - 1)
    return tuple([texts[code] for code in codes.tolist()])


def facts_of(home: Home, day: date, times: Times, found: Standing) -> Facts:
    """The facts of some meters of a day; ``times``: its quarter ends.

    Raises ``InputError`` mixed-days for meters of another time zone.
    """
    zone = home.settings.timezone
    elsewhere = np.array([text != zone for text in found.timezone.texts], np.bool_)
    others = int(elsewhere[found.timezone.codes].sum())
    if others:
        raise InputError("mixed-days", f"{others} meters are in another time zone than {zone}, which is `timezone`")
    sizes = np.array([capacity_wh(text) if text else 0 for text in found.capacity.texts], np.int64)
    closes = int(times[-1])
    return Facts(
        day=day,
        meters=found.meters,
        eans=found.eans,
        capacity_wh=sizes[found.capacity.codes],
        transformer=found.transformer,
        cohort=found.kind,
        place=(found.grid_area, found.cell),
        drift_s=_drifts(home, found.meters, closes + DAY_S),
        exchanges=_exchanges(home, day, times),
        resets=home.registry.metering_exchanged(
            day - timedelta(days=DAYS_AROUND), day + timedelta(days=DAYS_AROUND + 1)
        ),
    )


def _drifts(home: Home, meters: Names, end: int) -> Registers:
    """How far the clock of each meter was ahead, as was last known before a moment."""
    found = np.full(len(meters), NEVER_ASKED, np.int64)
    named, ahead_s = home.visits.drifts_until(end)
    rows = places_in(meters, named)
    found[rows[rows != NOWHERE]] = ahead_s[rows != NOWHERE]
    return found


def _exchanges(home: Home, day: date, times: Times) -> dict[str, tuple[Exchange, ...]]:
    """By meter the exchanges of the day, and those so near to it that their place is one of its midnights."""
    found: dict[str, list[Exchange]] = defaultdict(list)
    for near in (day - ONE_DAY, day, day + ONE_DAY):
        for one in home.registry.exchanges_on(near):
            if int(times[0]) - HALF_S <= one.moment <= int(times[-1]) + HALF_S:
                closing = {"import_wh": one.closing_import_wh, "export_wh": one.closing_export_wh}
                opening = {"import_wh": one.opening_import_wh, "export_wh": one.opening_export_wh}
                found[one.old_meter].append(Exchange(at=one.moment, came=False, registers_wh=closing))
                found[one.new_meter].append(Exchange(at=one.moment, came=True, registers_wh=opening))
    return {meter: tuple(several) for meter, several in found.items()}
