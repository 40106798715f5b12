"""The keys of stored readings: one a day, the same for everybody, and gone for good when they are forgotten."""

from datetime import date

import pytest
from sqlalchemy import Engine, update

from kwartier.database import writing
from kwartier.errors import SecurityError
from kwartier.keys.days import KEY_BYTES, MAX_OPEN, DayKeys
from kwartier.keys.vault import Vault
from kwartier.tables import day_keys

DAY, NEXT = date(2026, 3, 28), date(2026, 3, 29)


def test_each_file_has_a_key_of_its_own_that_every_process_finds(engine: Engine, vault: Vault) -> None:
    one, other = DayKeys(engine, vault), DayKeys(engine, vault)
    keys = {one.file_key(day, path, new=True) for day in (DAY, NEXT) for path in ("a", "b")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert {other.file_key(day, path, new=False) for day in (DAY, NEXT) for path in ("a", "b")} == keys


def test_a_day_that_was_never_written_has_no_key(engine: Engine, vault: Vault) -> None:
    with pytest.raises(SecurityError) as caught:
        DayKeys(engine, vault).file_key(DAY, "a", new=False)
    assert caught.value.code == "no-day-key"


def test_a_forgotten_day_is_gone_and_what_comes_later_has_another_key(engine: Engine, vault: Vault) -> None:
    keys = DayKeys(engine, vault)
    first = keys.file_key(DAY, "a", new=True)
    keys.forget(DAY)
    with pytest.raises(SecurityError):
        keys.file_key(DAY, "a", new=False)
    assert keys.file_key(DAY, "a", new=True) != first


def test_a_key_opens_for_its_day_and_its_master_key_only(engine: Engine, vault: Vault) -> None:
    DayKeys(engine, vault).file_key(DAY, "a", new=True)
    with pytest.raises(SecurityError) as caught:
        DayKeys(engine, Vault(bytes(range(1, 33)))).file_key(DAY, "a", new=False)
    assert caught.value.code == "sealed-record"
    with writing(engine) as connection:
        connection.execute(update(day_keys).values(day=NEXT))
    with pytest.raises(SecurityError) as caught:
        DayKeys(engine, vault).file_key(NEXT, "a", new=False)
    assert caught.value.code == "sealed-record"


def test_no_key_is_shown_and_only_some_stay_open(engine: Engine, vault: Vault) -> None:
    keys = DayKeys(engine, vault)
    days = [date.fromordinal(DAY.toordinal() + number) for number in range(MAX_OPEN + 2)]
    found = [keys.file_key(day, "a", new=True) for day in days]
    assert [keys.file_key(day, "a", new=False) for day in days] == found
    assert all(key.hex() not in repr(keys) for key in found)
