"""A PostgreSQL server of our own for the time of a test run: private files, a private socket, and nothing on the network.

It runs as the user ``postgres`` where the tests run as root, which the server refuses to be. ``synchronous_commit`` is off in
its settings, so that a test fails where the program relies on a server's good will.
"""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from kwartier.database import open_engine, sqlite_url

DATABASES = ("sqlite", "postgresql")
SERVER_USER = "postgres"
START_S = 60
_numbers = count(1)


def database(kind: str, folder: Path) -> str:
    """The address of an empty database of ``kind``; SQLite in ``folder``."""
    if kind == "sqlite":
        return sqlite_url(folder / "test.db")
    from tests.conftest import skip_unless

    skip_unless(find_spec("psycopg") is not None, "psycopg is not installed (extra `postgres`)")
    programs = _programs()
    skip_unless(programs is not None, "no PostgreSQL server is installed")
    assert programs is not None
    name = f"test_{next(_numbers)}"
    where = _server(programs)
    administration = open_engine(_address(where, "postgres")).execution_options(isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    administration.dispose()
    return _address(where, name)


def _address(where: Path, name: str) -> str:
    return f"postgresql://kwartier@/{name}?host={where}"


def _programs() -> Path | None:
    """The folder that holds ``initdb`` and ``pg_ctl``, the newest version first."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: one.parent.name, reverse=True)
    return next((one for one in folders if (one / "initdb").exists() and (one / "pg_ctl").exists()), None)


@cache
def _server(programs: Path) -> Path:
    """Start the server, once; the folder of its socket. It is stopped, and its files removed, when the tests end."""
    where = Path(tempfile.mkdtemp(prefix="kwartier-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        os.chown(where, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = where / "data"

    def run(*words: str) -> None:
        subprocess.run(
            [*as_user, *words], check=True, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S
        )

    options = f"-k {where} -c listen_addresses= -c fsync=off -c synchronous_commit=off -c max_connections=50"
    control = (str(programs / "pg_ctl"), "-D", str(data), "-w")
    initdb = str(programs / "initdb")
    run(initdb, "-D", str(data), "-A", "trust", "-U", "kwartier", "-E", "UTF8", "--locale=C", "--no-sync")

    def stop() -> None:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(where, ignore_errors=True)

    run(*control, "-l", str(where / "log"), "-o", options, "start")
    atexit.register(stop)
    return where
