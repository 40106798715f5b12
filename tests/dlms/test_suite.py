"""AES-GCM with 12-byte tags: agreement with the full-tag class, and nothing handed out when a tag is wrong."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms.suite import TAG_BYTES, Gcm, suite
from kwartier.errors import InputError, SecurityError

KEY = bytes(range(16))
IV = bytes(range(12))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_sealing_is_gcm_with_the_tag_cut_to_twelve_bytes(plain: bytes, aad: bytes) -> None:
    sealed = Gcm(KEY).seal(IV, plain, aad)
    assert sealed == AESGCM(KEY).encrypt(IV, plain, aad)[:-4]
    assert Gcm(KEY).open(IV, sealed, aad) == plain


@given(st.binary(max_size=60), st.integers(min_value=0), st.integers(0, 7))
def test_no_flipped_bit_is_opened(plain: bytes, place: int, bit: int) -> None:
    sealed = bytearray(Gcm(KEY).seal(IV, plain, b"aad"))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(SecurityError) as caught:
        Gcm(KEY).open(IV, bytes(sealed), b"aad")
    assert caught.value.code == "bad-tag"


@pytest.mark.parametrize("length", range(TAG_BYTES))
def test_what_is_shorter_than_a_tag_is_refused(length: int) -> None:
    with pytest.raises(SecurityError):
        Gcm(KEY).open(IV, bytes(length), b"")


def test_other_additional_data_is_refused() -> None:
    with pytest.raises(SecurityError):
        Gcm(KEY).open(IV, Gcm(KEY).seal(IV, b"plain", b"one"), b"two")


def test_tag_alone_is_checked() -> None:
    tag = Gcm(KEY).tag(IV, b"data")
    Gcm(KEY).check(IV, tag, b"data")
    with pytest.raises(SecurityError):
        Gcm(KEY).check(IV, tag, b"date")


def test_keystream_undoes_sealing_without_vouching_for_it() -> None:
    sealed = Gcm(KEY).seal(IV, b"hello", b"")
    assert Gcm(KEY).keystream(IV, sealed[:-TAG_BYTES]) == b"hello"


def test_the_key_is_not_shown() -> None:
    assert KEY.hex() not in repr(Gcm(KEY))
    assert repr(KEY) not in repr(Gcm(KEY))


def test_wrong_lengths_and_suites_are_named() -> None:
    with pytest.raises(InputError, match="a key of 15 bytes"):
        Gcm(bytes(15))
    with pytest.raises(InputError, match="suite 7"):
        suite(7)
    assert suite(0).key_bytes == 16
