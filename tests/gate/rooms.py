"""What stands around a gate in a test: a log that remembers, secrets that are sealed in plain sight, somebody who asks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from kwartier.fleet.registry import Registry
from kwartier.gate.grant import Approvals, Gate, Rooms
from kwartier.gate.members import FOLDER, Members
from kwartier.gate.persons import Persons
from kwartier.gate.purposes import purposes
from kwartier.gate.record import Log
from kwartier.store.files import FileKeys

EVERY_ROLE = frozenset(role for purpose in purposes().values() for role in purpose.who) - {"customer", "mandate-holder"}
AT = 1_795_600_000


@dataclass(frozen=True)
class Somebody:
    """Who asks."""

    name: str = "os:eva"
    roles: frozenset[str] = EVERY_ROLE


EVA = Somebody()


@dataclass
class Remembered:
    """A log in memory."""

    records: list[bytes] = field(default_factory=list)

    def append(self, records: Sequence[bytes]) -> range:
        """Keep them."""
        self.records += records
        return range(len(self.records) - len(records), len(self.records))

    @property
    def told(self) -> list[dict[str, object]]:
        """What the records say."""
        return [json.loads(one) for one in self.records]


class InPlainSight:
    """Seals nothing, but tells when a record is opened for something else."""

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """With what it is bound to in front."""
        return bound_to.encode() + b"\n" + plain

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Without that again."""
        there, plain = sealed.split(b"\n", 1)
        assert there == bound_to.encode()
        return plain


def gate_of(
    engine: Engine,
    folder: Path,
    *,
    dso: str = "",
    keys: FileKeys | None = None,
    log: Log | None = None,
    approvals: Approvals | None = None,
    wall: Callable[[], float] = lambda: AT,
) -> Gate:
    """A gate before the store in ``folder``."""
    rooms = Rooms(
        engine=engine,
        registry=Registry(engine, dso=dso),
        store=folder / "store",
        keys=keys,
        persons=Persons(engine, InPlainSight()),
        members=Members(folder / FOLDER, keys),
        log=log or Remembered(),
        approvals=approvals,
    )
    return Gate(rooms, wall)
