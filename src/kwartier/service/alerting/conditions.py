"""What somebody has to know, told from a few numbers: one function a condition, with neither database nor clock of its own.

A condition that holds is *found*: its code, what it is about, and a sentence. Meters are named by their own names, a few of
them only, and never by anything that may be an EAN.
"""

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from kwartier.collect.due import BUFFER_DAYS

TOLERATED_PART = 0.001
"""With as few of its meters left, a night counts as finished."""
WARM_UP_S = 180.0
"""How long after the start nothing is concluded: the first visits have to end."""
OVERDUE_S = 180.0
"""A meter that was to be tried so long ago and was not waits for want of power, and not for its moment."""
MEASURED_S, LEAST_MEASURED_S = 600.0, 240.0
"""The pace is that of the last ten minutes, and of four at least."""
LOSS_NEAR_DAY = BUFFER_DAYS - 2
"""From this day of a missing day's life in the buffer on, it is an alert."""
CLOCK_NORM_S = 60
"""How far a meter's clock may be off. An assumption: the norm's own number was not at hand."""
RISE = 0.001
"""The rise of a cohort's silent part that is looked for; half of it has to be seen."""
CHANCE = 1e-5
"""How likely chance alone may be to give what was seen, for a cohort at a look."""
LEAST_SILENT = 10
"""A cohort has to have as many silent meters: fewer are a matter of those meters."""
ENOUGH_NIGHTS = 3
"""With so many earlier nights the worst of them does not say what is usual."""
MAX_NAMED = 5
"""Meters that an alert names."""
MAX_SUBJECTS = 20
"""Alerts of one code that are open at once for different cohorts; the rest share one."""
OTHERS = "others"
FLEET = "fleet"
RUNBOOK = "docs/operations.md"
MAX_SUBJECT = 128
_LIKE_AN_EAN = re.compile(r"\d{18}")


class Code(StrEnum):
    """The closed list; ``alerts.toml`` says what each means."""

    WILL_NOT_FINISH = "will-not-finish"
    DATA_LOSS_NEAR = "data-loss-near"
    SILENT_COHORT = "silent-cohort"
    CLOCK_BEYOND_NORM = "clock-beyond-norm"
    COUNTER_NEAR_END = "counter-near-end"
    HOST_CLOCK = "host-clock"
    NO_ROOM = "no-room"
    DATABASE_AWAY = "database-away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One row of the table of codes."""

    meaning: str
    advice: str


@cache
def meanings() -> dict[str, Meaning]:
    """The table of codes."""
    table = tomllib.loads(files("kwartier.service.alerting").joinpath("alerts.toml").read_text("utf-8"))
    return {code: Meaning(meaning=row["meaning"], advice=row["advice"]) for code, row in table.items()}


def runbook(code: str) -> str:
    """Where it is written what to do."""
    return f"{RUNBOOK}#{code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A condition that holds: what it is about, and in a sentence. ``since``: since when, where that is not now."""

    code: Code
    subject: str
    text: str
    since: int | None = None


# A night that will not finish.


class Sample(NamedTuple):
    """How many meters had not been tried at a moment, and how many of them should have been."""

    at_s: float
    untried: int
    overdue: int


def will_not_finish(samples: Sequence[Sample], *, day: date, due: int, closes_at: int) -> list[Found]:
    """Whether first tries will be left when the window closes. ``samples``: since the run began, the oldest first.

    While every meter is tried at its moment, the pace only tells how moments are spread, and nothing is concluded. A night
    that lags shows how fast it is. Only first tries count, so what is tried again in the tail does not matter here.
    """
    last = samples[-1]
    tolerated = due * TOLERATED_PART
    closing = f"{datetime.fromtimestamp(closes_at, UTC):%H:%M} UTC"
    if last.at_s >= closes_at:
        if last.untried <= tolerated:
            return []
        said = f"the window closed at {closing}, and {last.untried} of {due} meters had not been tried"
        return [Found(code=Code.WILL_NOT_FINISH, subject=f"{day}", text=said)]
    lagging: list[Sample] = []
    for one in reversed(samples):
        is_measured = one.at_s >= max(last.at_s - MEASURED_S, samples[0].at_s + WARM_UP_S)
        if one.overdue <= tolerated or not is_measured:
            break
        lagging.append(one)
    if not lagging or last.at_s - lagging[-1].at_s < LEAST_MEASURED_S:
        return []
    first = lagging[-1]
    pace_per_s = max(0, first.untried - last.untried) / (last.at_s - first.at_s)
    left = last.untried - pace_per_s * (closes_at - last.at_s)
    if left <= tolerated:
        return []
    said = f"at {pace_per_s * 60:.0f} first tries a minute, {left:.0f} of {due} meters are left when the window closes"
    return [Found(code=Code.WILL_NOT_FINISH, subject=f"{day}", text=f"{said} at {closing}")]


# Data that will be lost.


class Missing(NamedTuple):
    """A meter, its cohort, and the oldest of its missing days."""

    meter: str
    cohort: str
    oldest: date


