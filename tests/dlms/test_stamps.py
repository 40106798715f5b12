"""Date-times: every byte survives, meaning only where there is one."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms.stamps import DateTime, date_of, time_of
from kwartier.errors import WireError


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_bytes_survive_and_print(data: bytes) -> None:
    stamp = DateTime.decode(data)
    assert stamp.encode() == data
    assert str(stamp)
    found = ""
    try:
        stamp.utc_seconds()
    except WireError as error:
        found = error.code
    assert found in ("", "bad-date-time")


@given(st.integers(0, 4_000_000_000), st.sampled_from([0, 3600, 7200, -16200]), st.booleans())
def test_a_moment_comes_back(utc: int, offset_s: int, reversed_: bool) -> None:
    stamp = DateTime.of_utc(utc, offset_s, daylight_saving=offset_s == 7200)
    assert stamp.utc_seconds() == utc
    other = DateTime.decode(stamp.encode()[:9] + (offset_s // 60).to_bytes(2, "big", signed=True) + b"\x00")
    assert other.utc_seconds(deviation_reversed=True) == utc
    assert DateTime.of_utc(utc, offset_s, daylight_saving=False, deviation=False).utc_seconds() is None


def test_the_sign_is_what_is_added_to_local_time() -> None:
    # Blue Book 4.1.6.1: deviation in minutes of local time to UTC; CET is -60, CEST -120.
    winter = DateTime.decode(bytes.fromhex("07EA0304030F1E0000FFC400"))
    assert winter.utc_seconds() == int(datetime(2026, 3, 4, 14, 30, tzinfo=UTC).timestamp())
    summer = DateTime.decode(bytes.fromhex("07EA0704060F1E00FFFF8880"))
    assert summer.utc_seconds() == int(datetime(2026, 7, 4, 13, 30, tzinfo=UTC).timestamp())
    assert str(summer) == "2026-07-04 15:30:00+02:00"


@pytest.mark.parametrize(
    "octets",
    ["07EA021D03000000000000FF", "07EAFF0103000000000000FF", "07EA0101031800000000 00FF", "07EA01010300000000 7FFF FF"],
)
def test_what_no_calendar_has_is_refused_a_meaning_and_still_prints(octets: str) -> None:
    stamp = DateTime.decode(bytes.fromhex(octets))
    with pytest.raises(WireError):
        stamp.utc_seconds()
    assert str(stamp)


def test_special_months_days_and_unspecified_parts_have_names() -> None:
    stamp = DateTime.decode(bytes.fromhex("FFFFFDFE0702FFFFFF8000FF"))
    assert str(stamp) == "????-dst-end-last 02:??:??"
    assert str(date_of(bytes.fromhex("07EA0B17FF"))) == "2026-11-23 ??:??:??"
    assert str(time_of(bytes.fromhex("0E372100"))) == "????-??-?? 14:55:33"


@pytest.mark.parametrize(("read", "size"), [(DateTime.decode, 12), (date_of, 5), (time_of, 4)])
def test_another_length_is_refused(read: Callable[[bytes], DateTime], size: int) -> None:
    for length in (size - 1, size + 1):
        with pytest.raises(WireError):
            read(bytes(length))
