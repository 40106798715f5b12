"""Nothing that is secret comes out: keys, passwords and readings are planted, much is done, and all that came out is searched.

What is searched: what commands print, every log record at the most talkative level, the reprs of what holds secrets, the
texts and tracebacks of errors, and every byte of the home's files but the master key's own. What is searched for: the bytes
as they are, as hex, as base64 and as Python would show them.
"""

import base64
import csv
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from kwartier import rowfile
from kwartier.collect.visit import Credentials, Visitor
from kwartier.cosem import companion as companions
from kwartier.dlms.handshake import AssociationParameters
from kwartier.dlms.protection import CounterRange, SessionKeys
from kwartier.dlms.session import ClientSession
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import KwartierError
from kwartier.keys.keyring import COLUMNS
from kwartier.keys.vault import ENVIRONMENT, FILE_NAME, Vault, open_vault
from kwartier.service.home import Home
from kwartier.service.reading import Request, read
from kwartier.simulate.fleet import SimulatedConnection
from tests import living
from tests.cli.command import run
from tests.somebody import TESTER

EK, AK, KEK, BROADCAST, LLS = (bytes(range(first, first + 16)) for first in (0x91, 0xA3, 0xB5, 0xC7, 0xD9))
"""Planted for a meter that nobody visits; those that are visited have keys of their own, drawn from a seed."""
SHORTEST = 8
DAYS = ("--from", "2026-03-04", "--to", "2026-03-05")


def forms(secret: bytes) -> set[bytes]:
    """What ``secret`` may look like where it should not be. A part of it is as bad as the whole."""
    part = secret[:SHORTEST]
    texts = {part.hex(), part.hex().upper(), part.hex(" "), part.hex(":"), repr(part)[2:-1], repr(list(part))[1:-1]}
    texts |= {base64.b64encode(secret).decode().rstrip("="), base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    return {part} | {text.encode() for text in texts}


def found(where: bytes, secrets: set[bytes]) -> list[bytes]:
    return [form for secret in secrets for form in forms(secret) if form in where]


class Everything(logging.Handler):
    """Keeps every record, formatted."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += logging.Formatter("%(name)s %(message)s").format(record) + "\n"


@contextmanager
def listening_to_all_logs() -> Iterator[Everything]:
    """The root logger, and those that decide for themselves, at the most talkative level."""
    everything = Everything()
    loggers = [logging.getLogger(name) for name in ("", "sqlalchemy.engine", "sqlalchemy.pool", "alembic", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(everything)
    try:
        yield everything
    finally:
        logging.getLogger().removeHandler(everything)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@pytest.fixture
def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Home, list[SimulatedConnection], Everything]]:
    """A home with two living meters, and everything that is logged from before it was made."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KWARTIER_DEBUG", "1")
    with listening_to_all_logs() as logs, living.fleet(tmp_path / "home") as (opened, connections):
        for name in ("fleet.csv", "keys.csv"):
            (tmp_path / "home" / name).unlink()
        yield tmp_path, opened, connections, logs


def planted(connections: list[SimulatedConnection], home: Home) -> set[bytes]:
    own = {secret for one in connections for secret in (one.station.keys.ek, one.station.keys.ak, one.kek)}
    return own | {EK, AK, KEK, BROADCAST, LLS, bytes.fromhex((home.path / FILE_NAME).read_text())}


def files(home: Home) -> bytes:
    return b"".join(one.read_bytes() for one in home.path.rglob("*") if one.is_file() and one.name != FILE_NAME)


