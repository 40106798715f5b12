"""What is asked of the gate: whether it makes sense, what of it somebody approves, and how it stands in the table of grants."""

import json
from datetime import date

from sqlalchemy import Connection

from kwartier.database import insert_lines
from kwartier.errors import InputError
from kwartier.gate.policy import Scope, Verdict
from kwartier.gate.record import Use
from kwartier.tables import access_connections, accesses

MAX_NAME = 64


def demand_sense(scope: Scope) -> None:
    """Raises ``InputError`` bad-day, bad-argument for what no answer could be given to."""
    for name in ("by", "area", "use_case", "approval"):
        if len(getattr(scope, name)) > MAX_NAME:
            raise InputError("bad-argument", f"{name} is longer than {MAX_NAME} characters")
    if scope.days < 1:
        raise InputError("bad-day", f"from {scope.start} up to {scope.end} there is no day")
    if scope.start == date.min:  # a first day is opened by the closing of the day before
        raise InputError("bad-day", f"there is no day before {scope.start}")


def what(purpose: str, scope: Scope) -> str:
    """What exactly somebody approves of."""
    eans = ",".join(sorted(scope.named))
    return f"{purpose} {scope.start} {scope.end} {scope.source} {scope.by} {scope.area} {eans}"


def write_down(connection: Connection, use: Use, verdict: Verdict, at: int) -> None:
    """Into the table of grants, as a part of the caller's transaction. ``at``: UTC seconds."""
    scope = _written(use.scope)
    line = (use.grant, at, use.actor, use.purpose, use.reason, scope, use.recipient, verdict.rule)
    insert_lines(connection, accesses, [line])
    if use.scope.named and verdict.allowed:
        insert_lines(connection, access_connections, [(use.grant, ean) for ean in use.scope.named])


def _written(scope: Scope) -> str:
    """The scope as the table of grants has it: no connection is in it."""
    found: dict[str, object] = {
        "start": f"{scope.start}",
        "end": f"{scope.end}",
        "source": scope.source.value,
        "channels": scope.channels,
        "resolution": scope.resolution,
        "connections": len(scope.named),
    }
    found |= {name: getattr(scope, name) for name in ("by", "area", "use_case")}
    return json.dumps({name: value for name, value in found.items() if value})
