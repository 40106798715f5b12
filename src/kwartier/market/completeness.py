"""What a grid area has for a local day and what is missing: an area that is not whole cannot be settled, and it is said why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from kwartier.market.columns import DIRECTIONS, Kind
from kwartier.market.market import Market
from kwartier.market.series import Series
from kwartier.model import Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What there is of one area: connections by method, and for each direction how many of the day's quarters."""

    grid_area: str
    connections: Mapping[str, int]
    quarters: int
    infeed: Mapping[str, int]
    losses: Mapping[str, int]
    fractions: Mapping[str, Mapping[str, int]]
    """By profile that one of its connections has."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there as a whole, in words; empty: nothing."""
        shown = {"infeed": self.infeed, "losses": self.losses}
        shown |= {f"fractions of {profile}": counts for profile, counts in self.fractions.items()}
        return tuple(
            f"{what} ({direction}): {count} of {self.quarters} quarters"
            for what, counts in shown.items()
            for direction, count in counts.items()
            if count < self.quarters
        )


def inputs(market: Market, day: date, times: Times, revision: int) -> list[Inputs]:
    """Every area that the market says anything of for a local day, by name. ``times``: the ends of the day's quarters."""
    counts, profiles = market.counts(day, revision), market.profiles(day, revision)
    infeed, losses = (market.energies(kind, times, revision) for kind in (Kind.INFEED, Kind.LOSSES))
    fractions = market.fractions(times, revision)
    areas = sorted({*counts, *(area for area, _ in infeed), *(area for area, _ in losses)})
    return [
        Inputs(
            grid_area=area,
            connections=counts.get(area, {}),
            quarters=len(times),
            infeed={one: _there(infeed.get((area, one))) for one in DIRECTIONS},
            losses={one: _there(losses.get((area, one))) for one in DIRECTIONS},
            fractions={
                profile: {one: _there(fractions.get((area, profile, one))) for one in DIRECTIONS}
                for profile in profiles.get(area, [])
            },
        )
        for area in areas
    ]


def _there(series: Series | None) -> int:
    return 0 if series is None else int(series.there.sum())
