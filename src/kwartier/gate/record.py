"""What the audit log says of a use: who, what for, on what ground, of which days, and of whom - by commitments alone.

A record is JSON in one form (keys in order, no white space), so that the same use has the same bytes. It holds no EAN, no
address, no value, and no words that somebody typed: reason and recipient stand in it as digests, bound to the grant.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Protocol

from kwartier.gate.policy import Scope, Verdict

FORMAT = 1


class Log(Protocol):
    """Where records go; ``kwartier.audit`` has one."""

    def append(self, records: Sequence[bytes]) -> range:
        """Write records down, on the disk when this returns; their numbers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One grant at work: what all of its records have in common. ``at`` is in UTC seconds."""

    grant: str
    actor: str
    purpose: str
    ground: str
    recipient: str
    reason: str
    scope: Scope

    def record(self, kind: str, at: int, **more: object) -> bytes:
        """The record of one use; ``more`` is what this kind of use says besides."""
        scope = self.scope
        found: dict[str, object] = {
            "v": FORMAT,
            "kind": kind,
            "at": at,
            "grant": self.grant,
            "actor": self.actor,
            "purpose": self.purpose,
            "ground": self.ground,
            "recipient": self._digest(self.recipient) if self.recipient else "",
            "source": scope.source.value,
            "days": days(scope.start, scope.end),
            "channels": list(scope.channels or ()),
            "resolution": "" if scope.resolution is None else scope.resolution.value,
            "reason": self._digest(self.reason),
        }
        if scope.by:
            found["by"] = scope.by
        if scope.area:
            found["area"] = scope.area
        if scope.use_case:
            found["use_case"] = scope.use_case
        return written({**found, **more})

    def _digest(self, words: str) -> str:
        """Words that somebody typed, which may be about anybody: the table of grants has them."""
        return sha256(f"{self.grant}\n{words}".encode()).hexdigest()


def days(start: date, end: date) -> list[str]:
    """Local days as a record has them: the second is the first that is not meant."""
    return [start.isoformat(), end.isoformat()]


def refusal(verdict: Verdict) -> Mapping[str, object]:
    """What a record of a denied request says besides."""
    return {"rule": verdict.rule, "article": verdict.article}


def written(fields: Mapping[str, object]) -> bytes:
    """A record in its one form."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
