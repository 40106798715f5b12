"""The vault: what it seals opens only for what it was sealed for, and its own key is where only its owner reads it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.errors import InputError, SecurityError
from kwartier.keys.vault import ENVIRONMENT, FILE_NAME, NONCE_BYTES, Vault, create_master_key, open_vault
from tests.keys.conftest import MASTER_KEY

OTHER_MASTER_KEY = bytes(range(1, 33))
VAULT = Vault(MASTER_KEY)
PLAIN = b'{"ek": "000102030405060708090a0b0c0d0e0f"}'


@pytest.fixture(autouse=True)
def _no_master_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def refusal(home: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        open_vault(home)
    return caught.value


@settings(deadline=None)
@given(plain=st.binary(max_size=300), bound_to=st.text(max_size=40))
def test_what_was_sealed_opens_again(plain: bytes, bound_to: str) -> None:
    assert VAULT.open(VAULT.seal(plain, bound_to), bound_to) == plain


def test_the_same_record_never_looks_the_same(vault: Vault) -> None:
    first, second = vault.seal(PLAIN, "a"), vault.seal(PLAIN, "a")
    assert first[:NONCE_BYTES] != second[:NONCE_BYTES]
    assert first[NONCE_BYTES:] != second[NONCE_BYTES:]


def test_a_record_does_not_open_for_another_meter(vault: Vault) -> None:
    sealed = vault.seal(PLAIN, "keys of meter A")
    with pytest.raises(SecurityError) as caught:
        vault.open(sealed, "keys of meter B")
    assert caught.value.code == "sealed-record"


def test_a_record_does_not_open_under_another_master_key(vault: Vault) -> None:
    with pytest.raises(SecurityError) as caught:
        Vault(OTHER_MASTER_KEY).open(vault.seal(PLAIN, "a"), "a")
    assert caught.value.code == "sealed-record"


@settings(deadline=None)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_record_with_any_bit_turned_does_not_open(place: int, bit: int) -> None:
    sealed = bytearray(VAULT.seal(PLAIN, "a"))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(SecurityError):
        VAULT.open(bytes(sealed), "a")


@pytest.mark.parametrize("length", [0, 1, NONCE_BYTES, NONCE_BYTES + 15])
def test_a_record_that_is_cut_off_does_not_open(length: int, vault: Vault) -> None:
    with pytest.raises(SecurityError):
        vault.open(vault.seal(PLAIN, "a")[:length], "a")


def test_a_fingerprint_tells_keys_apart_and_depends_on_the_master_key(vault: Vault) -> None:
    assert vault.fingerprint(bytes(16)) == Vault(MASTER_KEY).fingerprint(bytes(16))
    assert vault.fingerprint(bytes(16)) != vault.fingerprint(bytes(15) + b"\x01")
    assert vault.fingerprint(bytes(16)) != Vault(OTHER_MASTER_KEY).fingerprint(bytes(16))
    assert vault.check_value != Vault(OTHER_MASTER_KEY).check_value


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_master_key_has_thirty_two_bytes(length: int) -> None:
    with pytest.raises(InputError) as caught:
        Vault(bytes(length))
    assert caught.value.code == "bad-master-key"


def test_a_master_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    assert create_master_key(tmp_path)
    text = (tmp_path / FILE_NAME).read_text()
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert not create_master_key(tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == text
    assert open_vault(tmp_path).check_value == Vault(bytes.fromhex(text)).check_value
    assert [one.name for one in tmp_path.iterdir()] == [FILE_NAME], "no draft stays behind"


def test_whoever_makes_a_master_key_at_the_same_time_gets_the_same_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create_master_key, [tmp_path] * 8))
        seen = set(pool.map(lambda _: open_vault(tmp_path).check_value, range(8)))
    assert made.count(True) == 1
    assert len(seen) == 1


def test_the_umask_does_not_open_the_master_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_master_key(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_master_key(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, MASTER_KEY.hex())
    assert open_vault(tmp_path).check_value == Vault(MASTER_KEY).check_value


def test_no_file_is_made_where_the_environment_holds_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, MASTER_KEY.hex())
    assert not create_master_key(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_master_key_that_others_can_touch_is_refused(mode: int, tmp_path: Path) -> None:
    create_master_key(tmp_path)
    (tmp_path / FILE_NAME).chmod(mode)
    error = refusal(tmp_path)
    assert error.code == "open-master-key"
    assert f"{mode:04o}" in error.detail


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_master_key_that_only_its_owner_can_touch_is_taken(mode: int, tmp_path: Path) -> None:
    create_master_key(tmp_path)
    (tmp_path / FILE_NAME).chmod(mode)
    assert len(open_vault(tmp_path).check_value) == 64


def test_a_missing_master_key_is_said_to_be_missing(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "no-master-key"


@pytest.mark.parametrize("text", ["", "not hex", "00" * 31, "00" * 33, "0" * 63, "\xff" * 10, "00" * 5000])
def test_a_master_key_that_is_none_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    error = refusal(tmp_path)
    assert error.code == "bad-master-key"
    assert not text or text not in error.sentence()


def test_a_master_key_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir(mode=0o700)
    assert refusal(tmp_path).code == "bad-master-key"


@pytest.mark.parametrize("text", ["", "zz", "00" * 31])
def test_a_bad_master_key_in_the_environment_is_refused_by_its_name(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, text)
    assert refusal(tmp_path).code == "bad-master-key"


def test_a_vault_shows_nothing_of_itself(vault: Vault) -> None:
    assert MASTER_KEY.hex() not in repr(vault)
    assert not hasattr(vault, "__dict__")
