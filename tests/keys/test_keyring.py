"""The keyring: files of keys taken in whole or not at all, sealed for one meter each, and never shown."""

import csv
import stat
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from kwartier.errors import InputError, KwartierError, SecurityError
from kwartier.keys.counters import CounterKey, Counters
from kwartier.keys.keyring import DELIVERY, OPERATOR, Keyring, is_claimed
from kwartier.keys.vault import Vault
from kwartier.tables import FOREVER, connections, counters, key_events, meter_keys, meters

TITLE = bytes.fromhex("4B57540000000001")
EK, AK, KEK, EK2 = ("11" * 16, "22" * 16, "33" * 16, "44" * 16)
AT = 1_772_600_000
DATES = {"valid_from": date.min, "valid_to": date.max, "known_at": AT, "known_until": FOREVER}
FULL = {"meter": "M1", "kek": KEK, "ak": AK, "ek": EK}


def write(path: Path, *rows: Mapping[str, object]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def keyring(engine: Engine, vault: Vault) -> Keyring:
    return Keyring(engine, vault)


def take_in(keyring: Keyring, path: Path, *, at: int = AT, skip_bad: bool = False, refused: Path | None = None) -> None:
    keyring.import_file(path, at=at, actor="os:test", own_title=TITLE, skip_bad=skip_bad, refused=refused)


def counter_of(engine: Engine, vault: Vault, ek: str) -> int:
    key = CounterKey(ek_fingerprint=vault.fingerprint(bytes.fromhex(ek)), title=TITLE.hex())
    return Counters(engine).next_of(key)


def refusal(keyring: Keyring, path: Path) -> KwartierError:
    with pytest.raises(KwartierError) as caught:
        take_in(keyring, path)
    return caught.value


def row_count(engine: Engine) -> tuple[int, int, int]:
    with engine.connect() as connection:
        return (
            len(connection.execute(select(meter_keys.c.meter)).all()),
            len(connection.execute(select(key_events.c.id)).all()),
            len(connection.execute(select(counters.c.next)).all()),
        )


def test_keys_come_out_as_they_went_in(keyring: Keyring, tmp_path: Path) -> None:
    path = write(tmp_path / "keys.csv", {**FULL, "lls": "0102030405060708", "broadcast_ek": EK2, "origin": OPERATOR})
    done = keyring.import_file(path, at=AT, actor="os:test", own_title=TITLE)
    assert (done.new, done.replaced, done.refused) == (1, 0, 0)
    keys = keyring.keys_of("M1")
    assert keys is not None
    assert (keys.session.ek.hex(), keys.session.ak.hex(), keys.kek.hex()) == (EK, AK, KEK)
    assert keys.session.lls == bytes(range(1, 9))
    assert keys.origin == keyring.origin_of("M1") == OPERATOR


def test_a_meter_without_keys_has_none(keyring: Keyring) -> None:
    assert keyring.keys_of("M1") is None
    assert keyring.origin_of("M1") is None


def test_keys_are_of_origin_delivery_unless_it_is_said(keyring: Keyring, tmp_path: Path) -> None:
    take_in(keyring, write(tmp_path / "keys.csv", FULL))
    assert keyring.origin_of("M1") == DELIVERY


def test_importing_again_replaces_the_keys_and_records_that(keyring: Keyring, vault: Vault, tmp_path: Path) -> None:
    take_in(keyring, write(tmp_path / "one.csv", FULL))
    done = keyring.import_file(
        write(tmp_path / "two.csv", {**FULL, "ek": EK2}), at=AT + 5, actor="os:other", own_title=TITLE
    )
    assert (done.new, done.replaced) == (0, 1)
    keys = keyring.keys_of("M1")
    assert keys is not None
    assert keys.session.ek.hex() == EK2
    events = keyring.events_of("M1")
    assert [(one.action, one.at, one.actor) for one in events] == [
        ("imported", AT, "os:test"),
        ("replaced", AT + 5, "os:other"),
    ]
    assert [one.ek_fingerprint for one in events] == [
        vault.fingerprint(bytes.fromhex(EK)),
        vault.fingerprint(bytes.fromhex(EK2)),
    ]


def test_a_counter_goes_on_when_its_key_comes_back(
    keyring: Keyring, engine: Engine, vault: Vault, tmp_path: Path
) -> None:
    """A new key starts a new counter; the old one, also under another meter's name, continues where it was."""
    take_in(keyring, write(tmp_path / "a.csv", FULL))
    key = CounterKey(ek_fingerprint=vault.fingerprint(bytes.fromhex(EK)), title=TITLE.hex())
    keyring.counters.reserve(key, 40)
    take_in(keyring, write(tmp_path / "b.csv", {**FULL, "ek": EK2}))
    assert counter_of(engine, vault, EK2) == 1
    take_in(keyring, write(tmp_path / "c.csv", {**FULL, "meter": "M2"}))
    keys = keyring.keys_of("M2")
    assert keys is not None
    assert keys.ek_fingerprint == key.ek_fingerprint
    assert counter_of(engine, vault, EK) == 41


def test_the_counter_column_says_what_was_used_so_far_and_only_raises(
    keyring: Keyring, engine: Engine, vault: Vault, tmp_path: Path
) -> None:
    take_in(keyring, write(tmp_path / "a.csv", {**FULL, "counter": 5000}))
    assert counter_of(engine, vault, EK) == 5001
    take_in(keyring, write(tmp_path / "b.csv", {**FULL, "counter": 17}))
    assert counter_of(engine, vault, EK) == 5001
    take_in(keyring, write(tmp_path / "c.csv", FULL))
    assert counter_of(engine, vault, EK) == 5001


def test_meters_that_share_a_key_share_the_highest_counter(
    keyring: Keyring, engine: Engine, vault: Vault, tmp_path: Path
) -> None:
    rows = [{**FULL, "meter": f"M{place}", "counter": used} for place, used in enumerate((9, 300, 20))]
    take_in(keyring, write(tmp_path / "keys.csv", *rows))
    assert counter_of(engine, vault, EK) == 301


def test_the_highest_counter_that_there_is_can_be_imported(
    keyring: Keyring, engine: Engine, vault: Vault, tmp_path: Path
) -> None:
    take_in(keyring, write(tmp_path / "keys.csv", {**FULL, "counter": 2**32 - 1}))
    assert counter_of(engine, vault, EK) == 2**32
    assert keyring.status().counters_nearly_spent == 1


def test_nothing_is_left_of_an_import_that_fails_at_its_end(
    keyring: Keyring, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than a batch, and the last step of the transaction - raising a counter - goes wrong."""
    rows = [{**FULL, "meter": f"M{place:04d}", "ek": f"{place:032x}", "counter": 7} for place in range(1200)]

    def fail(*_: object) -> None:
        raise OSError("the machine stops here")

    with monkeypatch.context() as patched:
        patched.setattr(Counters, "raise_all", fail)
        with pytest.raises(OSError, match="stops here"):
            take_in(keyring, write(tmp_path / "keys.csv", *rows))
    assert row_count(engine) == (0, 0, 0)
    take_in(keyring, tmp_path / "keys.csv")
    assert row_count(engine) == (1200, 1200, 1200)


def test_one_bad_row_keeps_the_whole_file_out(keyring: Keyring, engine: Engine, tmp_path: Path) -> None:
    rows = [{**FULL, "meter": f"M{place:04d}"} for place in range(600)]
    rows.append({**FULL, "meter": "M9999", "ak": "22" * 15})
    error = refusal(keyring, write(tmp_path / "keys.csv", *rows))
    assert error.code == "bad-rows"
    assert "keys.csv" in error.detail
    assert "line 602, column ak: is not 32 hex digits" in error.detail
    assert row_count(engine) == (0, 0, 0)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("kek", "33" * 8),
        ("ak", "G" * 32),
        ("ek", ""),
        ("lls", "abc"),
        ("lls", "00" * 65),
        ("broadcast_ek", "44" * 17),
        ("counter", "-1"),
        ("counter", str(2**32)),
        ("counter", EK),
        ("origin", EK),
        ("meter", f"{EK} {AK}"),
        ("meter", ""),
        ("meter", "x" * 65),
    ],
)
def test_a_bad_cell_is_named_and_not_shown(column: str, cell: str, keyring: Keyring, tmp_path: Path) -> None:
    """A key may stand in any column, so no cell of such a file is shown."""
    error = refusal(keyring, write(tmp_path / "keys.csv", {**FULL, "counter": 1, "origin": OPERATOR, column: cell}))
    assert error.code == "bad-rows"
    assert f"line 2, column {column}: " in error.detail
    assert not cell or f" {cell} " not in f" {error.sentence()} "
    assert EK not in error.sentence()
    assert AK not in error.sentence()


def test_a_file_without_a_header_does_not_show_its_first_keys(keyring: Keyring, tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    for line in (f"{EK},{AK},{KEK},M1", f"M1,{EK},{AK},{KEK}", "abcdefabcdefabcdefabcdefabcdefab,x,y,z"):
        path.write_text(line + "\n")
        error = refusal(keyring, path)
        assert error.code == "bad-header"
        assert not any(secret in error.sentence() for secret in (EK, AK, KEK, "abcdefabcdef"))


def test_the_same_meter_twice_in_a_file_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    error = refusal(keyring, write(tmp_path / "keys.csv", FULL, {**FULL, "meter": "M2"}, {**FULL, "ek": EK2}))
    assert "line 4, column meter: the same as in line 2" in error.detail


def test_skipping_bad_rows_takes_in_the_others_and_keeps_no_secret_of_the_bad(keyring: Keyring, tmp_path: Path) -> None:
    secret = "5EC4E7" * 5
    rows = [
        FULL,
        {**FULL, "meter": "M2", "ek": secret},
        {**FULL, "meter": EK2, "ak": ""},
        {**FULL, "meter": "M4", "origin": EK2},
        {**FULL, "meter": "M5", "counter": EK2},
    ]
    path, aside = write(tmp_path / "keys.csv", *rows), tmp_path / "refused.csv"
    done = keyring.import_file(path, at=AT, actor="os:test", own_title=TITLE, skip_bad=True, refused=aside)
    assert (done.new, done.refused) == (1, 4)
    text = aside.read_text()
    assert not any(one in text for one in (secret, EK, AK, KEK, EK2))
    written = list(csv.DictReader(text.splitlines()))
    assert [(row["line"], row["column"], row["meter"]) for row in written] == [
        ("3", "ek", "M2"),
        ("4", "ak", ""),
        ("5", "origin", "M4"),
        ("6", "counter", "M5"),
    ]
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_an_import_whose_refused_rows_cannot_be_kept_is_not_made(
    keyring: Keyring, engine: Engine, tmp_path: Path
) -> None:
    path = write(tmp_path / "keys.csv", FULL, {**FULL, "meter": "M2", "ek": ""})
    for aside in (tmp_path / "no" / "such" / "folder.csv", tmp_path, path):
        with pytest.raises(InputError) as caught:
            take_in(keyring, path, skip_bad=True, refused=aside)
        assert caught.value.code == "unwritable-file"
    assert row_count(engine) == (0, 0, 0)
    assert "M2" in path.read_text(), "the file itself is not written over"


def test_a_record_that_was_moved_to_another_meter_does_not_open(
    keyring: Keyring, engine: Engine, tmp_path: Path
) -> None:
    take_in(keyring, write(tmp_path / "keys.csv", FULL, {**FULL, "meter": "M2", "ek": EK2}))
    with engine.begin() as connection:
        rows = connection.execute(select(meter_keys.c.meter, meter_keys.c.sealed))
        sealed = {row.meter: row.sealed for row in rows}
        for meter, other in (("M1", "M2"), ("M2", "M1")):
            connection.execute(update(meter_keys).where(meter_keys.c.meter == meter).values(sealed=sealed[other]))
    for meter in ("M1", "M2"):
        with pytest.raises(SecurityError) as caught:
            keyring.keys_of(meter)
        assert caught.value.code == "sealed-record"
        assert meter in caught.value.detail


def test_keys_sealed_under_another_master_key_do_not_open(keyring: Keyring, engine: Engine, tmp_path: Path) -> None:
    take_in(keyring, write(tmp_path / "keys.csv", FULL))
    with pytest.raises(SecurityError) as caught:
        Keyring(engine, Vault(bytes(32))).keys_of("M1")
    assert caught.value.code == "sealed-record"


def test_a_database_belongs_to_the_master_key_that_claimed_it(keyring: Keyring, engine: Engine) -> None:
    assert not is_claimed(engine)
    keyring.claim()
    keyring.claim()
    keyring.check()
    assert is_claimed(engine)
    stranger = Keyring(engine, Vault(bytes(32)))
    for attempt in (stranger.check, stranger.claim):
        with pytest.raises(SecurityError) as caught:
            attempt()
        assert caught.value.code == "wrong-master-key"
    keyring.check()


def test_the_status_counts_keys_before_and_after_their_meters(keyring: Keyring, engine: Engine, tmp_path: Path) -> None:
    rows = [{**FULL, "meter": "M1"}, {**FULL, "meter": "M2", "origin": OPERATOR}, {**FULL, "meter": "M3"}]
    take_in(keyring, write(tmp_path / "keys.csv", *rows))
    status = keyring.status()
    assert (status.meters, status.with_keys, status.without_meter) == (0, 0, 3)
    with engine.begin() as connection:
        names = ("dso", "grid_area", "brp", "supplier", "transformer", "capacity", "timezone")
        connection.execute(insert(connections).values(ean="1" * 18, **DATES, **dict.fromkeys(names, "")))
        for meter in ("M1", "M2", "M4"):
            connection.execute(
                insert(meters).values(
                    meter=meter,
                    ean="1" * 18,
                    host="h",
                    port=1,
                    system_title=bytes(8),
                    companion="smr-5.5",
                    transport="wrapper",
                    client=1,
                    logical_device=1,
                    suite=0,
                    mechanism=5,
                    policy="none",
                    cell="",
                    **DATES,
                )
            )
    status = keyring.status()
    assert (status.meters, status.with_keys, status.without_meter) == (3, 2, 1)
    assert (status.delivery, status.operator) == (1, 1)
