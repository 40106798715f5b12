"""What a person contests stands at once, ends with a reason, and a correction is a version beside the one before."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from kwartier.database import reading
from kwartier.errors import InputError, KwartierError, StateError
from kwartier.gate.holds import Holds, Standing
from kwartier.gate.purposes import Hold
from kwartier.service import backup
from kwartier.service.home import Home, open_home
from kwartier.service.subject import contesting, corrections
from kwartier.service.subject.contesting import Check, Saying
from kwartier.service.subject.requests import Requests, State
from kwartier.service.subject.seeing import See, through_gate
from kwartier.store import Store
from kwartier.store.reader import Reader
from kwartier.tables import findings
from tests.gate.rooms import EVA
from tests.postgres import DATABASES
from tests.service.subject.planted import NOW, OLD, ONE_DAY, day_of, ean, planted_home, told, wall
from tests.store.entries import ZONE

DAY = OLD[2]
CHECK = Check(by="os:desk", found="read at the door", approval="a1")


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    with open_home(planted_home(tmp_path, request.param, "none")) as opened:
        yield opened


def said(ground: str = "", start: date = DAY, end: date = DAY + ONE_DAY) -> Saying:
    return Saying(ean=ean(1), days=(start, end), by="os:desk", reason="it cannot be so much", ground=ground)


def standing(home: Home) -> list[Standing]:
    with reading(home.engine) as connection:
        return [one for one in Holds(home.engine).of(connection, ean(1)) if one.ended_at is None]


def see(home: Home) -> See:
    return through_gate(home, asking=EVA, purpose="complaint", reason="dispute")


def csv_file(folder: Path, *rows: str) -> Path:
    path = folder / "corrected.csv"
    path.write_text("\n".join(["meter,quarter_end,import_wh,export_wh", *rows]) + "\n")
    return path


def stamp(place: int, day: date = DAY) -> str:
    return datetime.fromtimestamp(int(day_of(1, day).times[place]), UTC).isoformat()


def test_a_restriction_and_an_objection_stand_at_once_and_are_lifted_with_a_reason(home: Home) -> None:
    first = contesting.restrict(home, said("unlawful"), wall=wall)
    second = contesting.object_to(home, said(), wall=wall)
    assert [(one.id, one.kind) for one in sorted(standing(home), key=lambda one: one.kind)] == [
        (second.hold, Hold.OBJECTION),
        (first.hold, Hold.RESTRICTION),
    ]
    assert contesting.lift(home, first.hold, by="os:officer", reason="settled", wall=wall)
    assert not contesting.lift(home, first.hold, by="os:other", reason="again", wall=wall)
    assert [one.id for one in standing(home)] == [second.hold]
    found = Requests(home.engine).get(first.request)
    assert (found.state, found.ground) == (State.DONE, "unlawful: AVG art. 18(1)(b) (text not verified)")
    assert found.detail["lifted"] == {"at": NOW, "by": "os:officer", "reason": "settled"}
    said_so = told(home, "right", "hold-ended")
    assert [one["kind"] for one in said_so] == ["right", "right", "hold-ended"]
    assert ean(1) not in str(said_so)
    with pytest.raises(InputError) as refused:
        contesting.restrict(home, said("because"), wall=wall)
    assert refused.value.code == "unknown-ground"


def test_a_dispute_that_is_not_so_ends_with_the_reason(home: Home) -> None:
    made = contesting.dispute(home, said(), wall=wall)
    with pytest.raises(InputError) as refused:
        contesting.lift(home, made.hold, by="os:desk", reason="no", wall=wall)
    assert refused.value.code == "open-dispute"
    contesting.find_right(home, made.request, CHECK, wall=wall)
    found = Requests(home.engine).get(made.request)
    assert (found.state, found.detail["check"], found.detail["approval"]) == (State.REFUSED, "read at the door", "a1")
    assert standing(home) == []
    with pytest.raises(StateError):
        contesting.find_right(home, made.request, CHECK, wall=wall)


def test_a_correction_is_a_new_version_marked_by_a_finding(home: Home, tmp_path: Path) -> None:
    before = day_of(1, DAY).registers
    made = contesting.dispute(home, said(), wall=wall)
    changed = int(before["import_wh"][40]) + 1
    path = csv_file(tmp_path, f"m1,{stamp(40)},{changed},", f"m1,{stamp(96)},,{int(before['export_wh'][96]) + 9}")
    found = corrections.load(path, ean(1), ZONE, see(home))
    assert contesting.correct(home, made.request, CHECK, found, wall=wall) == 1
    (shown,) = see(home)(ean(1), DAY, DAY + ONE_DAY)
    assert shown.versions == {DAY: 2}
    expected = before["import_wh"].copy()
    expected[40] = changed
    assert shown.readings.registers["import_wh"][1:].tolist() == expected[1:].tolist()
    assert int(shown.readings.registers["export_wh"][96]) == int(before["export_wh"][96]) + 9
    assert len(Reader(home.store_folder).ids(DAY)) == 4, "what the meter sent is still there"
    with reading(home.engine) as connection:
        marks = connection.execute(select(findings).where(findings.c.code == contesting.RECTIFIED)).all()
    assert [(mark.day, mark.reason) for mark in marks] == [(DAY, made.request)]
    request = Requests(home.engine).get(made.request)
    assert (request.state, request.decision, standing(home)) == (State.DONE, "granted", [])
    # The others of that day are as they were, and a second time changes nothing.
    (other,) = see(home)(ean(0), DAY, DAY + ONE_DAY)
    assert other.versions == {DAY: 1}
    assert contesting.correct(home, made.request, CHECK, found, wall=wall) == 1
    assert len(Reader(home.store_folder).ids(DAY)) == 4


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_correction_that_is_broken_off_is_ended_by_the_next_attempt(
    home: Home, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = contesting.dispute(home, said(), wall=wall)
    found = corrections.load(csv_file(tmp_path, f"m1,{stamp(40)},5,"), ean(1), ZONE, see(home))
    append = Store.append

    def lost(self: Store, batch: str, entries: list[object]) -> None:
        if moment == "after":
            append(self, batch, entries)  # type: ignore[arg-type]  # as given
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Store, "append", lost)
        contesting.correct(home, made.request, CHECK, found, wall=wall)
    assert Requests(home.engine).get(made.request).state is State.ACCEPTED
    assert len(standing(home)) == 1, "until it is done nothing of these days is deleted"
    contesting.correct(home, made.request, CHECK, found, wall=wall)
    assert len(Reader(home.store_folder).ids(DAY)) == 4
    with reading(home.engine) as connection:
        marks = connection.execute(select(findings).where(findings.c.code == contesting.RECTIFIED)).all()
    assert len(marks) == 1
    assert Requests(home.engine).get(made.request).state is State.DONE


def test_a_backup_takes_a_correction_along(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is made while the backup is."""
    made = contesting.dispute(home, said(), wall=wall)
    found = corrections.load(csv_file(tmp_path, f"m1,{stamp(40)},5,"), ean(1), ZONE, see(home))
    dump = backup._dump

    def meanwhile(engine, folder):  # type: ignore[no-untyped-def]  # as what it stands for
        contesting.correct(home, made.request, CHECK, found, wall=wall)
        return dump(engine, folder)

    monkeypatch.setattr(backup, "_dump", meanwhile)
    backup.create(home, tmp_path / "backup", wall=wall)
    assert len(Reader(tmp_path / "backup" / "store").ids(DAY)) == 4


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("m1,2026-01-01T12:15:01Z,5,", "bad-rows"),
        ("m1,2026-01-01T12:15:00,5,", "bad-rows"),
        ("m1,2026-01-01T12:15:00Z,-5,", "bad-rows"),
        ("m9,2026-01-01T12:15:00Z,5,", "bad-correction"),
        ("m1,2026-01-20T12:15:00Z,5,", "bad-correction"),
    ],
)
def test_a_file_that_corrects_nothing_that_is_stored_is_refused(tmp_path: Path, row: str, code: str) -> None:
    with open_home(planted_home(tmp_path, "sqlite", "none")) as opened:
        with pytest.raises(InputError) as refused:
            corrections.load(csv_file(tmp_path, row), ean(1), ZONE, see(opened))
        assert refused.value.code == code
        assert "-5" not in refused.value.sentence()


def test_only_days_of_the_dispute_are_corrected(tmp_path: Path) -> None:
    with open_home(planted_home(tmp_path, "sqlite", "none")) as opened:
        made = contesting.dispute(opened, said(), wall=wall)
        other = corrections.load(csv_file(tmp_path, f"m1,{stamp(40, OLD[1])},5,"), ean(1), ZONE, see(opened))
        restricted = contesting.restrict(opened, said("unlawful"), wall=wall)
        for request, days, code in (
            (made.request, other, "bad-correction"),
            (made.request, [], "bad-correction"),
            (restricted.request, other, "unknown-request"),
            ("nobody", other, "unknown-request"),
        ):
            with pytest.raises(KwartierError) as refused:
                contesting.correct(opened, request, CHECK, days, wall=wall)
            assert refused.value.code == code
        with pytest.raises(InputError):
            contesting.find_right(opened, restricted.request, CHECK, wall=wall)
