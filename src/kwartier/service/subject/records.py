"""What is written into the audit log about rights and about what was forgotten: canonical JSON, and no connection in it."""

from datetime import date

from kwartier.gate.record import FORMAT, days, written
from kwartier.service.subject.rules import Decision, Kind
from kwartier.store.retention import Dropped


def asked(kind: Kind, request: str, *, at: int, by: str, state: str, ground: str = "") -> bytes:
    """That a right was used, and what came of it."""
    return _line("right", at, right=kind.value, request=request, actor=by, state=state, ground=ground)


def lifted(hold: str, *, at: int, by: str, reason_digest: str) -> bytes:
    """That a hold was ended; why, as a digest of what the database says."""
    return _line("hold-ended", at, hold=hold, actor=by, reason=reason_digest)


def decided(request: str, decision: Decision, *, at: int, by: str, commitment: str) -> bytes:
    """Whether erasure applies."""
    return _line(
        "erasure-decided",
        at,
        request=request,
        actor=by,
        outcome=decision.outcome.value,
        ground=decision.ground.cited,
        erased=[days(*one) for one in decision.erased],
        refused=[
            {"days": days(*one.days), "code": one.rule.code, "ground": one.rule.cited} for one in decision.refused
        ],
        commitment=commitment,
    )


def erased(request: str, *, at: int, rows: int, gone: list[list[str]], commitment: str, backups_until: date) -> bytes:
    """That what was to be erased is in no file any more."""
    return _line(
        "erased", at, request=request, rows=rows, days=gone, commitment=commitment, backups_until=f"{backups_until}"
    )


def dropped(one: Dropped, *, at: int, reason: str) -> bytes:
    """That a day was dropped, or narrowed down to what is held."""
    return _line(
        "dropped",
        at,
        note=one.note,
        table=one.table,
        day=f"{one.day}",
        rows=one.rows,
        ids=one.ids,
        digest=one.digest,
        kept=one.kept,
        key_forgotten=one.key_forgotten,
        reason=reason,
    )


def _line(kind: str, at: int, **facts: object) -> bytes:
    return written({"v": FORMAT, "kind": kind, "at": at, **facts})
