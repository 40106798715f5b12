"""What `doctor` looks at: each thing that an installation needs, with what to do when it is not there."""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kwartier import clock
from kwartier.audit.checkpoint import Checkpoint
from kwartier.audit.note import VerifierKey
from kwartier.audit.proof import read_checkpoint
from kwartier.cosem.companion import companions, load
from kwartier.database import troubles as database_troubles
from kwartier.errors import InputError, KwartierError, SecurityError, explanations
from kwartier.keys.vault import ENVIRONMENT, FILE_NAME, OTHERS
from kwartier.service.alerting.watch import webhook_of
from kwartier.service.auditing import log_folder, log_signer, witness_of
from kwartier.service.files import present, room_for
from kwartier.service.home import Home, open_home
from kwartier.service.host_time import synchronised

OK, WARN, FAIL = "ok", "warn", "fail"
GOOD_FILE_LIMIT = 20_000
"""Open files for ten thousand visits at once, with room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: what was looked at, how it stands, and what to do about it. ``count``: where it is a number of things."""

    name: str
    state: str
    detail: str
    advice: str = ""
    count: int | None = None


def checkup(path: Path) -> list[Check]:
    """Every check that can be made; where the home does not open, the last one says why."""
    checks = list(_folder(path))
    try:
        with open_home(path) as home:
            checks += _inside(home)
    except KwartierError as error:
        row = explanations().get(error.code)
        advice = "" if row is None else f"{row.meaning}; {row.advice}"
        name = _WHAT.get(error.code, "home")
        checks = [one for one in checks if one.name != name]
        checks.append(Check(name=name, state=FAIL, detail=f"{error.detail} [{error.code}]", advice=advice))
    return [*checks, _file_limit(), _time_zones(), _system_clock()]


_WHAT = {
    "bad-settings": "settings",
    "open-master-key": "master key",
    "no-master-key": "master key",
    "bad-master-key": "master key",
    "wrong-master-key": "master key",
    "newer-database": "database",
    "no-database": "database",
    "lost-database": "database",
    "database-failed": "database",
    "database-away": "database",
}
"""The code of what kept the home from opening -> the name of the check that it belongs to."""


def _folder(path: Path) -> Iterator[Check]:
    """What can be seen without opening anything."""
    if not path.is_dir():
        return
    yield _mode("home", path)
    if (path / FILE_NAME).exists():
        yield _mode("master key", path / FILE_NAME)
    elif ENVIRONMENT in os.environ:
        yield Check(name="master key", state=OK, detail=f"from {ENVIRONMENT}")


def _mode(name: str, path: Path) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    detail = f"{path}, mode {mode:04o}"
    if mode & OTHERS:
        return Check(name=name, state=WARN, detail=detail, advice=f"chmod go-rwx {path}")
    return Check(name=name, state=OK, detail=detail)


def _inside(home: Home) -> Iterator[Check]:
    yield Check(name="settings", state=OK, detail=f"client system title {home.settings.client_system_title.upper()}")
    troubles = database_troubles(home.engine)
    yield Check(
        name="database",
        state=FAIL if troubles else OK,
        detail=f"{home.engine.dialect.name}: {'; '.join(troubles) or 'the schema of this version'}",
        advice="no counter is safe on it: see to it before the next visit" if troubles else "",
    )
    yield _title(home)
    yield _room(home)
    yield _encryption(home)
    yield from _audit(home)
    yield from _webhook(home)
    yield _companions(home)
    yield from _keys(home)


def _title(home: Home) -> Check:
    """Counters belong to a key and a title: homes that share a database and not their title would each begin anew."""
    title = home.settings.own_title.hex()
    other = home.keyring.counters.another_title(title)
    if other is None:
        return Check(name="title", state=OK, detail=f"the counters in the database are those of {title}")
    advice = "give every host of this installation the same kwartier.toml"
    return Check(name="title", state=WARN, detail=f"the database also has counters of {other}", advice=advice)


def _room(home: Home) -> Check:
    room = room_for(home.store_folder)
    state = OK if room.is_enough else WARN
    advice = "" if state == OK else "make room: below this no visit begins, so that what is read can be written down"
    detail = f"{room.free_bytes >> 20} MB free, {room.kept_bytes >> 20} MB of it are kept for records"
    return Check(name="disk", state=state, detail=detail, advice=advice)


