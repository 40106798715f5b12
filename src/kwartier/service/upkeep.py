"""What a store needs now and then: few files instead of many, nothing that is kept too long, nothing that nobody points to.

What is dropped or erased is written down in the audit log when it is found on the disk no longer, and not before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from kwartier.errors import InputError
from kwartier.gate.holds import Holds
from kwartier.service.home import Home
from kwartier.service.night import yesterday
from kwartier.service.subject import records
from kwartier.service.subject.carrying import carry_out_alone
from kwartier.service.subject.unsaying import unsay_before
from kwartier.store.retention import Retention, vacuum
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import KINDS
from kwartier.store.turn import alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What was done, in local days, requests, files and bytes; ``proved_days`` are gone from the disk, too."""

    rewritten_days: int
    segmented_days: int
    dropped_days: int
    proved_days: int
    erased_requests: int
    erasures_to_do: int
    removed_files: int
    removed_bytes: int
    removed_traces: int
    """Files of traces that have expired, or that had to go with what they were about."""


def tidy(home: Home, *, keep_days: int | None, wall: Callable[[], float]) -> Tidied:
    """Drop what is kept no longer, erase what was decided to be, rewrite the days that are over, remove what nobody needs.

    ``keep_days`` overrides the setting; 0 keeps everything. ``wall`` gives UTC seconds. Raises ``StateError`` tidying.
    """
    folder, keys = home.store_folder, home.day_keys
    last = yesterday(wall(), home.settings.timezone)
    keep = home.settings.keep_days if keep_days is None else keep_days
    with alone(folder):
        retention, members = Retention(folder, keys), home.rooms().members
        held, dropped = Holds(home.engine).held_ids, 0
        if keep:
            dropped = retention.drop(_first(last, keep), held)
            unsay_before(home.engine, _first(last, keep), held)
        proofs = retention.proofs(wall())
        for one in proofs:
            if one.is_over:
                members.drop(one.day)
            home.log.append([records.dropped(one, at=int(wall()), reason=f"kept for {keep} days")])
            retention.recorded(one)
        carried = carry_out_alone(home, wall=wall)
        kept_from = _first(last, keep) if keep else None
        rewritten = [Rewriter(folder, keys, kind).rewrite(last + timedelta(days=1), kept_from) for kind in KINDS]
        removed = vacuum(folder, keys, wall)
        if keep:
            home.traces.forget_before(_first(last, keep))
        traces = home.traces.tidy(at=int(wall()))
    return Tidied(
        rewritten_days=sum(one.days for one in rewritten),
        segmented_days=sum(one.segmented for one in rewritten),
        dropped_days=dropped,
        proved_days=len({one.day for one in proofs}),
        erased_requests=carried.done,
        erasures_to_do=carried.waiting,
        removed_files=removed.files,
        removed_bytes=removed.bytes,
        removed_traces=traces,
    )


def _first(last: date, keep: int) -> date:
    try:
        return last - timedelta(days=keep - 1)
    except OverflowError:
        raise InputError("bad-argument", f"{keep} days are more than there are") from None
