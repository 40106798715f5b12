"""Sessions, their tokens, and tokens of issuers that wait: bounded, and nothing of them can be used by who only saw them."""

import pytest

from kwartier.errors import SecurityError
from kwartier.web.sessions import ID_BYTES, MAX_ASIDE, MAX_OF_ONE, Aside, Sessions, fresh
from kwartier.who.actor import Actor
from tests.web.installation import Clock


def somebody(name: str) -> Actor:
    return Actor(name=name, roles=frozenset(), via="account")


def test_ids_are_long_random_and_not_kept() -> None:
    sessions = Sessions(Clock(0))
    ids = {sessions.begin(somebody("a")) for _ in range(10)}
    assert len(ids) == 10
    assert min(map(len, ids)) >= ID_BYTES * 4 // 3
    kept = repr(vars(sessions))
    assert not any(one in kept for one in ids)


def test_only_the_whole_id_finds_a_session() -> None:
    sessions = Sessions(Clock(0))
    own = sessions.begin(somebody("a"))
    assert sessions.find(own) is not None
    for other in ("", own[:-1], own + "A", own.swapcase(), "\udc80", "x" * 100_000):
        assert sessions.find(other) is None


def test_there_are_only_so_many_and_the_oldest_gives_way() -> None:
    clock = Clock(0)
    sessions = Sessions(clock, most=5)
    ids = [sessions.begin(somebody(f"{number}")) for number in range(7)]
    assert len(sessions) == 5
    assert [sessions.find(one) is not None for one in ids] == [False, False, *[True] * 5]


def test_one_actor_has_only_so_many() -> None:
    sessions = Sessions(Clock(0))
    other = sessions.begin(somebody("b"))
    ids = [sessions.begin(somebody("a")) for _ in range(MAX_OF_ONE + 3)]
    assert [sessions.find(one) is not None for one in ids] == [False] * 3 + [True] * MAX_OF_ONE
    assert sessions.find(other) is not None


def test_listening_does_not_use_a_session() -> None:
    clock = Clock(0)
    sessions = Sessions(clock, idle_s=100)
    own = sessions.begin(somebody("a"))
    clock.at = 60
    assert sessions.holds(own)
    clock.at = 100
    assert not sessions.holds(own)


def test_a_token_is_of_its_cookie_and_of_this_process() -> None:
    sessions, others = Sessions(Clock(0)), Sessions(Clock(0))
    cookie = fresh()
    assert sessions.is_token(sessions.token(cookie), cookie)
    assert not sessions.is_token(sessions.token(cookie), fresh())
    assert not sessions.is_token(others.token(cookie), cookie)
    assert not sessions.is_token(sessions.token(cookie, "nonce"), cookie)
    assert not sessions.is_token(sessions.token(""), "")


def test_what_waits_is_bounded() -> None:
    aside = Aside()
    names = [aside.put(f"token {number}", 0) for number in range(MAX_ASIDE + 1)]
    with pytest.raises(SecurityError):
        aside.take(names[0], 0)
    assert aside.take(names[-1], 0) == f"token {MAX_ASIDE}"
