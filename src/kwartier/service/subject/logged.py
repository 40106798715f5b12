"""The audit log, as far as it is about one connection: told by the person's secrets and by the lists of members."""

import json
from collections.abc import Collection, Iterator
from datetime import date

import numpy as np

from kwartier.audit import copying
from kwartier.gate.ids import Ids
from kwartier.gate.persons import commitment
from kwartier.service.auditing import archives
from kwartier.service.home import Home
from kwartier.service.subject.history import Record


def records(home: Home) -> Iterator[Record]:
    """Every record, the oldest first."""
    for folder in archives(home.path):
        yield from map(json.loads, copying.records(folder))
    log = home.log.opened()
    for octets in log.records(0, log.size):
        yield json.loads(octets)


class OfConnection:
    """What is one connection's in it."""

    __slots__ = ("_ean", "_ids", "_members", "_secrets")

    def __init__(self, home: Home, ean: str) -> None:
        rooms = home.rooms()
        self._ean = ean
        self._ids = Ids(home.engine)
        self._members = rooms.members
        self._secrets = rooms.persons.secrets(ean)

    def commitments(self, grant: str) -> Collection[str]:
        """What the connection is called in the record of a grant."""
        return {commitment(secret, grant) for secret in self._secrets}

    def is_member(self, day: date, root: str) -> bool:
        """Whether it is in the list of members of a local day that has this root."""
        own = list(self._ids.of_connection(self._ean, [day.year]).values())
        return bool(np.isin(np.array(own, np.int64), self._members.ids(day, root)).any())


class Members:
    """Whose readings a use of many showed."""

    __slots__ = ("_ids", "_members")

    def __init__(self, home: Home) -> None:
        self._ids = Ids(home.engine)
        self._members = home.rooms().members

    def __call__(self, day: date, root: str) -> Collection[str]:
        """The connections in the list of members of a local day, as far as their links have not ended."""
        links = self._ids.within(self._members.ids(day, root), day.year)
        return {link.ean for link in links}
