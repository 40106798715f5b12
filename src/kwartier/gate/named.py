"""Volumes of the connections that a grant names: of each meter that was there, day by day, as of the run of each day.

Whoever sees their registers may see what validation made of them; for a fleet there is :mod:`kwartier.gate.volumes`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date

from kwartier.errors import Denied
from kwartier.gate.erased import UnerasedVolumes
from kwartier.gate.ids import Ids, Link, Links
from kwartier.gate.policy import Scope
from kwartier.gate.volumes import check_form
from kwartier.model import Volumes

Days = Mapping[date, int]
"""Local days, and the run of validation that each is shown as of."""


def check(scope: Scope, days: Iterable[date]) -> None:
    """Whether a grant of this scope shows volumes of what it names. Raises ``Denied`` out-of-scope, too-fine."""
    if not scope.eans:
        raise Denied("out-of-scope", "the grant names no connection")
    check_form(scope)
    beyond = [day for day in days if not scope.start <= day < scope.end]
    if beyond:
        raise Denied("out-of-scope", f"the grant does not reach {min(beyond)}")


def look_up(
    reader: UnerasedVolumes,
    ids: Ids,
    meters: Mapping[str, Collection[str]],
    runs: Days,
    reached: Callable[[str, str, dict[date, int]], dict[date, int]],
) -> Iterator[tuple[Volumes, Links]]:
    """The volumes of these meters at these connections, by day, and what each row stands for.

    ``reached``: the days, of those given, on which a connection and meter are for the grant to show.
    """
    wanted: dict[date, dict[int, Link]] = {day: {} for day in sorted(runs)}
    for ean, there in meters.items():
        for link, identity in ids.of_connection(ean, {day.year for day in runs}).items():
            if link.meter in there:
                for day in reached(ean, link.meter, {day: run for day, run in runs.items() if day.year == link.year}):
                    wanted[day][identity] = link
    return _found(reader, {day: Links.made(links, day.year) for day, links in wanted.items()}, runs)


def _found(reader: UnerasedVolumes, wanted: Mapping[date, Links], runs: Days) -> Iterator[tuple[Volumes, Links]]:
    there = {day: links.ids for day, links in wanted.items() if links}
    for volumes in reader.look_up(there, {day: runs[day] for day in there}):
        yield volumes, wanted[volumes.day].of(volumes.ids)
