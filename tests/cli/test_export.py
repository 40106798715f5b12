"""``kwartier export``: what an operator sees of messages, from the first export to an answer that contradicts another."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from kwartier.database import writing
from kwartier.service.exporting.messages import listed
from kwartier.service.exporting.outbox import alone
from kwartier.settle.tables import AreaState
from kwartier.tables import messages
from tests.cli.command import Ran, run
from tests.export.days import PLAIN
from tests.export.reading import parsed, texts
from tests.export.test_answer import written
from tests.service.settled_day import Town, town

HOUR_S = 3600
DATE = ("--date", f"{PLAIN}")
DELTA, TSO = "2900000000032", "10X1001A1001A264"
Command = Callable[..., Ran]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    with town(tmp_path, PLAIN) as found:
        yield found


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``kwartier export ...``"""

    def act(*words: object) -> Ran:
        return run("export", *(f"{word}" for word in words), capsys=capsys, monkeypatch=monkeypatch)

    return act


@pytest.mark.parametrize(("kind", "count"), [("validated", 2), ("aggregated", 3), ("account", 2)])
def test_messages_are_written_and_counted_and_the_second_time_unchanged(
    place: Town, export: Command, kind: str, count: int
) -> None:
    place.publish()
    out = place.folder / "new" / "out"
    ran = export(kind, *DATE, "--out", out)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"{kind} of {PLAIN}, version 1: {count} messages in {out}, 0 of them unchanged\n"
    assert len(list(out.glob("*.xml"))) == count
    assert {one.name for one in out.iterdir() if one.is_dir()} == {"sent", "parquet", "csv"}
    ran = export(kind, *DATE, "--out", out, "--version", 1, "--reason", "asked for again", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert (told["date"], told["kind"], told["version"], told["final"]) == (f"{PLAIN}", kind, 1, False)
    assert (told["messages"], told["unchanged"], told["withheld"]) == (count, count, [])
    assert sorted(told["files"]) == sorted(f"{one}" for one in out.glob("*.xml"))


def test_by_default_the_outbox_is_in_the_home(place: Town, export: Command) -> None:
    place.publish(late=60)
    ran = export("account", *DATE)
    assert ran.code == 0
    assert "version 1, the last of the day: 2 messages" in ran.err
    assert len(list((place.home.path / "outbox").glob("*.xml"))) == 2


def test_what_is_withheld_is_named_and_the_command_ends_with_1(place: Town, export: Command) -> None:
    place.publish(place.settled(oost=AreaState.STOPPED))
    ran = export("aggregated", *DATE, "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["withheld"] == [
        {"grid_area": "GA-oost", "state": "stopped", "code": "", "reason": "no infeed"}
    ]
    assert ran.err.splitlines()[-1] == "withheld: grid area 'GA-oost' is stopped: no infeed"
    assert json.loads(ran.out)["messages"] == 2


def test_nothing_is_written_of_a_day_that_is_not_settled_or_held(place: Town, export: Command) -> None:
    ran = export("validated", *DATE, "--out", place.out)
    assert (ran.code, ran.out) == (1, "")
    assert "[never-settled]" in ran.err
    assert f"kwartier settle run --date {PLAIN}" in ran.err
    place.publish(place.settled(west=AreaState.HELD))
    for kind in ("validated", "aggregated", "account"):
        ran = export(kind, *DATE, "--out", place.out)
        assert (ran.code, ran.out) == (1, "")
        assert "[settlement-held]" in ran.err
    assert not place.out.exists()
    ran = export("validated", *DATE, "--version", 9)
    assert (ran.code, "[no-such-version]" in ran.err) == (2, True)
    assert export("validated", "--date", "yesterday").code == 2


def test_without_a_date_it_is_yesterday(place: Town, export: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish()
    monkeypatch.setattr(time, "time", lambda: float(place.at))
    assert json.loads(export("aggregated", "--json").out)["date"] == f"{PLAIN}"


@pytest.mark.parametrize("kind", ["validated", "aggregated", "account"])
def test_the_manual_says_whose_schemas_these_are(export: Command, kind: str) -> None:
    text = " ".join(export(kind, "--help").out.split())
    assert "Dutch sector" in text
    assert ("not schema-validated" if kind == "account" else "another country") in text


# What came of them.


def test_messages_are_listed_with_their_states(place: Town, export: Command) -> None:
    place.publish()
    export("account", *DATE)
    export("validated", *DATE)
    ran = export("messages", "--json")
    found = json.loads(ran.out)["messages"]
    assert [(one["kind"], one["recipient"], one["state"]) for one in found] == [
        ("account", "tso", "made"),
        ("account", "tso", "made"),
        ("validated", "Polderstroom", "made"),
        ("validated", "Zonnewende", "made"),
    ]
    assert {one["date"] for one in found} == {f"{PLAIN}"}
    lines = export("messages").out.splitlines()
    assert lines[0].split()[:3] == ["date", "kind", "version"]
    assert len(lines) == 5
    assert json.loads(export("messages", "--date", "2026-11-24", "--json").out) == {"messages": []}
    assert json.loads(export("messages", "--state", "sent", "--json").out) == {"messages": []}
    assert len(json.loads(export("messages", *DATE, "--state", "made", "--json").out)["messages"]) == 4


@pytest.fixture
def sent(place: Town, export: Command) -> list[str]:
    """The ids of two messages to the operator of the transmission grid, which were sent."""
    place.publish()
    assert export("account", *DATE, "--out", place.out).code == 0
    for path in place.out.glob("*.xml"):
        path.rename(place.out / "sent" / path.name)
    return [one.id for one in listed(place.home.engine)]


def look(place: Town, export: Command, *answers: bytes) -> Ran:
    """What `export inbox` makes of some answers."""
    folder = place.folder / "in"
    folder.mkdir(exist_ok=True)
    for number, octets in enumerate(answers):
        (folder / f"{number}.xml").write_bytes(octets)
    return export("inbox", "--from", folder, "--out", place.out, "--json")


def test_what_was_sent_and_acknowledged_is_noted_and_a_duplicate_changes_nothing(
    place: Town, export: Command, sent: list[str]
) -> None:
    ran = look(place, export)
    assert (ran.code, json.loads(ran.out)) == (0, {"sent": 2, "answers": [], "overdue": 0})
    yes = written(sent[0], "A01", sender=TSO)
    for verdict in ("taken", "repeated"):
        ran = look(place, export, yes)
        assert ran.code == 0
        told = {"file": "0.xml", "verdict": verdict, "message": sent[0], "state": "acknowledged", "reason": ""}
        assert json.loads(ran.out)["answers"] == [told]
    states = {one["id"]: one["state"] for one in json.loads(export("messages", "--json").out)["messages"]}
    assert states == {sent[0]: "acknowledged", sent[1]: "sent"}
    # What was sent is not put back, whatever was answered.
    ran = export("account", *DATE, "--out", place.out, "--json")
    assert (json.loads(ran.out)["unchanged"], list(place.out.glob("*.xml"))) == (2, [])


def test_a_reject_is_kept_in_its_words_and_somebody_has_to_look(place: Town, export: Command, sent: list[str]) -> None:
    ran = look(place, export, written(sent[0], "A02", sender=TSO, text="unknown \x9b31m area"))
    assert ran.code == 1
    (told,) = json.loads(ran.out)["answers"]
    assert (told["verdict"], told["state"]) == ("taken", "rejected")
    line = next(one for one in export("messages").out.splitlines() if sent[0] in one)
    assert "rejected" in line
    assert line.endswith("unknown  31m area")
    # An acceptance comes too late: the first answer holds.
    ran = look(place, export, written(sent[0], "A01", sender=TSO))
    (told,) = json.loads(ran.out)["answers"]
    assert (ran.code, told["verdict"], told["state"]) == (1, "contradicts", "rejected")
    assert [one.name.split("-", 1)[1] for one in (place.folder / "in" / "refused").iterdir()] == ["0.xml"]
    # The same reject again is nothing new.
    ran = look(place, export, written(sent[0], "A02", sender=TSO))
    assert (ran.code, json.loads(ran.out)["answers"][0]["verdict"]) == (0, "repeated")


def test_silence_is_overdue_after_the_hours_of_the_settings(place: Town, export: Command, sent: list[str]) -> None:
    look(place, export, written(sent[0], "A01", sender=TSO))
    _sent_before(place, 2 * HOUR_S - 60)
    assert json.loads(look(place, export).out)["overdue"] == 0
    _sent_before(place, 2 * HOUR_S + 60)
    ran = look(place, export)
    assert (ran.code, json.loads(ran.out)["overdue"]) == (1, 1)
    assert [one["id"] for one in json.loads(export("messages", "--state", "overdue", "--json").out)["messages"]] == [
        sent[1]
    ]
    ran = look(place, export)
    assert (ran.code, json.loads(ran.out)["overdue"]) == (0, 0), "it is told once"
    ran = look(place, export, written(sent[1], "A01", sender=TSO))
    assert (ran.code, json.loads(ran.out)["answers"][0]["state"]) == (0, "acknowledged")


def _sent_before(place: Town, seconds: int) -> None:
    with writing(place.home.engine) as connection:
        connection.execute(update(messages).values(sent_at=int(time.time()) - seconds))


def test_answers_that_are_none_are_put_aside_and_said_in_words(place: Town, export: Command, sent: list[str]) -> None:
    folder = place.home.path / "inbox"
    folder.mkdir()
    (folder / "a.xml").write_bytes(written("of-nobody", "A01", sender=TSO))
    (folder / "b.xml").write_bytes(b"<html>")
    (folder / "c.xml").write_bytes(written(sent[0], "A01", sender=DELTA))
    (folder / "d.xml").write_bytes(written(sent[0], "A01", sender=TSO))
    ran = export("inbox", "--out", place.out)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        "a.xml: unknown: message - is none of ours: it answers a message that was never made here",
        "b.xml: refused: message - is none of ours: it is no well-formed XML",
        f"c.xml: refused: message {sent[0]} is acknowledged: it does not come from the recipient",
        f"d.xml: taken: message {sent[0]} is acknowledged",
        "2 sent, 1 answers taken, 3 refused, 0 overdue",
    ]
    assert len(list((folder / "refused").iterdir())) == 3


def test_it_takes_a_role_to_say_what_came_of_messages(place: Town, export: Command, sent: list[str]) -> None:
    with (place.home.path / "kwartier.toml").open("a") as settings:
        settings.write('\n[roles]\n"os:*" = ["customer-desk"]\n')
    ran = look(place, export, written(sent[0], "A01", sender=TSO))
    assert (ran.code, ran.out) == (1, "")
    assert "[no-role]" in ran.err
    ran = export("account", *DATE, "--out", place.out)
    assert (ran.code, "[wrong-role]" in ran.err) == (1, True)
    assert (place.folder / "in" / "0.xml").exists()


def test_two_do_not_export_into_one_folder_at_once(place: Town, export: Command) -> None:
    place.publish()
    place.out.mkdir()
    with alone(place.out):
        ran = export("validated", *DATE, "--out", place.out)
    assert (ran.code, "[outbox-busy]" in ran.err) == (1, True)


def test_a_code_that_is_missing_is_named(place: Town, export: Command) -> None:
    place.publish()
    settings = place.home.path / "kwartier.toml"
    settings.write_text(settings.read_text().replace('"Zonnewende"', '"Somebody else"'))
    ran = export("validated", *DATE, "--out", place.out)
    assert (ran.code, ran.out) == (2, "")
    assert "[no-code]" in ran.err
    assert "'Zonnewende' under [parties]" in ran.err
    (whole,) = place.texts().values()
    assert texts(parsed(whole), "receiver_MarketParticipant.mRID") == ["2900000000063"]
