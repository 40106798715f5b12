"""Does it all add up: every sum is held against the second path, and an area that fails a check is held.

Each check is a function of the evidence and one area. It names counts and sums of areas, never a connection. They are made so
that each of the ways in which a settlement goes wrong in silence - a lost group, a connection counted twice, a sum under the
wrong party, directions swapped, a residual that swallows a mistake - fails at least one of them, whichever of the others pass.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from kwartier.settle.inputs import ONE_E12
from kwartier.settle.partial import Partial
from kwartier.settle.second import Expected, Second
from kwartier.settle.tables import DIRECTIONS, Area, AreaState, Check, Membership, Part, Settled, Sum

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large a residual may be over the day, in each direction, plus and minus not set off against each other.

    The larger of the two counts. Both are choices of an installation; no law or code was found that states them.
    """

    share_bp: int = 1_000
    """Of the infeed, in basis points: ten per cent."""
    floor_wh: int = 20_000
    """Whatever the infeed is: some households' worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the checks look at."""

    settled: Settled
    membership: Membership
    partial: Partial | None
    second: Second = field(repr=False)
    bounds: Bounds

    def sums(self, area: str, *parts: Part) -> list[Sum]:
        """The sums of an area."""
        return [one for one in self.settled.sums if one.grid_area == area and one.part in parts]


Verdict = tuple[bool, str]


def conserved(evidence: Evidence) -> Settled:
    """The settlement with every check of every area that is settled; those that fail one are held."""
    checks: list[Check] = []
    areas: list[Area] = []
    for area in evidence.settled.areas:
        said = checked(evidence, area.grid_area) if area.state is not AreaState.STOPPED else []
        failed = [one for one in said if not one.passed]
        reason = "; ".join(f"{one.code}: {one.detail}" for one in failed)
        checks += said
        areas.append(replace(area, state=AreaState.HELD, code=failed[0].code, reason=reason) if failed else area)
    ordered = sorted(checks, key=lambda one: (one.grid_area, one.code))
    return replace(evidence.settled, areas=tuple(areas), checks=tuple(ordered))


def checked(evidence: Evidence, area: str) -> list[Check]:
    """What every check says of an area, in the order of :data:`CHECKS`."""
    found = []
    for code, check in CHECKS.items():
        passed, detail = check(evidence, area)
        found.append(Check(grid_area=area, code=code, passed=passed, detail=detail))
    return found


# The checks.


def once(evidence: Evidence, area: str) -> Verdict:
    """No reading id is counted twice, and no connection in two groups."""
    membership = evidence.membership
    inside = np.asarray([group.grid_area == area for group in membership.groups], dtype=np.bool_)
    here = inside[membership.group] if len(membership.ids) else np.zeros(0, np.bool_)
    doubled = len(np.intersect1d(found, membership.ids[here])) if len(found := _doubled(membership)) else 0
    torn = len(np.intersect1d(found, membership.connection[here])) if len(found := _torn(membership)) else 0
    return not doubled and not torn, f"{doubled} reading ids counted twice, {torn} connections in more than one group"


def _doubled(membership: Membership) -> npt.NDArray[np.int64]:
    """The ids that are there more than once."""
    if (membership.ids[1:] > membership.ids[:-1]).all():
        return membership.ids[:0]
    ids = np.sort(membership.ids)
    return np.unique(ids[1:][ids[1:] == ids[:-1]])


def _torn(membership: Membership) -> npt.NDArray[np.int64]:
    """The connections that are in more than one group: some row of theirs is in another than their last one."""
    connection, group = membership.connection, membership.group
    last = np.zeros(connection.max(initial=0) + 1, group.dtype)
    last[connection] = group
    return np.unique(connection[last[connection] != group])


def rows(evidence: Evidence, area: str) -> Verdict:
    """As many rows were summed as the area has reading ids that are usable."""
    expected = evidence.second.meters[(area,)]
    groups = [place for place, group in enumerate(evidence.membership.groups) if group.grid_area == area]
    summed = 0 if evidence.partial is None else int(evidence.partial.rows[groups].sum())
    return summed == expected, f"{summed} rows summed, {expected} to be"


