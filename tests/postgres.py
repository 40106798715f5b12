"""A PostgreSQL server of our own for the time of a test run: private files, a private socket, and nothing on the network.

It runs as the user ``postgres`` where the tests run as root, which the server refuses to be. ``synchronous_commit`` is off in
its settings, so that a test fails where the program relies on a server's good will.
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from sqlalchemy import make_url

from kwartier.database import open_engine, sqlite_url, upgrade

DATABASES = ("sqlite", "postgresql")
SERVER_USER = "postgres"
START_S = 60
_numbers = count(1)


def database(kind: str, folder: Path) -> str:
    """The address of an empty database of ``kind``; SQLite in ``folder``."""
    if kind == "sqlite":
        return sqlite_url(folder / "test.db")
    return _shared().database()


def with_tables(kind: str, folder: Path) -> str:
    """The same, with our tables in it: a copy of one that each process makes once, which takes a tenth of the time."""
    if kind == "sqlite":
        path = folder / "test.db"
        path.write_bytes(sqlite_with_tables())
        return sqlite_url(path)
    return copy_of(_template())


def copy_of(address: str) -> str:
    """The address of a database that is as the one at ``address``, to which nobody is connected. PostgreSQL only."""
    return _shared().database(make_url(address).database or "")


@cache
def sqlite_with_tables() -> bytes:
    """A database file with our tables, and nothing in them."""
    with tempfile.TemporaryDirectory(prefix="kwartier-sqlite-") as folder:
        path = Path(folder, "test.db")
        _make_tables(sqlite_url(path))
        return path.read_bytes()


@cache
def _template() -> str:
    address = _shared().database()
    _make_tables(address)
    return address


def _make_tables(address: str) -> None:
    engine = open_engine(address)
    upgrade(engine)
    engine.dispose()


def _address(where: Path | str, name: str) -> str:
    return f"postgresql://kwartier@/{name}?host={where}"


def _programs() -> Path | None:
    """The folder that holds ``initdb`` and ``pg_ctl``, the newest version first."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: one.parent.name, reverse=True)
    return next((one for one in folders if (one / "initdb").exists() and (one / "pg_ctl").exists()), None)


class Server:
    """A server in a folder of its own, which can be stopped, killed and started again.

    ``listens``: an address at which it can be reached, too, in a network that is the test's own.
    """

    def __init__(self, programs: Path, listens: str = "") -> None:
        self._listens = listens
        self.where = Path(tempfile.mkdtemp(prefix="kwartier-postgres-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(SERVER_USER)
            os.chown(self.where, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self._data = self.where / "data"
        self._control = (str(programs / "pg_ctl"), "-D", str(self._data), "-w")
        initdb = (str(programs / "initdb"), "-D", str(self._data), "-A", "trust", "-U", "kwartier")
        self._run(*initdb, "-E", "UTF8", "--locale=C", "--no-sync")
        if listens:
            with (self._data / "pg_hba.conf").open("a") as allowed:
                allowed.write("host all all samenet trust\n")
        _stop_when_we_end(self.where, [*self._as_user, *self._control, "-m", "immediate", "stop"])
        self.start()

    def _run(self, *words: str) -> None:
        subprocess.run(
            [*self._as_user, *words],
            check=True,
            cwd=self.where,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_S,
        )

    def start(self) -> None:
        """Start it, after a crash too."""
        options = f"-k {self.where} -c fsync=off -c synchronous_commit=off -c max_connections=50"
        options += f" -c listen_addresses={self._listens}"
        self._run(*self._control, "-l", str(self.where / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it in good order, whoever is connected."""
        self._run(*self._control, "-m", "fast", "stop")

    def kill(self) -> None:
        """SIGKILL to the server and to all that it started; they are gone when this returns."""
        pid = int((self._data / "postmaster.pid").read_text("ascii").split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        ends = []
        for one in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                ends.append(os.pidfd_open(one))
                os.kill(one, signal.SIGKILL)
        for end in ends:
            select.select([end], [], [], START_S)
            os.close(end)
        # Until somebody has collected the dead, their numbers seem to be in use.
        (self._data / "postmaster.pid").unlink()
        for lock in self.where.glob(".s.PGSQL.*.lock"):
            lock.unlink()

    def database(self, template: str = "template1") -> str:
        """The address of a new database, empty or as ``template`` is, to which nobody is connected."""
        name = f"test_{next(_numbers)}"
        administration = open_engine(_address(self.where, "postgres")).execution_options(isolation_level="AUTOCOMMIT")
        with administration.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        administration.dispose()
        return _address(self._listens or self.where, name)


def server(listens: str = "") -> Server:
    """A server that nobody else uses; the tests are skipped where there is none."""
    from tests.conftest import skip_unless

    skip_unless(find_spec("psycopg") is not None, "psycopg is not installed (extra `postgres`)")
    programs = _programs()
    skip_unless(programs is not None, "no PostgreSQL server is installed")
    assert programs is not None
    return Server(programs, listens)


@cache
def _shared() -> Server:
    return server()


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
