"""How long a round trip takes on the ways that meters are reached by: drawn, once for each answer.

A distribution is log-normal - a median, and a spread that makes some answers take several times as long - with a floor that
no answer is faster than. The figures are orders of magnitude, not measurements of any network. For measurements there is also a
latency without chance: as many seconds as somebody asks for.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

from kwartier.errors import InputError
from kwartier.simulate.chance import fraction

MAX_ANSWER_S = 20.0
_SMALLEST = 1e-9
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds between a question and its answer: ``median_s``, the standard deviation of its logarithm, and a floor."""

    median_s: float
    spread: float
    floor_s: float

    def draw_s(self, *words: object) -> float:
        """The latency of one answer, which follows from ``words``."""
        if not self.spread:
            return self.median_s
        deviation = _NORMAL.inv_cdf(max(_SMALLEST, fraction("latency", *words)))
        return min(MAX_ANSWER_S, max(self.floor_s, self.median_s * math.exp(self.spread * deviation)))


NO_LATENCY = "none"
LATENCIES: Mapping[str, Latency | None] = MappingProxyType(
    {
        NO_LATENCY: None,
        "lte-m": Latency(median_s=0.15, spread=0.5, floor_s=0.05),
        "cdma450": Latency(median_s=0.35, spread=0.6, floor_s=0.1),
        "plc": Latency(median_s=1.2, spread=0.8, floor_s=0.2),
    }
)
"""By name."""
_SECONDS = re.compile(r"(\d{1,2}(?:\.\d{1,3})?)s")


def latency_of(text: str) -> Latency | None:
    """A latency by its name, or the same one for each answer. Raises ``InputError`` bad-argument."""
    if text in LATENCIES:
        return LATENCIES[text]
    found = _SECONDS.fullmatch(text)
    seconds = float(found[1]) if found else 0.0
    if not 0 < seconds <= MAX_ANSWER_S:
        known = ", ".join(LATENCIES)
        raise InputError(
            "bad-argument", f"--latency {text[:40]!r} is none of {known}, and no seconds such as 1s or 0.25s up to 20s"
        )
    return Latency(median_s=seconds, spread=0.0, floor_s=seconds)
