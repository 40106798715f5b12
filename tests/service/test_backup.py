"""A backup of an installation in the middle of a night, and a restored one that goes on without a mistake."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, select

from kwartier.collect.claims import Claims
from kwartier.database import reading, writing
from kwartier.errors import Denied, InputError, StateError
from kwartier.service import backup
from kwartier.service.backup import MANIFEST, RESTORE_JUMP, TABLES
from kwartier.service.compare import compare_night
from kwartier.service.home import open_home
from kwartier.service.identity import pairs
from kwartier.service.rehearsal import promises
from kwartier.store import copying
from kwartier.store.schema import KINDS
from kwartier.tables import counters, metadata, meter_keys
from kwartier.who.actor import Actor
from tests import postgres
from tests.postgres import DATABASES
from tests.service.street import installed
from tests.service.test_kills import METERS, Days, begin, days, end, plan, settled, wait_until
from tests.somebody import TESTER


def taken(home: Path, target: Path, **words: bool) -> Path:
    """A backup of ``home``."""
    with open_home(home) as opened:
        backup.create(opened, target, wall=time.time, **words)
    return target


@pytest.fixture
def street_home(tmp_path: Path) -> Path:
    """A home with a small fleet, its keys, and no readings yet."""
    with days(tmp_path, 6) as street:
        return installed(tmp_path, street.out)


# Restoring, and going on.


@pytest.mark.parametrize("kind", DATABASES)
def test_a_backup_of_a_running_night_goes_on_in_an_empty_home(tmp_path: Path, kind: str) -> None:
    with days(tmp_path) as street:
        home = installed(tmp_path, street.out, "open_visits = 8")
        first = street.turn_to(0)
        plan(home, street, first)
        process = begin(home, street, first)
        wait_until(lambda: street.fleet.watch.counters > 60)
        folder = taken(home, tmp_path / "backup")
        assert end(process) == 0, "the night went on, and what it did is lost with the home"
        new = tmp_path / "new"
        address = postgres.database(kind, tmp_path) if kind == "postgresql" else None
        backup.restore(folder, new, wall=street.now, database=address)
        home.rename(tmp_path / "lost")
        nobody_is_read_on_the_day_of_the_restore(new, street)
        second = street.turn_to(1)
        plan(new, street, second)
        assert end(begin(new, street, second, lease_s=2)) == 0
        with open_home(new) as opened:
            for day in (first, second):
                found = compare_night(opened, street.out, day, actor=TESTER)
                assert (found.wrong, found.doubled, found.lost) == (0, 0, 0), day
            assert promises.counters(street.fleet) == []
            assert promises.one_read(opened, street.fleet, second + timedelta(days=1)) == []
            assert settled(opened)


def nobody_is_read_on_the_day_of_the_restore(home: Path, street: Days) -> None:
    before = sum(street.fleet.reads(index) for index in range(METERS))
    plan(home, street, street.turn_to(0))
    assert end(begin(home, street, street.turn_to(0), lease_s=2)) == 0
    assert sum(street.fleet.reads(index) for index in range(METERS)) == before
    with open_home(home) as opened:
        assert set(Claims(opened.engine).proof(street.turn_to(0) + timedelta(days=1)).refused) <= {"restored-today"}


def test_every_counter_moves_on_and_so_do_those_that_never_were_used(street_home: Path, tmp_path: Path) -> None:
    with open_home(street_home) as opened:
        title = opened.settings.own_title.hex()
        with writing(opened.engine) as connection:
            fingerprints = connection.execute(select(meter_keys.c.ek_fingerprint)).scalars().all()
            row = {"ek_fingerprint": fingerprints[0], "title": title, "next": 77}
            connection.execute(counters.delete())
            connection.execute(counters.insert(), [row])
    new = tmp_path / "new"
    backup.restore(taken(street_home, tmp_path / "backup"), new, wall=time.time)
    with open_home(new) as opened, reading(opened.engine) as connection:
        moved = {found.ek_fingerprint: found.next for found in connection.execute(select(counters))}
    assert moved == {name: RESTORE_JUMP + (77 if name == fingerprints[0] else 0) for name in fingerprints}


def test_what_two_wanted_before_a_restore_they_have_to_want_again(street_home: Path, tmp_path: Path) -> None:
    one, other = (Actor(name=name, roles=frozenset({"operator"}), via="os") for name in ("os:eva", "os:piet"))
    at, new = int(time.time()), tmp_path / "new"
    with open_home(street_home) as opened:
        name = pairs(opened).request("bulk-export", "ab" * 32, one, text="", at=at)
        pairs(opened).approve(name, other, at=at)
    folder = taken(street_home, tmp_path / "backup")
    backup.restore(folder, new, wall=time.time)
    with open_home(street_home) as opened:
        pairs(opened).spend(name, "bulk-export", "ab" * 32, at=at)
    with open_home(new) as opened, pytest.raises(Denied) as caught:
        pairs(opened).spend(name, "bulk-export", "ab" * 32, at=at)
    assert caught.value.code == "approval-over"


@pytest.mark.parametrize("kind", DATABASES)
def test_what_is_counted_by_the_database_is_counted_on(street_home: Path, tmp_path: Path, kind: str) -> None:
    new = tmp_path / "new"
    folder = taken(street_home, tmp_path / "backup")
    address = postgres.database(kind, tmp_path) if kind == "postgresql" else None
    backup.restore(folder, new, wall=time.time, database=address)
    with open_home(new) as opened, open_home(street_home) as before:
        for table in metadata.sorted_tables:
            if table.name not in ("counter", "restore"):
                assert rows(before.engine, table) == rows(opened.engine, table)
        at = int(time.time())
        opened.keyring.import_file(
            tmp_path / "fleet" / "keys.csv", at=at, actor="a", own_title=opened.settings.own_title
        )


def rows(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    with reading(engine) as connection:
        return sorted(map(tuple, connection.execute(select(table)).all()), key=repr)


def test_a_backup_without_the_master_key_is_restored_beside_it(street_home: Path, tmp_path: Path) -> None:
    folder = taken(street_home, tmp_path / "backup", with_key=False)
    assert not (folder / "master.key").exists()
    new = tmp_path / "new"
    backup.restore(folder, new, wall=time.time)
    with pytest.raises(InputError) as caught, open_home(new):
        raise AssertionError("it opened")
    assert caught.value.code == "no-master-key"
    (new / "master.key").write_bytes((street_home / "master.key").read_bytes())
    (new / "master.key").chmod(0o600)
    with open_home(new) as opened:
        assert opened.keyring.status().with_keys == 6


# What is no backup.


def damaged(folder: Path) -> Path:
    path = folder / TABLES / "meter.parquet"
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    return path


def cut(folder: Path) -> Path:
    path = folder / TABLES / "meter.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    return path


def gone(folder: Path) -> Path:
    path = folder / TABLES / "claim.parquet"
    path.unlink()
    return path


def added(folder: Path) -> Path:
    path = folder / "store" / "more"
    path.write_bytes(b"")
    return path


def unfinished(folder: Path) -> Path:
    path = folder / MANIFEST
    path.unlink()
    return path


def not_a_manifest(folder: Path) -> Path:
    path = folder / MANIFEST
    path.write_text('{"format": 1}', "utf-8")
    return path


@pytest.mark.parametrize("harm", [damaged, cut, gone, added, unfinished, not_a_manifest])
def test_what_is_not_as_it_was_made_is_named_and_nothing_is_restored(
    street_home: Path, tmp_path: Path, harm: Callable[[Path], Path]
) -> None:
    folder = taken(street_home, tmp_path / "backup")
    assert backup.check(folder).rows["meter"] == 6
    path = harm(folder)
    with pytest.raises(InputError) as caught:
        backup.restore(folder, tmp_path / "new", wall=time.time)
    assert caught.value.code == "bad-backup"
    assert path.name in caught.value.detail
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(street_home: Path, tmp_path: Path) -> None:
    folder = taken(street_home, tmp_path / "backup")
    for attempt in (
        lambda: taken(street_home, folder),
        lambda: backup.restore(folder, street_home, wall=time.time),
        lambda: backup.restore(
            folder, tmp_path / "new", wall=time.time, database=f"sqlite:///{street_home}/kwartier.db"
        ),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code in ("bad-backup", "bad-home")


def test_a_restore_that_is_broken_off_leaves_no_installation(
    street_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, new = taken(street_home, tmp_path / "backup"), tmp_path / "new"

    def fail(*_: object) -> None:
        raise OSError("the power went")

    monkeypatch.setattr(backup, "_move_on", fail)
    with pytest.raises(OSError, match="power"):
        backup.restore(folder, new, wall=time.time)
    with pytest.raises(InputError) as caught, open_home(new):
        raise AssertionError("it opened")
    assert caught.value.code == "no-home"


def test_companions_of_its_own_come_along(street_home: Path, tmp_path: Path) -> None:
    (street_home / "companions").mkdir()
    (street_home / "companions" / "ours.toml").write_text("# as made here\n", "utf-8")
    backup.restore(taken(street_home, tmp_path / "backup"), tmp_path / "new", wall=time.time)
    assert (tmp_path / "new" / "companions" / "ours.toml").read_text("utf-8") == "# as made here\n"


# Where the log is cut.


@given(st.lists(st.integers(0, 3), max_size=80), st.data())
def test_the_cut_of_the_log_fits_to_the_database_however_writers_interleave(
    moves: list[int], data: st.DataObject
) -> None:
    """Each writer notes a batch, keeps the key of its day, appends and marks it; the snapshot is taken after the first look."""
    order = ("note", "key", "append", "mark")
    at = [0, 0, 0, 0]
    history: list[tuple[str, str]] = []
    for writer in moves:
        history.append((order[at[writer] % 4], f"{writer}-{at[writer] // 4}"))
        at[writer] += 1
    look = data.draw(st.integers(0, len(history)))
    snapshot = data.draw(st.integers(look, len(history)))
    log = [batch for kind, batch in history if kind == "append"]
    version = sum(kind == "append" for kind, _ in history[:look]) - 1
    known = {kind: {batch for done, batch in history[:snapshot] if done == kind} for kind in order}
    keys = {batch[-1] for batch in known["key"]}

    def is_known(one: copying.Commit) -> bool:
        return known["note"].issuperset(one.batches) and keys.issuperset(one.days)

    later = [
        copying.Commit(number, (batch,), frozenset({batch[-1]})) for number, batch in enumerate(log) if number > version
    ]
    kept = set(log[: copying.consistent(version, later, is_known) + 1])
    assert known["mark"] <= kept, "what is called stored is there"
    assert kept <= known["note"], "and nothing that nobody knows of"
    assert {batch[-1] for batch in kept} <= keys, "nor anything that nobody can open"


@pytest.mark.parametrize("is_keyed", [True, False])
def test_a_file_whose_key_came_after_the_snapshot_is_not_taken_along(tmp_path: Path, is_keyed: bool) -> None:
    with days(tmp_path, 6) as street:
        home, day = installed(tmp_path, street.out), street.turn_to(0)
        plan(home, street, day)
        assert end(begin(home, street, day)) == 0
    target = tmp_path / "target"
    target.mkdir()
    with open_home(home) as opened:
        newest = copying.newest(opened.store_folder)
        backup._dump(opened.engine, target / TABLES)
        if not is_keyed:
            keys = target / TABLES / "day_key.parquet"
            pq.write_table(pq.read_table(keys).slice(0, 0), keys)
        empty = 0  # the commit that made the table
        assert newest > empty
        assert backup._copy_store(opened, target, copying.NOTHING) == (newest if is_keyed else empty)
    assert bool(list((target / "store").rglob("*.parquet"))) == is_keyed


def test_a_file_that_went_away_while_it_was_copied_begins_it_anew(
    street_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def copy_store(*words: object) -> int:
        nonlocal tries
        tries += 1
        (tmp_path / "backup" / "store").mkdir(exist_ok=tries > 3)  # the table after the one that succeeded
        if tries < 3:
            raise StateError("lost-file", "it is not there")
        return -1

    monkeypatch.setattr(backup, "_copy_store", copy_store)
    folder = taken(street_home, tmp_path / "backup")
    assert tries == 2 + len(KINDS)
    assert pq.read_metadata(folder / TABLES / "meter.parquet").num_rows == 6