def data_loss_near(missing: Iterable[Missing], *, day: date) -> list[Found]:
    """Meters whose buffers will soon write over a missing day; ``day`` is the one that is read now.

    Each day that passes is an alert of its own: what was day 8 yesterday is more urgent on day 9.
    """
    groups: dict[tuple[int, str], list[str]] = {}
    for one in missing:
        age = (day - one.oldest).days + 1
        if LOSS_NEAR_DAY <= age <= BUFFER_DAYS:
            groups.setdefault((age, one.cohort), []).append(one.meter)
    ordered = sorted(groups.items(), key=lambda group: (-group[0][0], -len(group[1]), group[0][1]))
    found = [
        Found(
            code=Code.DATA_LOSS_NEAR,
            subject=_subject(f"day {age} of {BUFFER_DAYS}, {cohort}"),
            text=f"day {age} of {BUFFER_DAYS} before data are lost: {_listed(names)}",
        )
        for (age, cohort), names in ordered
    ]
    return _few(found)


# Cohorts that fall silent.


class Tried(NamedTuple):
    """Of the meters that answered the night before: how many were tried, and how many gave nothing."""

    tried: int
    silent: int


def usual_part(nights: Sequence[Tried]) -> float | None:
    """The part of a cohort that is silent in a night that is no better than most; None: nothing is known of it.

    With enough earlier nights that is the worst but one: nights differ by more than chance, and a single bad night must not
    hide the next. With fewer it is the worst, and as much more as chance may have made it look better.
    """
    known = [one for one in nights if one.tried]
    if len(known) >= ENOUGH_NIGHTS:
        return sorted((one.silent + 1) / (one.tried + 1) for one in known)[-2]
    return max(((one.silent + 1 + 2 * math.sqrt(one.silent + 1)) / (one.tried + 1) for one in known), default=None)


def surprise(seen: Tried, usual: float) -> float:
    """How unlikely as many silent meters are at the usual part: at most ``exp(-surprise)``.

    That is Chernoff's bound on the tail of a binomial, which holds for cohorts of every size.
    """
    part = seen.silent / seen.tried
    if part <= usual:
        return 0.0
    rest = 0.0 if part == 1 else (1 - part) * math.log((1 - part) / (1 - usual))
    return seen.tried * (part * math.log(part / usual) + rest)


def silent_cohorts(tonight: Mapping[str, Tried], earlier: Mapping[str, Sequence[Tried]]) -> list[Found]:
    """Cohorts of which more meters give nothing than in earlier nights.

    At one look, a cohort in which nothing changed is named with a chance of at most one in 100 000. What the rule can see
    depends on size: 0.1 % more are found in 22 000 tried meters where 0.01 % are usually silent, and in 100 000 where 0.1 %
    are; in 100 000 where 0.5 % are, they are not.
    """
    scored: list[tuple[float, Found]] = []
    for cohort, seen in tonight.items():
        usual = usual_part(earlier.get(cohort, ()))
        if usual is None or usual >= 1 or seen.silent < LEAST_SILENT:
            continue
        score, part = surprise(seen, usual), seen.silent / seen.tried
        if score < -math.log(CHANCE) or part - usual < RISE / 2:
            continue
        said = f"{seen.silent} of {seen.tried} meters that answered the night before give nothing ({part:.2%}"
        text = f"{cohort}: {said}, usually at most {usual:.2%})"
        scored.append((score, Found(code=Code.SILENT_COHORT, subject=_subject(cohort), text=text)))
    scored.sort(key=lambda one: (-one[0], one[1].subject))
    return _few([found for _, found in scored])


# Clocks and counters.


class Drift(NamedTuple):
    """A meter, its cohort, and how many seconds its clock was ahead."""

    meter: str
    cohort: str
    drift_s: int


def clocks_beyond_norm(drifts: Iterable[Drift]) -> list[Found]:
    """Clocks that are further off than the norm, a cohort at a time."""
    groups: dict[str, list[Drift]] = {}
    for one in drifts:
        if abs(one.drift_s) > CLOCK_NORM_S:
            groups.setdefault(one.cohort, []).append(one)
    found: list[Found] = []
    for cohort, off in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        worst = sorted(off, key=lambda one: (-abs(one.drift_s), one.meter))
        most_s = worst[0].drift_s
        text = f"{cohort}: clocks are more than {CLOCK_NORM_S} s off, the worst {most_s:+d} s: "
        text += _listed([one.meter for one in worst])
        found.append(Found(code=Code.CLOCK_BEYOND_NORM, subject=_subject(cohort), text=text))
    return _few(found)


def counters_near_end(meters: Sequence[str]) -> list[Found]:
    """Meters whose keys have to be changed because of their counters."""
    if not meters:
        return []
    text = f"invocation counters near their end: {_listed(sorted(meters))}"
    return [Found(code=Code.COUNTER_NEAR_END, subject=FLEET, text=text)]


# How they are told.


def _listed(names: Sequence[str]) -> str:
    """How many, and a few names; none that may be an EAN."""
    shown = [name for name in names if not _LIKE_AN_EAN.search(name)][:MAX_NAMED]
    count = f"{len(names)} meter{'' if len(names) == 1 else 's'}"
    if not shown:
        return count
    return f"{count} ({', '.join(shown)}{', ...' if len(shown) < len(names) else ''})"


def _subject(text: str) -> str:
    return text[:MAX_SUBJECT]


def _few(found: list[Found]) -> list[Found]:
    """Not more than a person can take in: the first ones, and one for all others."""
    if len(found) <= MAX_SUBJECTS:
        return found
    rest = len(found) - MAX_SUBJECTS
    text = f"{rest} more like the {MAX_SUBJECTS} that are named, the gravest of which is: {found[MAX_SUBJECTS].text}"
    return [*found[:MAX_SUBJECTS], Found(code=found[0].code, subject=OTHERS, text=text)]
