"""A home folder, opened: its settings, database, vault, fleet and record of visits, wired together once."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from kwartier.database import is_current, open_engine, sqlite_url, upgrade
from kwartier.errors import InputError
from kwartier.fleet.registry import Registry
from kwartier.fleet.visits import Visits
from kwartier.keys.keyring import Keyring
from kwartier.keys.vault import create_master_key, open_vault
from kwartier.service import settings as settings_file
from kwartier.service.settings import Settings

DATABASE_FILE = "kwartier.db"
COMPANIONS = "companions"
ENVIRONMENT = "KWARTIER_HOME"
PRIVATE = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Everything a command needs of an installation."""

    path: Path
    settings: Settings
    engine: Engine
    registry: Registry
    keyring: Keyring
    visits: Visits

    @property
    def companion_folder(self) -> Path:
        """Where an installation keeps companions of its own."""
        return self.path / COMPANIONS


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
    """Make what is not there yet - folder, master key, settings, database - and say what was made."""
    made: list[str] = []
    try:
        if not path.is_dir():
            path.mkdir(mode=PRIVATE, parents=True)
            made.append("folder")
        if create_master_key(path):
            made.append("master key")
        if settings_file.create(path):
            made.append("settings")
    except OSError as error:
        raise InputError("no-home", f"{path} cannot be made: {error.strerror}") from None
    settings = settings_file.load(path)
    engine = open_engine(settings.database or sqlite_url(path / DATABASE_FILE))
    try:
        if not is_current(engine):
            upgrade(engine)
            made.append("database")
    finally:
        engine.dispose()
    return made


@contextmanager
def open_home(path: Path) -> Iterator[Home]:
    """The installation in ``path``; closed when the block ends. Raises ``InputError`` where `init` never ran."""
    settings = settings_file.load(path)
    vault = open_vault(path)
    engine = open_engine(settings.database or sqlite_url(path / DATABASE_FILE))
    try:
        if not is_current(engine):
            upgrade(engine)
        yield Home(
            path=path,
            settings=settings,
            engine=engine,
            registry=Registry(engine, path / COMPANIONS),
            keyring=Keyring(engine, vault),
            visits=Visits(engine),
        )
    finally:
        engine.dispose()


def actor() -> str:
    """Who is at the keyboard: ``os:<user>``."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"os:{os.getuid()}"
