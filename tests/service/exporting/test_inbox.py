"""The inbox: acknowledged, rejected, silent, told twice, unknown, and hostile."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwartier.database import open_engine
from kwartier.errors import StateError
from kwartier.service.exporting import inbox, messages
from kwartier.service.exporting.inbox import note_sent, note_silence, take_answers
from kwartier.service.exporting.messages import NEXT, Event, Message, State, Verdict, note
from kwartier.service.exporting.outbox import alone
from tests.conftest import ROOT
from tests.export.days import content, series, total
from tests.export.test_answer import written
from tests.postgres import DATABASES, with_tables
from tests.service.exporting.post import ALL, AT, Post, no, yes

HOUR_S = 3600


@pytest.fixture(params=DATABASES)
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    engine = open_engine(with_tables(str(request.param), tmp_path))
    yield Post(engine=engine, folder=tmp_path)
    engine.dispose()


@pytest.fixture
def made(post: Post) -> Message:
    post.export(content(series()))
    return post.message()


@pytest.fixture
def sent(post: Post, made: Message) -> Message:
    (post.out / made.file).rename(post.out / "sent" / made.file)
    assert note_sent(post.engine, post.out, at=AT + 60) == 1
    assert note_sent(post.engine, post.out, at=AT + 90) == 0
    return post.message()


def put_away(post: Post) -> dict[str, list[str]]:
    """What lies in the two folders of the inbox, without the marks before the names."""
    return {
        name: sorted(one.name.split("-", 1)[1] for one in (post.inbox / name).iterdir()) for name in ("done", "refused")
    }


def test_what_lies_in_sent_is_sent(sent: Message) -> None:
    assert (sent.state, sent.sent_at, sent.answered_at) == (State.SENT, AT + 60, None)


def test_an_acknowledgement_is_written_down_and_put_away(post: Post, sent: Message) -> None:
    taken = post.answer(yes(sent), at=AT + 120)
    assert (taken.verdict, taken.message_id, taken.is_done) == (Verdict.TAKEN, sent.id, True)
    after = post.message()
    assert (after.state, after.sent_at, after.answered_at) == (State.ACKNOWLEDGED, AT + 60, AT + 120)
    assert put_away(post) == {"done": ["answer.xml"], "refused": []}
    assert take_answers(post.engine, post.inbox, ALL, at=AT) == []


def test_a_reject_is_kept_with_its_reason(post: Post, sent: Message) -> None:
    assert post.answer(no(sent)).verdict == Verdict.TAKEN
    after = post.message()
    assert (after.state, after.answer) == (State.REJECTED, "unknown party")


def test_an_answer_that_is_told_twice_changes_nothing(post: Post, sent: Message) -> None:
    post.answer(yes(sent), at=AT + 100)
    before = post.message()
    taken = post.answer(yes(sent), "again.xml", at=AT + 999)
    assert (taken.verdict, taken.is_done) == (Verdict.REPEATED, True)
    assert post.message() == before
    assert put_away(post)["done"] == ["again.xml", "answer.xml"]


@pytest.mark.parametrize("accepted_first", [True, False])
def test_the_first_answer_holds(accepted_first: bool, post: Post, sent: Message) -> None:
    answers = [yes(sent), no(sent)] if accepted_first else [no(sent), yes(sent)]
    post.answer(answers[0])
    before = post.message()
    taken = post.answer(answers[1], "other.xml")
    assert (taken.verdict, taken.is_done) == (Verdict.CONTRADICTS, False)
    assert post.message() == before
    assert put_away(post)["refused"] == ["other.xml"]


def test_silence_makes_a_message_overdue_and_a_late_answer_is_taken(post: Post, sent: Message) -> None:
    assert sent.sent_at is not None
    assert note_silence(post.engine, at=sent.sent_at + 24 * HOUR_S, answer_within_h=24) == 0
    assert note_silence(post.engine, at=sent.sent_at + 24 * HOUR_S + 1, answer_within_h=24) == 1
    assert post.message().state == State.OVERDUE
    assert note_silence(post.engine, at=sent.sent_at + 99 * HOUR_S, answer_within_h=24) == 0
    assert post.answer(yes(sent)).verdict == Verdict.TAKEN
    assert post.message().state == State.ACKNOWLEDGED


def test_what_was_made_and_never_sent_is_not_overdue(post: Post, made: Message) -> None:
    assert note_silence(post.engine, at=AT + 10**7, answer_within_h=1) == 0
    assert post.message() == made


def test_whoever_answers_has_got_it(post: Post, made: Message) -> None:
    assert made.state == State.MADE
    post.answer(yes(made), at=AT + 7)
    after = post.message()
    assert (after.state, after.sent_at, after.answered_at) == (State.ACKNOWLEDGED, AT + 7, AT + 7)


@pytest.mark.parametrize("octets", [b"", b"\x00"])
def test_an_answer_to_what_was_never_made_is_refused(octets: bytes, post: Post, made: Message) -> None:
    unknown = written("00000000-0000-4000-8000-00000000ffff", sender="2900000000063")
    assert post.answer(unknown).verdict == Verdict.UNKNOWN
    assert post.answer(octets, "b.xml").verdict is None
    assert put_away(post)["refused"] == ["answer.xml", "b.xml"]
    assert post.message() == made


def test_an_id_that_has_no_text_yet_cannot_be_answered(post: Post) -> None:
    topic = messages.Topic("account", content().day, 1, "GA-west", "tso")
    fresh = messages.drawn(post.engine, topic, at=AT)
    assert post.answer(written(fresh.id, sender="10X1001A1001A264")).verdict == Verdict.UNKNOWN
    assert note(post.engine, fresh.id, Event.SENT, at=AT) == Verdict.UNKNOWN


def test_only_the_recipient_answers(post: Post, sent: Message) -> None:
    taken = post.answer(yes(sent, sender="2900000000032"))
    assert (taken.verdict, taken.reason) == (None, "it does not come from the recipient")
    assert post.message() == sent


def test_the_grid_operator_is_a_recipient_too(post: Post) -> None:
    post.export(content(total()), "account")
    assert post.answer(yes(post.message(), sender="10X1001A1001A264")).verdict == Verdict.TAKEN


def test_a_crash_before_the_answer_is_put_away_is_a_repeated_answer(
    post: Post, sent: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(inbox, "_put_away", crash)
        post.answer(yes(sent))
    before = post.message()
    assert before.state == State.ACKNOWLEDGED
    (taken,) = take_answers(post.engine, post.inbox, ALL, at=AT + 10**6)
    assert taken.verdict == Verdict.REPEATED
    assert post.message() == before


def test_what_is_no_answer_is_put_away_and_costs_no_more_than_a_look(post: Post, sent: Message) -> None:
    post.inbox.mkdir()
    secret = post.folder / "secret"
    secret.write_bytes(yes(sent))
    (post.inbox / "a-link.xml").symlink_to(secret)
    os.mkfifo(post.inbox / "b-pipe.xml")
    (post.inbox / "c-folder.xml").mkdir()
    with (post.inbox / "d-huge.xml").open("wb") as file:
        file.truncate(1 << 34)
    (post.inbox / "e-entities.xml").write_bytes(written("&x;", before='<!DOCTYPE a [<!ENTITY x "y">]>'))
    (post.inbox / ("f" + "n" * 240 + ".xml")).write_bytes(b"<")
    (post.inbox / "g\nline.xml").write_bytes(b"<")
    found = take_answers(post.engine, post.inbox, ALL, at=AT)
    assert [one.verdict for one in found] == [None] * 7
    assert all(one.reason for one in found)
    assert found[-1].file == "g\\nline.xml"
    assert post.message() == sent
    assert secret.read_bytes() == yes(sent)
    assert len(put_away(post)["refused"]) == 7
    assert [one.name for one in post.inbox.iterdir() if one.name.endswith(".xml")] == []


def test_files_that_are_not_whole_yet_are_left_alone(post: Post, sent: Message) -> None:
    post.inbox.mkdir()
    for name in (".answer.xml", "answer.xml.part", "readme.txt"):
        (post.inbox / name).write_bytes(yes(sent))
    assert take_answers(post.engine, post.inbox, ALL, at=AT) == []
    assert post.message() == sent


def test_two_do_not_read_one_inbox_at_once(post: Post, sent: Message) -> None:
    post.answer(yes(sent))
    with alone(post.inbox), pytest.raises(StateError) as caught:
        take_answers(post.engine, post.inbox, ALL, at=AT)
    assert caught.value.code == "outbox-busy"


def test_one_look_takes_a_bounded_number(post: Post, sent: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_FILES", 3)
    post.inbox.mkdir()
    for number in range(5):
        (post.inbox / f"{number}.xml").write_bytes(yes(sent))
    verdicts = [[one.verdict for one in take_answers(post.engine, post.inbox, ALL, at=AT)] for _ in range(3)]
    assert verdicts == [[Verdict.TAKEN, *[Verdict.REPEATED] * 2], [Verdict.REPEATED] * 2, []]


def test_the_page_has_the_table_of_states() -> None:
    """`docs/export.md` says of each state and event what follows, as the table in the program does."""
    lines = [line.strip("| ") for line in (ROOT / "docs" / "export.md").read_text("utf-8").splitlines()]
    rows = [tuple(part.strip() for part in line.split("|")) for line in lines if line.count("|") == 2]
    told = {(row[0], row[1]): row[2] for row in rows if row[0] in set(State)}
    assert told == {(state.value, event.value): after.value for (state, event), after in NEXT.items()}
