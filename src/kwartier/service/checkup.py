"""What `doctor` looks at: each thing that an installation needs, with what to do when it is not there."""

import resource
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kwartier import clock
from kwartier.database import is_current
from kwartier.errors import KwartierError
from kwartier.keys.vault import FILE_NAME
from kwartier.service.home import Home, open_home

OK, WARN, FAIL = "ok", "warn", "fail"
GOOD_FILE_LIMIT = 20_000
"""Open files for ten thousand visits at once, with room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: what was looked at, how it stands, and what to do about it."""

    name: str
    state: str
    detail: str
    advice: str = ""


def checkup(path: Path) -> list[Check]:
    """Every check; the first that makes the others impossible is the last."""
    try:
        with open_home(path) as home:
            return [Check(name="home", state=OK, detail=str(path)), *_checks(home)]
    except KwartierError as error:
        return [Check(name="home", state=FAIL, detail=error.detail, advice=error.sentence())]


def _checks(home: Home) -> Iterator[Check]:
    yield _mode("home folder", home.path)
    if (home.path / FILE_NAME).exists():
        yield _mode("master key", home.path / FILE_NAME)
    else:
        yield Check(name="master key", state=OK, detail="from the environment")
    current = is_current(home.engine)
    yield Check(name="database", state=OK if current else FAIL, detail=home.engine.dialect.name)
    yield _file_limit()
    zone = clock.zone("Europe/Amsterdam")
    yield Check(name="time zones", state=OK, detail=str(zone))
    yield from _keys(home)


def _mode(name: str, path: Path) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check(name=name, state=WARN, detail=f"mode {mode:04o}", advice=f"chmod go-rwx {path}")
    return Check(name=name, state=OK, detail=f"mode {mode:04o}")


def _file_limit() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    state = OK if hard >= GOOD_FILE_LIMIT or hard == resource.RLIM_INFINITY else WARN
    advice = "" if state == OK else f"raise the hard limit of open files to {GOOD_FILE_LIMIT}"
    return Check(name="open files", state=state, detail=f"limit {soft}, at most {hard}", advice=advice)


def _keys(home: Home) -> Iterator[Check]:
    status = home.keyring.status()
    yield Check(name="meters", state=OK, detail=f"{status.meters}")
    missing = status.meters - status.with_keys
    yield Check(
        name="meters without keys",
        state=WARN if missing else OK,
        detail=f"{missing}",
        advice="kwartier keys import FILE" if missing else "",
    )
    yield Check(
        name="keys of origin delivery",
        state=WARN if status.delivery else OK,
        detail=f"{status.delivery}",
        advice="whoever delivered these meters knows their keys" if status.delivery else "",
    )
    yield Check(
        name="counters near their end",
        state=WARN if status.counters_nearly_spent else OK,
        detail=f"{status.counters_nearly_spent}",
        advice="rotate these keys" if status.counters_nearly_spent else "",
    )
