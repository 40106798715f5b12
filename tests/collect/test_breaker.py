"""A breaker opens where nobody answers any more, for nothing less, and always finds out when somebody does."""

import pytest

from kwartier.collect.breaker import FAILURES, FIRST_PROBE_S, LAST_PROBE_S, Breaker, Breakers


def fail(breaker: Breaker, member: str, *, began_s: float, now_s: float, is_first: bool = True) -> None:
    breaker.ended(member, is_first=is_first, answered=False, began_s=began_s, now_s=now_s)


def opened() -> Breaker:
    """A breaker that opened at 20 s."""
    breaker = Breaker()
    for number in range(FAILURES):
        assert breaker.next_s(20.0) == 20.0
        fail(breaker, f"{number}", began_s=0.0, now_s=20.0)
    assert breaker.is_open
    return breaker


def test_it_opens_after_failures_of_different_members_and_closes_at_any_answer() -> None:
    breaker = Breaker()
    for number in range(3 * FAILURES):
        fail(breaker, f"{number % (FAILURES - 1)}", began_s=0.0, now_s=0.0)
    assert breaker.next_s(0.0) == 0.0, "a few that fail again and again are no silent group"
    fail(breaker, "x", began_s=0.0, now_s=0.0)
    now_s, pauses = 0.0, list[float]()
    for number in range(8):
        pauses.append(breaker.next_s(now_s) - now_s)
        began_s = breaker.next_s(now_s)
        assert breaker.next_s(began_s) == began_s
        breaker.begun()
        now_s = began_s + 20
        assert breaker.next_s(now_s) > now_s, "one at a time"
        fail(breaker, "began before it opened", began_s=-1.0, now_s=now_s)
        assert breaker.next_s(now_s) > now_s
        fail(breaker, f"probe {number}", began_s=began_s, now_s=now_s)
    assert pauses[:3] == [FIRST_PROBE_S, 2 * FIRST_PROBE_S, 4 * FIRST_PROBE_S]
    assert pauses[-1] == LAST_PROBE_S
    breaker.ended("anybody", is_first=False, answered=True, began_s=-1.0, now_s=now_s)
    assert breaker.next_s(now_s) == now_s
    assert not breaker.is_open


def test_a_probe_that_our_own_system_spoilt_is_made_again() -> None:
    breaker = opened()
    at_s = breaker.next_s(20.0)
    breaker.begun()
    breaker.ended("probe", is_first=True, answered=None, began_s=at_s, now_s=at_s + 1)
    assert breaker.is_open
    assert breaker.next_s(at_s + 1) == at_s + 1


def test_what_began_before_the_last_answer_proves_nothing() -> None:
    breaker = Breaker()
    breaker.ended("x", is_first=True, answered=True, began_s=0.0, now_s=3.0)
    for number in range(3 * FAILURES):
        fail(breaker, f"{number}", began_s=2.0, now_s=20.0)
    assert not breaker.is_open
    for number in range(FAILURES):
        fail(breaker, f"{number}", began_s=4.0, now_s=24.0)
    assert breaker.is_open


def test_meters_that_failed_before_prove_nothing_by_failing_again() -> None:
    breaker = Breaker()
    for number in range(3 * FAILURES):
        fail(breaker, f"{number}", began_s=0.0, now_s=20.0, is_first=False)
    assert not breaker.is_open


@pytest.mark.parametrize("answered", [False, None])
def test_a_group_without_a_name_is_none(answered: bool | None) -> None:
    breakers = Breakers()
    for number in range(3 * FAILURES):
        assert not breakers.ended("", f"{number}", is_first=True, answered=answered, began_s=0.0, now_s=20.0)
    assert not breakers.open
