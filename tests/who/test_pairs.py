"""Four eyes: another actor, the same thing, in time, and once - also when many try at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine

from kwartier.database import writing
from kwartier.errors import KwartierError
from kwartier.who.actor import Actor
from kwartier.who.pairs import APPROVE_WITHIN_S, MAX_OPEN, SPEND_WITHIN_S, Pairs, operations, void
from kwartier.who.roles import roles
from tests.conftest import ROOT

NOW = 1_780_000_000
DIGEST, OTHER = "ab" * 32, "cd" * 32
KIND = "bulk-export"


def actor(name: str, *given: str) -> Actor:
    return Actor(name=name, roles=frozenset(given or ("operator",)), via="os")


EVA, PIET = actor("os:eva"), actor("os:piet")


@pytest.fixture
def pairs(engine: Engine) -> Pairs:
    return Pairs(engine, {"os:eva": "eva", "oidc:corp:1": "eva"})


def ask(pairs: Pairs, who: Actor = EVA, at: int = NOW) -> str:
    return pairs.request(KIND, DIGEST, who, text="a month of 12 connections", at=at)


def code(step: Callable[[], object]) -> str | None:
    """How a step was refused; None: it was not."""
    try:
        step()
    except KwartierError as error:
        return error.code
    return None


def test_every_operation_is_open_to_roles_that_there_are_and_documented() -> None:
    page = (ROOT / "docs" / "identity.md").read_text("utf-8")
    for one in operations().values():
        assert set(one.roles) <= roles().keys()
        assert f"`{one.name}` | {one.what}" in page


def test_one_asks_another_approves_and_it_is_done_once(pairs: Pairs) -> None:
    name = ask(pairs)
    (waiting,) = pairs.pending(at=NOW)
    assert (waiting.id, waiting.kind, waiting.asked_by, waiting.text) == (
        name,
        KIND,
        EVA.name,
        "a month of 12 connections",
    )
    assert code(lambda: pairs.spend(name, KIND, DIGEST, at=NOW)) == "not-approved"
    approved = pairs.approve(name, PIET, at=NOW + 60)
    assert (approved.digest, approved.ends_at) == (DIGEST, NOW + 60 + SPEND_WITHIN_S)
    assert pairs.pending(at=NOW + 60) == []
    pairs.spend(name, KIND, DIGEST, at=NOW + 120)
    assert code(lambda: pairs.spend(name, KIND, DIGEST, at=NOW + 121)) == "approval-over"
    assert code(lambda: pairs.approve(name, PIET, at=NOW + 122)) == "approval-over"


def test_nobody_is_two_by_another_name(pairs: Pairs) -> None:
    name = ask(pairs)
    assert code(lambda: pairs.approve(name, EVA, at=NOW)) == "same-actor"
    assert code(lambda: pairs.approve(name, actor("oidc:corp:1"), at=NOW)) == "same-actor"
    assert code(lambda: pairs.approve(name, actor("oidc:corp:2"), at=NOW)) is None


def test_that_two_names_are_one_person_also_counts_when_it_is_found_out_later(engine: Engine, pairs: Pairs) -> None:
    name = ask(pairs)
    pairs.approve(name, PIET, at=NOW)
    wiser = Pairs(engine, {"os:eva": "eva", "os:piet": "eva"})
    assert code(lambda: wiser.spend(name, KIND, DIGEST, at=NOW)) == "same-actor"
    assert code(lambda: pairs.spend(name, KIND, DIGEST, at=NOW)) is None


def test_both_need_a_role_of_the_operation(pairs: Pairs) -> None:
    auditor = actor("os:anna", "auditor", "customer")
    assert code(lambda: ask(pairs, auditor)) == "no-role"
    name = ask(pairs)
    assert code(lambda: pairs.approve(name, auditor, at=NOW)) == "no-role"
    assert code(lambda: pairs.approve(name, Actor(name="os:x", roles=frozenset(), via="os"), at=NOW)) == "no-role"
    assert len(pairs.pending(at=NOW)) == 1


@pytest.mark.parametrize(("kind", "digest"), [(KIND, OTHER), ("key-export", DIGEST), (KIND, ""), ("", "")])
def test_what_was_approved_is_good_for_nothing_else(kind: str, digest: str, pairs: Pairs) -> None:
    name = ask(pairs)
    pairs.approve(name, PIET, at=NOW)
    assert code(lambda: pairs.spend(name, kind, digest, at=NOW)) == "other-operation"
    assert code(lambda: pairs.spend(name, KIND, DIGEST, at=NOW)) is None, "and is not used up by the attempt"


def test_both_steps_have_their_time(pairs: Pairs) -> None:
    first, second = ask(pairs), ask(pairs)
    late = NOW + APPROVE_WITHIN_S
    assert code(lambda: pairs.approve(first, PIET, at=late)) == "approval-over"
    assert pairs.pending(at=late) == []
    assert code(lambda: pairs.approve(second, PIET, at=late - 1)) is None
    assert code(lambda: pairs.spend(second, KIND, DIGEST, at=late - 1 + SPEND_WITHIN_S)) == "approval-over"
    assert code(lambda: pairs.spend(second, KIND, DIGEST, at=late - 2 + SPEND_WITHIN_S)) is None


@pytest.mark.parametrize("name", ["", "x", "0" * 32, "a\0b", "0" * 10_000])
def test_what_nobody_asked_for_is_unknown(name: str, pairs: Pairs) -> None:
    assert code(lambda: pairs.approve(name, PIET, at=NOW)) == "unknown-approval"
    assert code(lambda: pairs.spend(name, KIND, DIGEST, at=NOW)) == "unknown-approval"


def test_only_operations_of_the_list_with_a_whole_digest_can_be_asked_for(pairs: Pairs) -> None:
    assert code(lambda: pairs.request("shutdown", DIGEST, EVA, text="", at=NOW)) == "unknown-operation"
    for digest in ("", "ab", DIGEST.upper(), DIGEST + "\n"):
        assert code(partial(pairs.request, KIND, digest, EVA, text="", at=NOW)) == "bad-digest"


def test_a_text_is_a_line_and_no_more(pairs: Pairs) -> None:
    pairs.request(KIND, DIGEST, EVA, text="one\n\x1b[2Jtwo" + "x" * 500, at=NOW)
    (waiting,) = pairs.pending(at=NOW)
    assert waiting.text.startswith("one  [2Jtwo")
    assert len(waiting.text) == 200


def test_one_actor_can_ask_for_so_much_and_no_more(pairs: Pairs) -> None:
    for _ in range(MAX_OPEN):
        ask(pairs)
    assert code(lambda: ask(pairs)) == "too-many-requests"
    assert code(lambda: ask(pairs, PIET)) is None
    assert code(lambda: ask(pairs, at=NOW + APPROVE_WITHIN_S)) is None


def test_of_many_who_spend_at_once_one_does(pairs: Pairs) -> None:
    name = ask(pairs)
    with ThreadPoolExecutor(8) as threads:
        approved = list(threads.map(lambda _: code(lambda: pairs.approve(name, PIET, at=NOW)), range(8)))
        spent = list(threads.map(lambda _: code(lambda: pairs.spend(name, KIND, DIGEST, at=NOW)), range(8)))
    assert sorted(map(str, approved)) == ["None", *["approval-over"] * 7]
    assert sorted(map(str, spent)) == ["None", *["approval-over"] * 7]


def test_after_a_restore_nothing_that_was_open_can_be_done(engine: Engine, pairs: Pairs) -> None:
    """It may have been done between the backup and its loss."""
    approved, asked = ask(pairs), ask(pairs)
    pairs.approve(approved, PIET, at=NOW)
    with writing(engine) as connection:
        void(connection, at=NOW + 1)
    assert pairs.pending(at=NOW + 2) == []
    assert code(lambda: pairs.spend(approved, KIND, DIGEST, at=NOW + 2)) == "approval-over"
    assert code(lambda: pairs.approve(asked, PIET, at=NOW + 2)) == "approval-over"
    assert code(lambda: pairs.spend(asked, KIND, DIGEST, at=NOW + 2)) == "approval-over"
