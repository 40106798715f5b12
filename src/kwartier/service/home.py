"""A home folder, opened: its settings, database, vault, fleet and record of visits, wired together once.

Making a home can be interrupted and repeated, also by two at once: each part is there as a whole or not at all, and the
settings, which name us to the meters, come last. So where settings and master key are there and the database is not, it was
lost, and the counters with it: then nothing is made anew under the same name, because counters that begin again repeat.
"""

import os
import pwd
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from kwartier.collect.traces import FOLDER as TRACES
from kwartier.collect.traces import Traces
from kwartier.database import is_current, open_engine, revision, sqlite_url, upgrade
from kwartier.disk import PRIVATE_FILE, PRIVATE_FOLDER
from kwartier.errors import InputError
from kwartier.fleet.registry import Registry
from kwartier.fleet.visits import Visits
from kwartier.gate.grant import Gate, Rooms
from kwartier.gate.members import FOLDER as MEMBERS
from kwartier.gate.members import Members
from kwartier.gate.persons import Persons
from kwartier.gate.record import written
from kwartier.keys.days import DayKeys
from kwartier.keys.keyring import Keyring, is_claimed
from kwartier.keys.vault import FILE_NAME as KEY_FILE
from kwartier.keys.vault import Vault, create_master_key, has_master_key, open_vault
from kwartier.service import settings as settings_file
from kwartier.service.auditing import AuditLog
from kwartier.service.settings import Settings
from kwartier.service.two import approvals_of
from kwartier.store import Store, Validated

DATABASE_FILE = "kwartier.db"
COMPANIONS = "companions"
STORE = "store"
ENVIRONMENT = "KWARTIER_HOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Everything a command needs of an installation."""

    path: Path
    settings: Settings
    engine: Engine
    registry: Registry
    keyring: Keyring
    day_keys: DayKeys | None
    """None: readings are not encrypted on the disk."""
    visits: Visits
    vault: Vault = field(repr=False)
    log: AuditLog = field(repr=False)
    """What is used of the readings is written down in it."""

    @property
    def companion_folder(self) -> Path:
        """Where an installation keeps companions of its own."""
        return self.path / COMPANIONS

    @property
    def store_folder(self) -> Path:
        """Where the readings are."""
        return store_folder(self.path, self.settings)

    @property
    def vault_folder(self) -> Path:
        """Where the master key is, and other secrets."""
        return vault_folder(self.path, self.settings)

    def open_store(self) -> Store:
        """The readings on disk; opened anew in each process. That they are not encrypted is written down when they are made."""
        self._decide()
        return Store(self.store_folder, self.day_keys)

    def open_validated(self) -> Validated:
        """What validation made of them, to be added to; the same holds for it."""
        self._decide()
        return Validated(self.store_folder, self.day_keys)

    @property
    def traces(self) -> Traces:
        """What went over the lines of visits that somebody wanted traced."""
        return Traces(self.engine, self.store_folder / TRACES, self.day_keys)

    def _decide(self) -> None:
        if self.day_keys is None and not self.store_folder.exists():
            decision = {"kind": "not-encrypted", "at": int(time.time()), "actor": actor()}
            self.log.append([written({**decision, "why": self.settings.encryption_decision})])

    @property
    def gate(self) -> Gate:
        """The only way to what is stored, and to the meters."""
        return self.gate_at(time.time)

    def gate_at(self, wall: Callable[[], float]) -> Gate:
        """The same by another clock; ``wall`` gives UTC seconds."""
        return Gate(self.rooms(), wall)

    def rooms(self) -> Rooms:
        """What a gate stands before."""
        return Rooms(
            engine=self.engine,
            registry=self.registry,
            store=self.store_folder,
            keys=self.day_keys,
            persons=Persons(self.engine, self.vault),
            members=Members(self.store_folder / MEMBERS, self.day_keys),
            log=self.log,
            approvals=approvals_of(self.engine, self.settings),
        )


def home_path(given: Path | None) -> Path:
    """The folder: as given, else from the environment, else ``~/.kwartier``."""
    if given is not None:
        return given.expanduser()
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else Path.home() / ".kwartier"


def named_home(given: Path | None) -> bool:
    """Whether somebody said which folder, so that it is not the default one."""
    return given is not None or bool(os.environ.get(ENVIRONMENT))


def create_home(path: Path) -> list[str]:
    """Make what is not there yet - folder, database, master key, settings - and say what was made."""
    made: list[str] = []
    try:
        if not path.is_dir():
            path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            made.append("folder")
        known = settings_file.there(path)
        settings = settings_file.load(path) if known else settings_file.defaults()
        vault = vault_folder(path, settings)
        with _engine(path, settings, create=not known or not has_master_key(vault)) as engine:
            if not is_current(engine):
                upgrade(engine)
                made.append("database")
            if is_claimed(engine) and not has_master_key(vault):
                raise InputError("no-master-key", f"the database has sealed keys, and there is no {vault / KEY_FILE}")
            if create_master_key(vault):
                made.append("master key")
            Keyring(engine, open_vault(vault)).claim()
        if settings_file.create(path):
            made.append("settings")
        settings_file.load(path)
    except OSError as error:
        raise InputError("bad-home", f"{path} cannot be used: {error.strerror}") from None
    return made


@contextmanager
def open_home(path: Path) -> Iterator[Home]:
    """The installation in ``path``; closed when the block ends. Raises ``InputError`` where `init` never ran."""
    settings = settings_file.load(path)
    vault = open_vault(vault_folder(path, settings))
    with ExitStack() as stack:
        engine = stack.enter_context(_engine(path, settings, create=False))
        if not is_current(engine):
            if revision(engine) is None:
                raise InputError("no-home", f"the database of {path} is empty")
            upgrade(engine)
        keyring = Keyring(engine, vault)
        keyring.check()
        log = stack.enter_context(AuditLog(path, vault, settings))
        yield Home(
            path=path,
            settings=settings,
            engine=engine,
            registry=Registry(engine, path / COMPANIONS, settings.dso),
            keyring=keyring,
            day_keys=DayKeys(engine, vault) if settings.encryption != "none" else None,
            visits=Visits(engine),
            vault=vault,
            log=log,
        )


@contextmanager
def _engine(path: Path, settings: Settings, *, create: bool) -> Iterator[Engine]:
    """The database that the settings name, by default a private file in the home, which is only made with ``create``."""
    file = path / DATABASE_FILE
    if not settings.database and not file.exists():
        if not create:
            raise InputError("lost-database", f"there is no {file}")
        file.touch(mode=PRIVATE_FILE)
    engine = open_engine(settings.database or sqlite_url(file))
    try:
        yield engine
    finally:
        engine.dispose()


def store_folder(path: Path, settings: Settings) -> Path:
    """Where the readings of the home in ``path`` are."""
    return Path(settings.store) if settings.store else path / STORE


def vault_folder(path: Path, settings: Settings) -> Path:
    """Where its master key is, and other secrets."""
    return Path(settings.vault) if settings.vault else path


def actor(number: int | None = None) -> str:
    """Who is at the keyboard, or the user of that number: ``os:<user>``. The environment would say what anybody likes."""
    wanted = os.getuid() if number is None else number
    try:
        return f"os:{pwd.getpwuid(wanted).pw_name}"
    except KeyError:
        return f"os:{wanted}"
