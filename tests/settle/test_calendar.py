"""When versions are due, by dates that were read in a calendar on the wall."""

from datetime import date, timedelta

import pytest

from kwartier.errors import Denied, InputError
from kwartier.settle.calendar import Calendar, calendar, dutch


def on(text: str) -> date:
    return date.fromisoformat(f"2026-{text}" if len(text) == 5 else text)


@pytest.mark.parametrize(
    ("day", "name", "due"),
    [
        ("11-24", "D+1", "11-25"),  # a Tuesday
        ("11-24", "D+5", "12-01"),  # Wednesday, Thursday, Friday, Monday, Tuesday
        ("11-24", "D+10", "12-08"),
        ("11-24", "M+4", "2027-03-31"),
        ("11-27", "D+1", "11-28"),  # Friday: the next day is a Saturday
        ("11-28", "D+5", "12-04"),  # Saturday: Monday is the first working day
        ("04-01", "D+5", "04-10"),  # Thursday 2; Good Friday 3 and Easter 5 and 6 are free; 7, 8, 9, 10
        ("04-26", "D+5", "05-04"),  # King's Day 27 is free: 28, 29, 30, 1, 4
        ("05-13", "D+5", "05-21"),  # Ascension 14 is free: 15, 18, 19, 20, 21
        ("05-22", "D+5", "06-01"),  # Whit Monday 25 is free: 26, 27, 28, 29, 1
        ("12-24", "D+5", "2027-01-04"),  # Christmas 25 and 26 (Saturday), New Year: 28, 29, 30, 31, 4
        ("10-31", "M+4", "2027-02-28"),
        ("2027-10-01", "M+4", "2028-02-29"),
        ("09-30", "M+4", "2027-01-31"),
    ],
)
def test_a_version_is_due(day: str, name: str, due: str) -> None:
    assert dutch().due(on(day), name) == on(due)


@pytest.mark.parametrize(
    ("today", "name"),
    [
        ("11-25", "D+1"),
        ("11-26", "D+5"),
        ("12-01", "D+5"),
        ("12-02", "D+10"),
        ("12-08", "D+10"),
        ("12-09", "M+4"),
        ("2027-03-31", "M+4"),
    ],
)
def test_a_run_is_the_first_version_that_is_not_past(today: str, name: str) -> None:
    assert dutch().version_name(on("11-24"), on(today)) == name


def test_a_day_that_is_not_over_has_no_version_yet_and_one_that_is_closed_none_any_more() -> None:
    assert dutch().closes(on("11-24")) == on("2027-03-31")
    with pytest.raises(InputError, match="from 2026-11-25 on") as early:
        dutch().version_name(on("11-24"), on("11-24"))
    assert early.value.code == "day-not-over"
    with pytest.raises(Denied, match="closed at the end of 2027-03-31") as late:
        dutch().version_name(on("11-24"), on("2027-04-01"))
    assert late.value.code == "settlement-closed"


def test_versions_follow_each_other_on_every_day_of_the_years_that_are_near() -> None:
    for number in range(3 * 366):
        day = date(2025, 1, 1) + timedelta(days=number)
        dates = [dutch().due(day, name) for name in dutch().names]
        assert dates == sorted(set(dates)), day
        assert all(dutch().is_working_day(one) for one in dates[1:3])


@pytest.mark.parametrize("day", [date(2014, 12, 31), date(2076, 1, 1), date(2075, 12, 31)])
def test_years_whose_holidays_are_not_known_are_refused(day: date) -> None:
    with pytest.raises(InputError) as caught:
        dutch().due(day, "D+5")
    assert caught.value.code == "bad-day"


def test_a_name_that_no_version_has_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        dutch().due(on("11-24"), "D+2")
    assert caught.value.code == "no-such-version"


def test_the_table_does_not_pass_for_law() -> None:
    assert not dutch().verified


ONE = '[[version]]\nname = "D+1"\nrule = "days"\ncount = 1\n'
HEAD = 'verified = false\ncountry = "NL"\n'


def test_an_installation_may_have_another_table() -> None:
    own = calendar(HEAD + ONE + '[[version]]\nname = "later"\nrule = "days"\ncount = 3\n')
    assert isinstance(own, Calendar)
    assert own.closes(on("11-24")) == on("11-27")
    assert own.version_name(on("11-24"), on("11-26")) == "later"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        "nonsense",
        HEAD + "version = []",
        HEAD + ONE + ONE,
        HEAD + ONE.replace("days", "weeks"),
        HEAD + ONE.replace("count = 1", "count = 0"),
        HEAD + ONE.replace("count = 1", "count = 401"),
        HEAD + ONE.replace("count = 1", "count = '1'"),
        HEAD + ONE.replace("D+1", "a name that is too long"),
        HEAD + ONE + "hour = 10\n",
        HEAD.replace("NL", "XX") + ONE,
        HEAD + ONE.replace("count = 1", "count = 9") + ONE.replace("D+1", "D+5"),
    ],
)
def test_a_table_that_does_not_say_when_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        calendar(text)
    assert caught.value.code == "bad-versions"
