"""Requests that are answered as they come: an export, or a look at who has seen what. They are written down all the same."""

from collections.abc import Callable
from typing import Final

from kwartier.database import writing
from kwartier.service.home import Home
from kwartier.service.subject import records
from kwartier.service.subject.requests import Requests, State
from kwartier.service.subject.rules import Days, Kind, Outcome, rights

EXPORT: Final = Kind.EXPORT
HISTORY: Final = Kind.HISTORY


def answered(home: Home, kind: Kind, ean: str, days: Days, *, by: str, wall: Callable[[], float]) -> str:
    """Write down that somebody asked and was answered; the request. ``wall``: UTC seconds."""
    at, store, rule = int(wall()), Requests(home.engine), rights().kinds[kind]
    with writing(home.engine) as connection:
        name = store.receive(connection, kind, ean, days, by=by, at=at)
        store.decide(connection, name, Outcome.GRANTED, rule, by=by, at=at, detail={})
        store.finish(connection, name, at=at)
        home.log.append([records.asked(kind, name, at=at, by=by, state=State.DONE.value, ground=rule.cited)])
    return name
