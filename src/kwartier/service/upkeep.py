"""What a store needs now and then: few files instead of many, nothing that is kept too long, nothing that nobody points to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from kwartier.errors import InputError
from kwartier.service.home import Home
from kwartier.service.night import yesterday
from kwartier.store.retention import drop, vacuum
from kwartier.store.rewrite import Rewriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What was done, in local days, files and bytes."""

    rewritten_days: int
    segmented_days: int
    dropped_days: int
    removed_files: int
    removed_bytes: int


def tidy(home: Home, *, keep_days: int | None, wall: Callable[[], float]) -> Tidied:
    """Drop what is kept no longer, rewrite the days that are over, remove what nothing points to.

    ``keep_days`` overrides the setting; 0 keeps everything. ``wall`` gives UTC seconds.
    """
    folder, keys = home.store_folder, home.day_keys
    last = yesterday(wall())
    keep = home.settings.keep_days if keep_days is None else keep_days
    dropped = drop(folder, keys, _first(last, keep)) if keep else 0
    rewritten = Rewriter(folder, keys).rewrite(last + timedelta(days=1))
    removed = vacuum(folder, keys, wall)
    return Tidied(
        rewritten_days=rewritten.days,
        segmented_days=rewritten.segmented,
        dropped_days=dropped,
        removed_files=removed.files,
        removed_bytes=removed.bytes,
    )


def _first(last: date, keep: int) -> date:
    try:
        return last - timedelta(days=keep - 1)
    except OverflowError:
        raise InputError("bad-argument", f"{keep} days are more than there are") from None