def bad_files(folder: Path) -> list[Path]:
    """Files of keys with every kind of mistake that puts a key where none belongs."""
    full = {
        "meter": "M1",
        "kek": KEK.hex(),
        "ak": AK.hex(),
        "ek": EK.hex(),
        "lls": LLS.hex(),
        "broadcast_ek": BROADCAST.hex(),
        "counter": "1",
        "origin": "operator",
    }
    names, cells = list(full), list(full.values())
    contents = {
        "good": [names, cells],
        "short": [names, [cells[0], cells[1][:-2], *cells[2:]]],
        "long": [names, [cells[0], cells[1] + "00", *cells[2:]]],
        "no hex": [names, [*cells[:3], cells[3] + "x", *cells[4:]]],
        "shifted": [names, cells[1:] + cells[:1]],
        "shifted back": [names, cells[-2:] + cells[:-2]],
        "missing cell": [names, cells[1:]],
        "a cell too many": [names, [*cells, EK.hex()]],
        "key as counter": [names, [*cells[:6], EK.hex(), cells[7]]],
        "key as origin": [names, [*cells[:7], EK.hex()]],
        "key as meter": [names, [f"{EK.hex()} {AK.hex()}", *cells[1:]]],
        "no header": [cells, cells],
        "no header, keys first": [cells[1:] + cells[:1], cells],
        "twice": [names, cells, cells],
        "empty": [names, [*cells[:3], "", *cells[4:]]],
    }
    paths = []
    for name, rows in contents.items():
        paths.append(folder / f"{name}.csv")
        with paths[-1].open("w", newline="") as out:
            csv.writer(out).writerows(rows)
    quote = folder / "open quote.csv"
    quote.write_text(",".join(names) + "\n" + f'"{EK.hex()},{AK.hex()}\n')
    return [*paths, quote]


