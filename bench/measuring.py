"""Sessions by turns, batch after batch, and the CPU time of this process for each."""

import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.ours import Kwartier
from bench.peers import DlmsCosem, Gurux
from bench.scene import Rows

PDUS = (4096, 1024, 256)
OWN = "kwartier"
MANY_AT_ONCE = 64
OWN_MANY = f"{OWN}, {MANY_AT_ONCE} at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured. Sessions are those of one batch."""

    batches: int = 7
    own_sessions: int = 200
    dlms_cosem_sessions: int = 40
    gurux_sessions: int = 8
    decodes: int = 200


SMOKE = Plan(batches=1, own_sessions=2, dlms_cosem_sessions=2, gurux_sessions=2, decodes=2)
"""Enough to see that everything works and that the values are equal; its times mean nothing."""


@dataclass(slots=True)
class Cost:
    """What a session cost in each batch, in microseconds of CPU time."""

    user_us: list[float] = field(default_factory=list)
    system_us: list[float] = field(default_factory=list)
    counters_us: list[float] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        """User and system together."""
        return statistics.median(user + system for user, system in zip(self.user_us, self.system_us, strict=True))

    @property
    def counters_median_us(self) -> float:
        """What of it went into reserving and remembering counters."""
        return statistics.median(self.counters_us)

    @property
    def best_us(self) -> float:
        """The batch that was disturbed least."""
        return min(user + system for user, system in zip(self.user_us, self.system_us, strict=True))


Costs = dict[tuple[str, int], Cost]
"""(contender, PDU) -> cost."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table. ``batch`` takes a PDU and a number of sessions; ``rows`` makes comparable what it gave."""

    name: str
    sessions: int
    batch: Callable[[int, int], list[Any]]
    rows: Callable[[Any], Rows]
    counters_s: Callable[[], float] = float
    """CPU seconds of the last batch that went into reserving counters durably."""

    def measure(self, max_pdu: int, cost: Cost) -> list[Rows]:
        """Run one batch, note what it cost, and give what it read."""
        before = resource.getrusage(resource.RUSAGE_SELF)
        found = self.batch(max_pdu, self.sessions)
        after = resource.getrusage(resource.RUSAGE_SELF)
        # Threads of this process are counted, other processes are not.
        cost.user_us.append((after.ru_utime - before.ru_utime) / self.sessions * 1e6)
        cost.system_us.append((after.ru_stime - before.ru_stime) / self.sessions * 1e6)
        cost.counters_us.append(self.counters_s() / self.sessions * 1e6)
        return [self.rows(one) for one in found]


def contenders(ours: Kwartier, dlms_cosem: DlmsCosem, gurux: Gurux, plan: Plan) -> list[Contender]:
    """Who takes part, in the order of the table."""
    spent = partial(getattr, ours, "reserving_s")
    many = partial(ours.batch, at_once=MANY_AT_ONCE)
    return [
        Contender(OWN, plan.own_sessions, ours.batch, ours.rows, spent),
        Contender(OWN_MANY, plan.own_sessions, many, ours.rows, spent),
        Contender(dlms_cosem.name, plan.dlms_cosem_sessions, dlms_cosem.batch, dlms_cosem.rows),
        Contender(gurux.name, plan.gurux_sessions, gurux.batch, gurux.rows),
    ]


def sessions(taking_part: Sequence[Contender], batches: int) -> Costs:
    """Measure all by turns, so that what disturbs one disturbs all. Every value that anybody read is compared."""
    costs: Costs = {}
    truth: Rows | None = None
    for batch in range(batches + 1):
        for pdu in PDUS:
            for one in taking_part:
                found = one.measure(pdu, costs.setdefault((one.name, pdu), Cost()))
                truth = truth or found[0]
                if any(rows != truth for rows in found):
                    raise RuntimeError(f"{one.name} read other values at a PDU of {pdu}")
        if not batch:  # the first one warmed up
            costs.clear()
    return costs


def decoding(decoders: Mapping[str, Callable[[bytes], object]], buffer: bytes, plan: Plan) -> dict[str, float]:
    """Microseconds of CPU time to turn the deciphered buffer of a day into values, by turns; medians."""
    taken: dict[str, list[float]] = {name: [] for name in decoders}
    for batch in range(plan.batches + 1):
        for name, decode in decoders.items():
            started_s = time.process_time()
            for _ in range(plan.decodes):
                decode(buffer)
            if batch:
                taken[name].append((time.process_time() - started_s) / plan.decodes * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}