def _encryption(home: Home) -> Check:
    if home.day_keys is not None:
        return Check(name="encryption", state=OK, detail="readings lie encrypted on the disk")
    detail = f"readings lie open on the disk: {home.settings.encryption_decision}"
    return Check(
        name="encryption", state=WARN, detail=detail, advice="who reads the disk reads them; see docs/security.md"
    )


def _audit(home: Home) -> Iterator[Check]:
    """Whether what is written down can be proved to others."""
    folder = log_folder(home.path)
    try:
        witness = witness_of(home.settings)
        key = log_signer(home.path, home.vault).verifier if folder.exists() else None
        last = None if key is None else read_checkpoint(folder, key)
    except KwartierError as error:
        yield Check(name="audit log", state=FAIL, detail=f"{error.detail} [{error.code}]", advice="see docs/audit.md")
        return
    if key is None or last is None:
        yield Check(name="audit log", state=OK, detail="nothing was looked at yet")
    elif witness is None:
        advice = (
            "without one nobody finds a log that was cut or written anew: set `audit_witness` and `audit_witness_key`"
        )
        yield Check(name="audit log", state=WARN, detail=f"{key.name}, without a witness", advice=advice)
    elif not _is_signed(last, witness.key):
        advice = (
            "see to the witness, then `kwartier audit checkpoint`: until it signs, nobody vouches for what came since"
        )
        yield Check(
            name="audit log",
            state=WARN,
            detail=f"the last checkpoint is not signed by {witness.key.name}",
            advice=advice,
        )
    else:
        yield Check(name="audit log", state=OK, detail=f"{key.name}, witnessed by {witness.key.name}")


def _is_signed(last: Checkpoint, witness: VerifierKey) -> bool:
    try:
        last.check([witness])
    except SecurityError:
        return False
    return True


def _webhook(home: Home) -> Iterator[Check]:
    """Only where there is one."""
    try:
        webhook = webhook_of(home, time.time)
    except InputError as error:
        yield Check(name="webhook", state=FAIL, detail=f"{error.detail} [{error.code}]", advice=error.sentence())
        return
    if webhook is not None:
        yield Check(name="webhook", state=OK, detail=f"alerts go to {webhook.host}, signed")


def _companions(home: Home) -> Check:
    known = companions(home.companion_folder)
    for name in known:
        try:
            load(name, home.companion_folder)
        except KwartierError as error:
            return Check(name="companions", state=FAIL, detail=error.detail, advice=error.sentence(), count=len(known))
    return Check(name="companions", state=OK, detail=", ".join(known), count=len(known))


def _time_zones() -> Check:
    try:
        return Check(name="time zones", state=OK, detail=str(clock.zone("Europe/Amsterdam")))
    except KwartierError as error:
        return Check(name="time zones", state=FAIL, detail=error.detail, advice="install the package tzdata")


def _system_clock() -> Check:
    """What a meter's clock is measured by, and when its day is over."""
    found = synchronised()
    if found:
        return Check(name="system clock", state=OK, detail="synchronised, says the kernel")
    detail = "the kernel does not say whether it is synchronised" if found is None else "not synchronised"
    advice = "run a time service (NTP or PTP): every reading and every drift is held against this clock"
    return Check(name="system clock", state=WARN, detail=detail, advice=advice)


def _file_limit() -> Check:
    """Each visit of a night is an open file; so many fit into one process."""
    limit = present()
    state = OK if limit.hard >= GOOD_FILE_LIMIT else WARN
    advice = "" if state == OK else f"raise the hard limit of open files to {GOOD_FILE_LIMIT}, or use more workers"
    detail = f"limit {limit.soft}, at most {limit.hard}: {limit.visits} visits at once in one process"
    return Check(name="open files", state=state, detail=detail, advice=advice, count=limit.visits)


def _keys(home: Home) -> Iterator[Check]:
    status = home.keyring.status()
    yield Check(name="meters", state=OK, detail=f"{status.meters}", count=status.meters)
    yield _none(
        "meters without keys", status.meters - status.with_keys, "give them some with `kwartier keys import FILE`"
    )
    yield _none(
        "keys of origin delivery",
        status.delivery,
        "whoever delivered these meters knows their keys: have them changed, and import the new ones as `operator`",
    )
    yield _none("counters near their end", status.counters_nearly_spent, "give these meters new encryption keys")


def _none(name: str, count: int, advice: str) -> Check:
    """There should be none of these."""
    return Check(name=name, state=WARN if count else OK, detail=f"{count}", advice=advice if count else "", count=count)