def test_no_command_and_no_file_gives_a_key_away(
    house: tuple[Path, Home, list[SimulatedConnection], Everything],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, home, connections, logs = house
    secrets = planted(connections, home)
    first, second = (one.meter for one in connections)
    aside = folder / "aside.csv"
    commands: list[tuple[str, ...]] = []
    for path in bad_files(folder):
        commands += [("keys", "import", str(path)), ("fleet", "import", str(path))]
        commands += [("keys", "import", str(path), "--skip-bad", "--refused", str(aside))]
    commands += [("fleet", "list"), ("fleet", "show", first), ("fleet", "show", "M1", "--json"), ("doctor",)]
    commands += [("keys", "status"), ("read", first, *DAYS), ("read", second, *DAYS, "--json"), ("read", "M1", *DAYS)]
    codes = []
    for command in commands:
        ran = run(*command, capsys=capsys, monkeypatch=monkeypatch)
        codes.append(ran.code)
        assert found((ran.out + ran.err).encode(), secrets) == [], command
        if aside.exists():
            assert found(aside.read_bytes(), secrets) == [], command
            aside.unlink()
    assert codes.count(0) > 10, "much of it was done"
    assert codes.count(2) > 20, "and much was refused"
    home.engine.dispose()
    assert found(files(home), secrets) == []
    assert "INSERT INTO meter_key" in logs.text, "the logs were talkative"
    assert found(logs.text.encode(), secrets) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """The negative control: each form of a secret is found, in the middle of other things."""
    for form in forms(EK):
        assert found(b"before" + form + b"after", {AK, EK})
    (tmp_path / "keys.csv").write_text(f"meter,ek\nM1,{EK.hex()}\n")
    assert found((tmp_path / "keys.csv").read_bytes(), {EK})
    assert not found(b"nothing of the kind", {EK, AK})


def test_nothing_that_holds_a_secret_shows_it(
    house: tuple[Path, Home, list[SimulatedConnection], Everything],
) -> None:
    folder, home, connections, _ = house
    secrets = planted(connections, home)
    home.keyring.import_file(bad_files(folder)[0], at=0, actor="os:test", own_title=home.settings.own_title)
    keys = home.keyring.keys_of("M1")
    meter = home.registry.meter(connections[0].meter)
    assert keys is not None
    assert keys.session.ek == EK
    credentials = Credentials(own_title=home.settings.own_title, keys=keys.session)
    session = ClientSession(
        AssociationParameters(own_title=home.settings.own_title, peer_title=meter.system_title),
        WrapperLink(source=1, destination=1),
        keys=keys.session,
        counters=CounterRange(1, 9),
        challenge=bytes(range(16)),
    )
    companion = companions.load(meter.companion)
    visitor: Visitor[object] = Visitor(meter, companion, credentials, deadline_s=1.0, wall=lambda: datetime.now(UTC))
    rows = rowfile.read(bad_files(folder)[1], COLUMNS, unique="meter", skip_bad=True)
    holders: list[object] = [home, home.keyring, home.settings, open_vault(home.path), Vault(EK + AK), keys]
    holders += [keys.session, SessionKeys(ek=EK, ak=AK, lls=LLS), credentials, session, visitor, rows, rows.bad]
    holders += [rowfile.read(bad_files(folder)[0], COLUMNS, unique="meter"), *connections]
    holders += [one.station for one in connections]
    for holder in holders:
        for text in (repr(holder), str(holder), f"{[holder]}"):
            assert found(text.encode(), secrets) == [], type(holder).__name__


def test_no_error_and_no_traceback_gives_a_secret_away(
    house: tuple[Path, Home, list[SimulatedConnection], Everything],
) -> None:
    folder, home, connections, _ = house
    secrets = planted(connections, home)
    vault = Vault(EK + AK)
    sealed = vault.seal(EK, "somebody")
    attempts: list[Callable[[], object]] = [
        lambda: vault.open(sealed, "somebody else"),
        lambda: vault.open(sealed[:-1], "somebody"),
        lambda: Vault(EK),
        lambda: SessionKeys(ek=EK[:-1], ak=AK),
        lambda: SessionKeys(ek=EK, ak=AK + b"x"),
        lambda: type(home.keyring)(home.engine, vault).keys_of(connections[0].meter),
        lambda: type(home.keyring)(home.engine, vault).claim(),
    ]
    take_in = partial(home.keyring.import_file, at=0, actor="os:test", own_title=home.settings.own_title)
    for path in bad_files(folder)[1:]:
        attempts += [partial(take_in, path), partial(home.registry.import_file, path, at=0)]
    raised = 0
    for attempt in attempts:
        try:
            attempt()
        except (KwartierError, ValueError) as error:
            raised += 1
            text = "".join(traceback.format_exception(error)) + repr(error) + str(error.args)
            text += error.sentence() if isinstance(error, KwartierError) else ""
            assert found(text.encode(), secrets) == []
    assert raised > len(attempts) // 2, "most of this is wrong on purpose"


def test_a_visit_under_wrong_keys_says_so_without_them(
    house: tuple[Path, Home, list[SimulatedConnection], Everything],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, home, connections, logs = house
    meter = connections[0].meter
    wrong = folder / "wrong.csv"
    wrong.write_text(f"meter,kek,ak,ek,origin\n{meter},{KEK.hex()},{AK.hex()},{EK.hex()},operator\n")
    run("keys", "import", str(wrong), capsys=capsys, monkeypatch=monkeypatch)
    monkeypatch.setattr("asyncio.sleep", _no_pause)  # the companion's pause before the second attempt
    ran = run("read", meter, *DAYS, capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (1, "")
    assert "keys" in ran.err
    home.engine.dispose()
    for where in (ran.err.encode(), logs.text.encode(), files(home)):
        assert found(where, planted(connections, home)) == []


async def _no_pause(_seconds: float) -> None:
    """Time that need not pass in a test."""


def test_readings_are_printed_when_asked_for_and_are_nowhere_else(
    house: tuple[Path, Home, list[SimulatedConnection], Everything],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, home, connections, logs = house
    for one in connections:
        ran = run("read", one.meter, *DAYS, "--json", capsys=capsys, monkeypatch=monkeypatch)
        assert ran.code == 0, ran.err
        values = {row["import_wh"] for row in json.loads(ran.out)["rows"]}
        assert min(values) > 99_999, "long enough to be told from other numbers"
        request = Request(meter=one.meter, start=date(2026, 3, 4), end=date(2026, 3, 5), actor=TESTER)
        report = read(home, request, wall=lambda: time.time() + 86_400)  # a connection is read once a day
        readings = report.readings
        assert readings is not None
        assert set(readings.registers["import_wh"].tolist()) >= values
        shown = [repr(thing) for thing in (report, report.visit, report.visit.result, readings, report.record)]
        home.engine.dispose()
        for where in (ran.err, logs.text, *shown, files(home).decode("latin-1")):
            assert not [value for value in values if f"{value}" in where or f"{value:08x}" in where.lower()]