def parties(evidence: Evidence, area: str) -> Verdict:
    """Every balance responsible party has as many connections as the market gives it, by readings and in all."""
    second = evidence.second
    wrong: set[str] = set()
    for direction in DIRECTIONS.values():
        for parts, expected in (
            ((Part.METERED,), second.read.under(area)),
            ((Part.METERED, Part.PROFILED), second.supplied.under(area)),
        ):
            counted = Counter[str]()
            for one in evidence.sums(area, *parts):
                counted[one.brp] += one.connections if one.direction == direction else 0
            wrong |= _different(counted, expected)
    total = sum(second.supplied.under(area).values())
    return not wrong, f"{total} connections; {len(wrong)} parties with another number than the market gives them"


def _different(counted: Counter[str], expected: Expected) -> set[str]:
    names = set(counted) | {key[0] for key in expected}
    return {name for name in names if counted[name] != expected[(name,)]}


def registers(evidence: Evidence, area: str) -> Verdict:
    """The sums by readings are, over the day and for each party, what the registers of its connections moved."""
    summed: Counter[tuple[str, ...]] = Counter()
    for one in evidence.sums(area, Part.METERED):
        summed[one.brp, one.direction] += int(one.energy_wh.sum())
    expected = evidence.second.moved_wh.under(area)
    wrong = {key for key in {*summed, *expected} if summed[key] != expected[key]}
    of, meters = evidence.second.from_registers[(area,)], evidence.second.meters[(area,)]
    said = f"{of} of {meters} meters by stored registers, the others by the day's volume"
    return not wrong, f"{said}; {len(wrong)} sums of a party and direction differ"


def profiles(evidence: Evidence, area: str) -> Verdict:
    """The sums by profile are, over the day, the exact volume to within the half Wh that each was rounded by."""
    summed: Counter[str] = Counter()
    for one in evidence.sums(area, Part.PROFILED):
        summed[one.direction] += int(one.energy_wh.sum())
    cells = evidence.second.cells[(area,)]
    wrong = [
        direction
        for direction in DIRECTIONS.values()
        if 2 * abs(summed[direction] * ONE_E12 - evidence.second.profiled_e12[area, direction]) > cells * ONE_E12
    ]
    return not wrong, f"{cells} sums rounded; {len(wrong)} directions further off than that"


def boundary(evidence: Evidence, area: str) -> Verdict:
    """Infeed and losses are those that were imported, quarter by quarter."""
    wrong = 0
    for part in (Part.INFEED, Part.LOSS):
        sums = evidence.sums(area, part)
        for direction in DIRECTIONS.values():
            found = [one for one in sums if one.direction == direction]
            given = evidence.second.given.get((part, area, direction))
            wrong += given is None or len(found) != 1 or not np.array_equal(found[0].energy_wh, given)
    return not wrong, f"{wrong} of 4 differ from what was imported"


def adds_up(evidence: Evidence, area: str) -> Verdict:
    """In every quarter and direction infeed is the sum of the parts."""
    wrong, quarters = 0, 0
    for direction in DIRECTIONS.values():
        sums = [one for one in evidence.sums(area, *Part) if one.direction == direction]
        given = [one.energy_wh for one in sums if one.part is Part.INFEED]
        parts = [one.energy_wh for one in sums if one.part is not Part.INFEED]
        if not given or not parts:
            return False, f"no infeed or no part of it ({direction})"
        off = np.sum(given, axis=0) - np.sum(parts, axis=0)
        wrong, quarters = wrong + int(np.count_nonzero(off)), len(off)
    return not wrong, f"{wrong} of twice {quarters} quarters do not add up"


def bounded(evidence: Evidence, area: str) -> Verdict:
    """The residual is not larger than the installation allows."""
    bounds = evidence.bounds
    said, passed = [], True
    for direction in DIRECTIONS.values():
        left = _size(one for one in evidence.sums(area, Part.RESIDUAL) if one.direction == direction)
        infeed = _size(one for one in evidence.sums(area, Part.INFEED) if one.direction == direction)
        allowed = max(bounds.floor_wh, infeed * bounds.share_bp // BASIS_POINTS)
        passed = passed and left <= allowed
        said.append(f"{left} Wh of {allowed} allowed ({direction})")
    return passed, ", ".join(said)


def _size(sums: Iterable[Sum]) -> int:
    return sum(int(np.abs(one.energy_wh).sum()) for one in sums)


CHECKS: dict[str, Callable[[Evidence, str], Verdict]] = {
    "counted-once": once,
    "rows": rows,
    "parties": parties,
    "registers": registers,
    "profiles": profiles,
    "boundary": boundary,
    "adds-up": adds_up,
    "residual": bounded,
}
"""Every check by the code that it is published under."""
