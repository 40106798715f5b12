"""Which days have to be validated, and in which order: those of which something came, then those that it says something of.

A gap over midnight has its two ends on two days. When one of them comes, the days of the gap are looked at again, for its
meters alone; and so is a day whose closing register another reading contradicts.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

from kwartier.clock import local_day
from kwartier.gate.policy import Asking
from kwartier.service.home import Home
from kwartier.service.validating.chosen import Again
from kwartier.service.validating.facts import LOOK_AHEAD, ONE_DAY
from kwartier.service.validating.run import Outcome, Show, validate
from kwartier.service.validating.runs import Runs
from kwartier.store.copying import NOTHING, commits_after

MAX_AGO_DAYS = 130
"""What comes of an older day is not looked at by itself: settlement has long closed, at four months."""
NOTHING_NEW = Again(new=False)
"""What has come was looked at a moment ago."""
Watch = Callable[[date], Show | None]


def due_days(home: Home, *, now: int) -> list[date]:
    """The local days that are over and of which something came since they were last validated, the oldest first.

    A day between others of which nothing came at all is among them: its meters have volumes, too.
    """
    today = local_day(now, home.settings.timezone)
    runs = Runs(home.engine).days()
    recent = [one.raw_version for day, one in runs.items() if (today - day).days <= MAX_AGO_DAYS]
    since = min(recent, default=NOTHING)
    found: set[date] = set()
    for commit in commits_after(home.store_folder, since):
        for text in commit.days if commit.batches else ():
            day = date.fromisoformat(text)
            if day < today and (day not in runs or runs[day].raw_version < commit.version):
                found.add(day)
    known = [day for day in found | runs.keys() if (today - day).days <= MAX_AGO_DAYS]
    if known:
        between = range(min(known).toordinal(), max(known).toordinal())
        found.update(day for day in map(date.fromordinal, between) if day not in runs)
    return sorted(day for day in found if (today - day).days <= MAX_AGO_DAYS)


def validate_due(home: Home, *, actor: Asking, now: int, reason: str = "", watch: Watch) -> Iterator[Outcome]:
    """Validate what is due, and then the days that this says something of. ``watch`` gives who is shown how far a day is."""
    again: dict[date, Again] = {}
    for day in due_days(home, now=now):
        outcome = validate(home, day, actor=actor, now=now, reason=reason, show=watch(day))
        if outcome is not None:
            yield outcome
            for beside, more in beside_of(outcome).items():
                again[beside] = both(again.get(beside, NOTHING_NEW), more)
    for day in sorted(again.keys() & Runs(home.engine).days().keys()):
        outcome = validate(home, day, actor=actor, now=now, reason=reason, again=again[day], show=watch(day))
        if outcome is not None:
            yield outcome


def beside_of(outcome: Outcome) -> dict[date, Again]:
    """What other days have to look at again, as far as they were validated."""
    found: dict[date, Again] = {}
    day = outcome.run.day
    if outcome.touched:
        for ahead in range(-LOOK_AHEAD, LOOK_AHEAD + 1):
            if ahead:
                found[day + timedelta(days=ahead)] = replace(NOTHING_NEW, unsure=outcome.touched)
    if outcome.contradicted:
        eve = day - ONE_DAY
        found[eve] = replace(found.get(eve, NOTHING_NEW), keys=outcome.contradicted)
    return found


def both(one: Again, other: Again) -> Again:
    """Both together."""
    return replace(NOTHING_NEW, keys=one.keys | other.keys, unsure=one.unsure | other.unsure)
