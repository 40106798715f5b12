"""A PostgreSQL server of our own for the time of a test run: private files, a private socket, and nothing on the network.

It runs as the user ``postgres`` where the tests run as root, which the server refuses to be. ``synchronous_commit`` is off in
its settings, so that a test fails where the program relies on a server's good will.
"""

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
    """Start the server, once; the folder of its socket."""
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

    _stop_when_we_end(where, [*as_user, *control, "-m", "immediate", "stop"])
    run(*control, "-l", str(where / "log"), "-o", options, "start")
    return where


def _stop_when_we_end(where: Path, stop: list[str]) -> None:
    """Leave a shell behind that waits until this process has ended, however it ends, and then clears away.

    It reads from a pipe that nobody writes to; what it reads is the end of the pipe, which comes when we are gone.
    """
    ours, theirs = os.pipe()
    _open_while_we_live.append(theirs)
    script = 'exec 3<&0; (cat <&3 >/dev/null; "$@"; rm -rf "$0") </dev/null >/dev/null 2>&1 &'
    subprocess.run(["sh", "-c", script, str(where), *stop], check=True, stdin=ours, start_new_session=True)
    os.close(ours)


_open_while_we_live: list[int] = []
