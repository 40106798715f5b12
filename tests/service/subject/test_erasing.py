"""Whoever is erased is nowhere: not by name at once, not in any byte of the home after that; and nobody else is touched."""

import json
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, insert, select

from kwartier.database import reading, writing
from kwartier.errors import InputError
from kwartier.gate.erased import Unerased, UnerasedVolumes
from kwartier.gate.holds import Holds
from kwartier.gate.ids import Ids
from kwartier.gate.purposes import Hold
from kwartier.service.home import Home, open_home
from kwartier.service.subject import carrying
from kwartier.service.subject.carrying import carry_out
from kwartier.service.subject.erasing import Answer, Wish, commitment, erase
from kwartier.service.subject.requests import Requests, State
from kwartier.service.subject.rules import Outcome
from kwartier.service.upkeep import tidy
from kwartier.store import erase as store_steps
from kwartier.store.log import Log
from kwartier.store.memory import CARRIED, GATHERED
from kwartier.store.pins import Pins
from kwartier.store.reader import Reader
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import KINDS, VALIDATED, TableKind
from kwartier.store.volumes_reader import VolumesReader
from kwartier.tables import (
    access_connections,
    claims,
    dues,
    erasures,
    exchanges,
    findings,
    persons,
    reading_ids,
    substitutes,
    validation_findings,
    visits,
)
from tests.postgres import DATABASES
from tests.service.subject.planted import (
    DAYS,
    NOW,
    OLD,
    ONE_DAY,
    PERSONS,
    TODAY,
    YOUNG,
    Search,
    day_of,
    ean,
    every_value,
    planted_home,
    told,
    volumes_of,
    wall,
)
from tests.store.entries import entry

ALL = (date(2000, 1, 1), date(2030, 1, 1))
PATIENCE_S = 60.0


def wish(number: int = 1, days: tuple[date, date] = ALL, **more: object) -> Wish:
    return Wish(ean=ean(number), days=days, ground="no-longer-needed", by="os:privacy", **more)  # type: ignore[arg-type]  # as given


def shown(home: Home, number: int) -> set[date]:
    """The days that the gate's way into the store shows of a connection."""
    reader = Unerased(home.engine, Reader(home.store_folder, home.day_keys))
    volumes = UnerasedVolumes(home.engine, VolumesReader(home.store_folder, home.day_keys))
    ids = list(Ids(home.engine).of_connection(ean(number), (2025, 2026)).values())
    spans = [(OLD[0], OLD[-1] + ONE_DAY), (YOUNG[0], TODAY)]
    looked_up = {stack.day for span in spans for stack in reader.look_up(ids, *span)}
    for day in DAYS:
        wanted = day in looked_up
        assert any(set(stack.ids.tolist()) & set(ids) for stack in reader.scan(day)) == wanted
        assert bool(set(reader.ids(day).tolist()) & set(ids)) == wanted
        made = volumes.heads(day, None).ids
        assert bool(set(made.tolist()) & set(ids)) == wanted
        assert bool([one for one in volumes.look_up({day: np.array(ids)}, {day: None}) if len(one)]) == wanted
        everyone = VolumesReader(home.store_folder, home.day_keys).heads(day).ids
        source, pieces = volumes.work(day, None, everyone)
        assert sorted(i for piece in pieces for i in source.read(piece)["id"].to_pylist() if i) == made.tolist()
    return looked_up


def without_memory(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Rows of both tables, but for what those of the validated one have of other days, too."""
    names = VALIDATED.columns.names
    gone = {*GATHERED, *CARRIED, *CARRIED.values()}
    return [
        tuple(value for name, value in zip(names, row, strict=True) if name not in gone)
        if len(row) == len(names)
        else row
        for row in rows
    ]


@pytest.mark.parametrize("encrypted", ["none", "aes-gcm"])
@pytest.mark.parametrize("kind", DATABASES)
def test_what_was_erased_is_in_no_byte_and_others_are_what_they_were(tmp_path: Path, kind: str, encrypted: str) -> None:
    home = planted_home(tmp_path, kind, encrypted)
    search = Search(home, 1, OLD)
    places = search.anywhere()
    assert any(one.startswith("store/raw") for one in places)
    assert any(one.startswith("store/validated") for one in places)
    for table in KINDS:
        assert any(one.startswith(f"store/{table.segments}/") for one in places)
    assert kind != "sqlite" or "kwartier.db" in places or "kwartier.db-wal" in places
    with open_home(home) as opened:
        before = [every_value(opened, number) for number in range(3)]
        answer = erase(opened, wish(), wall=wall)
        assert answer.decision.outcome is Outcome.PARTLY
        # At once, before anything has left the disk:
        assert shown(opened, 1) == set(YOUNG)
        assert shown(opened, 0) == shown(opened, 2) == set(DAYS)
        done = carry_out(opened, wall=wall)
        assert (done.done, done.waiting, done.rows) == (1, 0, 2 * len(OLD)), "readings and volumes"
        after = [every_value(opened, number) for number in range(3)]
        assert (after[0], after[2]) == (before[0], before[2])
        kept = {day: without_memory(rows) for day, rows in before[1].items() if day in YOUNG}
        assert {len(rows) for rows in kept.values()} == {2}
        assert {day: without_memory(rows) for day, rows in after[1].items() if rows} == kept
        tombstone = Requests(opened.engine).get(answer.request)
        decided, gone = told(opened, "erasure-decided", "erased")
    assert search.anywhere() == []
    assert (tombstone.ean, tombstone.state) == (None, State.DONE)
    assert tombstone.detail["rows"] == 2 * len(OLD)
    assert tombstone.detail["backups_until"] == f"{TODAY + timedelta(days=14)}"
    assert tombstone.detail["commitment"] == commitment(answer.receipt, ean(1))
    assert (decided["kind"], gone["kind"]) == ("erasure-decided", "erased")
    assert ean(1) not in json.dumps([decided, gone])
    assert gone["rows"] == 2 * len(OLD)
    assert decided["commitment"] == gone["commitment"] == tombstone.detail["commitment"]


def test_what_names_the_connection_with_these_days_goes_at_once_and_the_rest_stays(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    with open_home(home) as opened:
        with writing(opened.engine) as connection:
            connection.execute(persons.insert(), [{"id": "s", "ean": ean(1), "sealed": b"s", "made_at": 0}])

        def counted() -> list[list[int]]:
            with reading(opened.engine) as connection:
                return [
                    [
                        connection.execute(select(func.count()).where(table.c.ean == ean(number))).scalar_one()
                        for table in (reading_ids, access_connections, visits, claims, dues, exchanges, persons)
                    ]
                    for number in range(3)
                ]

        assert counted() == [[2, 6, 6, 6, 6, 1, 0], [2, 6, 6, 6, 6, 1, 1], [2, 6, 6, 6, 6, 1, 0]]
        erase(opened, wish(), wall=wall)
        # The id of 2025 went with the whole year; that of 2026 is needed for the days that are kept.
        assert counted() == [[2, 6, 6, 6, 6, 1, 0], [1, 2, 2, 2, 2, 0, 1], [2, 6, 6, 6, 6, 1, 0]]
        with reading(opened.engine) as connection:
            for about in (findings, validation_findings, substitutes):
                assert connection.execute(select(func.count()).select_from(about)).scalar_one() == 14


def test_a_person_of_whom_everything_is_erased_leaves_nothing(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "aes-gcm")
    later = NOW + 400 * 86_400
    with open_home(home) as opened:
        with writing(opened.engine) as connection:
            connection.execute(persons.insert(), [{"id": "s", "ean": ean(1), "sealed": b"s", "made_at": 0}])
        answer = erase(opened, wish(days=(ALL[0], date(2027, 1, 1))), wall=lambda: later)
        assert answer.decision.outcome is Outcome.GRANTED
        with reading(opened.engine) as connection:
            for table in (reading_ids, access_connections, visits, claims, dues, exchanges, persons):
                assert connection.execute(select(func.count()).where(table.c.ean == ean(1))).scalar_one() == 0
        assert carry_out(opened, wall=lambda: later).rows == 2 * len(DAYS)
    assert Search(home, 1, DAYS).anywhere() == []


@pytest.mark.parametrize("step", [*carrying.Step, *store_steps.Step])
def test_killed_at_any_step_the_next_process_ends_it(tmp_path: Path, step: str) -> None:
    home = planted_home(tmp_path, "sqlite", "aes-gcm")
    search = Search(home, 1, OLD)
    with open_home(home) as opened:
        before = [every_value(opened, number) for number in (0, 2)]
        answer = erase(opened, wish(), wall=wall)
    kills = 0
    for times in (1, 2):
        words = [sys.executable, "-m", "tests.service.subject.doomed", str(home), step, f"{times}"]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ran.returncode in (0, -signal.SIGKILL), ran.stderr[-2000:]
        kills += ran.returncode != 0
        with open_home(home) as opened:
            assert shown(opened, 1) == set(YOUNG)
            assert shown(opened, 0) == set(DAYS)
            assert [every_value(opened, number) for number in (0, 2)] == before
    assert kills >= 1
    with open_home(home) as opened:
        carry_out(opened, wall=wall)
        tombstone = Requests(opened.engine).get(answer.request)
    assert search.anywhere() == []
    assert (tombstone.state, tombstone.detail["rows"]) == (State.DONE, 2 * len(OLD)), (
        "counted before the first one went"
    )


def test_young_days_are_refused_with_the_article(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    with open_home(home) as opened:
        answer = erase(opened, wish(days=(YOUNG[0], TODAY)), wall=wall)
        (refusal,) = answer.decision.refused
        assert (answer.decision.outcome, refusal.rule.code) == (Outcome.REFUSED, "legal-obligation")
        found = Requests(opened.engine).get(answer.request)
        assert (found.state, found.ean, answer.receipt) == (State.REFUSED, ean(1), "")
        assert found.ground == "legal-obligation: AVG art. 17(3)(b) (text not verified)"
        assert carry_out(opened, wall=wall) == carrying.Carried()
        assert shown(opened, 1) == set(DAYS)


def test_a_restriction_keeps_its_days_from_being_erased_and_an_id_may_lose_days_twice(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    days = [date(2026, 1, 1), date(2026, 1, 2)]
    with open_home(home) as opened:
        with writing(opened.engine) as connection:
            Holds(opened.engine).make(connection, ean(1), Hold.DISPUTE, OLD[2], OLD[3], "AVG art. 16", "os:test", 1)
        assert OLD[2:] == days
        answer = erase(opened, wish(), wall=wall)
        assert [one.rule.code for one in answer.decision.refused] == ["held", "legal-obligation"]
        assert shown(opened, 1) == {OLD[2], *YOUNG}
        assert carry_out(opened, wall=wall).rows == 2 * 3
    assert Search(home, 1, [OLD[0], OLD[1], OLD[3]]).anywhere() == []
    assert Search(home, 1, [OLD[2]]).anywhere() != []


@pytest.mark.parametrize("kind", KINDS)
def test_as_long_as_a_pinned_version_needs_the_files_it_is_not_done(tmp_path: Path, kind: TableKind) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    search = Search(home, 1, OLD)
    with open_home(home) as opened:
        table = Log(opened.store_folder, encrypted=False, kind=kind)
        table.refresh()
        Pins(opened.store_folder, kind).hold("settlement", table.version, now=NOW, seconds=3600)
        answer = erase(opened, wish(), wall=wall)
        assert carry_out(opened, wall=wall).waiting == 1
        assert (told(opened, "erased"), Requests(opened.engine).get(answer.request).state) == ([], State.ACCEPTED)
        assert shown(opened, 1) == set(YOUNG)
        assert tidy(opened, keep_days=0, wall=lambda: NOW + 3600).erased_requests == 1
    assert search.anywhere() == []


def test_what_comes_late_under_an_ended_id_is_out_of_sight_and_goes_too(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    with open_home(home) as opened:
        (identity,) = Ids(opened.engine).of_connection(ean(1), [2026]).values()
        erase(opened, wish(), wall=wall)
        carry_out(opened, wall=wall)
        opened.open_store().append("late", [entry(identity, day_of(1, OLD[3]))])
        opened.open_validated().append(9, OLD[3], [volumes_of(1, OLD[3], identity)])
        with writing(opened.engine) as connection:
            late = {"run": 9, "reading": identity, "day": OLD[3], "channel": "", "first": 0, "last": 95}
            connection.execute(insert(validation_findings), [{**late, "code": "V7", "severity": "fail"}])
        assert shown(opened, 1) == set(YOUNG)
        assert carry_out(opened, wall=wall).done == 0
        with reading(opened.engine) as connection:
            assert not connection.execute(select(validation_findings).where(validation_findings.c.run == 9)).all()
    assert Search(home, 1, OLD).anywhere() == []


def test_a_day_that_was_kept_forgets_what_was_before_also_when_a_whole_year_went(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    search = Search(home, 1, OLD[:2])
    with open_home(home) as opened:
        (identity,) = Ids(opened.engine).of_connection(ean(1), [2026]).values()
        # Of 2026 everything is in dispute; the id of 2025 is struck out, and nothing says any more whose it was.
        with writing(opened.engine) as connection:
            Holds(opened.engine).make(connection, ean(1), Hold.DISPUTE, OLD[2], TODAY, "AVG art. 16", "os:test", 1)
        erase(opened, wish(), wall=wall)
        assert set(Ids(opened.engine).of_connection(ean(1), [2025, 2026]).values()) == {identity}
        reader, own = VolumesReader(opened.store_folder, None), np.array([identity])
        before = {day: reader.states(day, None, own)[1] for day in OLD[2:]}
        assert all(np.isin(state["peak_import_wh"], search.steps).all() for state in before.values())
        assert carry_out(opened, wall=wall).done == 1
        for day in OLD[2:]:
            state = reader.states(day, None, own)[1]
            assert {int(state[name][0]) for name in GATHERED} == {0}
            for name in ("last_import_wh", "last_import_at", "total_import_wh", "eligible", "raw_version"):
                assert state[name][0] == before[day][name][0], "what is of the day itself"
        validated = opened.store_folder / VALIDATED.folder
        files = sorted(validated.rglob("*.parquet"))
        assert carry_out(opened, wall=wall).waiting == 0
        assert sorted(validated.rglob("*.parquet")) == files, "there is nothing left to forget"
    assert search.anywhere() == []


def test_retention_keeps_what_is_held_and_proves_what_went(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "aes-gcm")
    search = Search(home, 0, OLD, in_state=False)  # what the state of later days remembers is kept as long as these
    with open_home(home) as opened:
        holds = Holds(opened.engine)
        with writing(opened.engine) as connection:
            name = holds.make(connection, ean(1), Hold.RESTRICTION, OLD[1], OLD[2], "AVG art. 18(1)(c)", "os:test", 1)
            holds.make(connection, ean(2), Hold.OBJECTION, OLD[0], OLD[3], "AVG art. 21", "os:test", 1)
        before = every_value(opened, 1)
        tidied = tidy(opened, keep_days=100, wall=wall)
        assert (tidied.dropped_days, tidied.proved_days) == (4, 4)
        said = told(opened, "dropped")
        for kind in KINDS:
            own = [one for one in said if one["table"] == kind.folder]
            proved = {str(one["day"]): (one["rows"], one["kept"], one["key_forgotten"]) for one in own}
            assert proved == {f"{day}": (2, 1, False) if day == OLD[1] else (3, 0, True) for day in OLD}
        assert len(said) == 2 * len(OLD)
        held = {day: rows for day, rows in every_value(opened, 1).items() if rows}
        assert held == {day: rows for day, rows in before.items() if day in (OLD[1], *YOUNG)}
        assert tidy(opened, keep_days=100, wall=wall).dropped_days == 0
        with reading(opened.engine) as connection:
            (held_id,) = Ids(opened.engine).of_connection(ean(1), [2025]).values()
            for about in (findings, validation_findings, substitutes):
                said_of = connection.execute(select(about.c.day, about.c.reading).where(about.c.day < YOUNG[0])).all()
                assert [tuple(one) for one in said_of] == [(OLD[1], held_id)], "what is held, and of nobody else"
                young = select(func.count()).where(about.c.day >= YOUNG[0])
                assert connection.execute(young).scalar_one() == PERSONS * len(YOUNG)
        with writing(opened.engine) as connection:
            holds.end(connection, name, "os:test", NOW)
        assert tidy(opened, keep_days=100, wall=wall).proved_days == 1
        assert told(opened, "dropped")[-1]["key_forgotten"] is True
        with reading(opened.engine) as connection:
            for about in (findings, validation_findings, substitutes):
                assert connection.execute(select(func.min(about.c.day))).scalar_one() == YOUNG[0]
        Rewriter(opened.store_folder, opened.day_keys).rewrite(TODAY)
    assert [one for one in search.anywhere() if one.startswith("store/")] == []


def test_only_days_that_were_and_grounds_that_there_are_can_be_named(tmp_path: Path) -> None:
    home = planted_home(tmp_path, "sqlite", "none")
    with open_home(home) as opened:
        for bad, code in (
            (wish(days=(TODAY + 9 * ONE_DAY, TODAY + 10 * ONE_DAY)), "bad-day"),
            (Wish(ean=ean(1), days=ALL, ground="because", by="os:test"), "unknown-ground"),
        ):
            with pytest.raises(InputError) as refused:
                erase(opened, bad, wall=wall)
            assert refused.value.code == code
        assert Requests(opened.engine).listed() == []
        with reading(opened.engine) as connection:
            assert connection.execute(select(func.count()).select_from(erasures)).scalar_one() == 0


def test_a_receipt_is_in_no_repr() -> None:
    answer = Answer(request="r", decision=None, due_at=1, receipt="secret")  # type: ignore[arg-type]  # what is decided does not matter here
    assert "secret" not in repr(answer)


@pytest.mark.parametrize("form", ["<i4", ">i4", "<i8", ">i8", "text", "six"])
def test_the_search_finds_what_lies_open_in_any_form(tmp_path: Path, form: str) -> None:
    """So that finding nothing means something."""
    home = planted_home(tmp_path, "sqlite", "aes-gcm")
    with open_home(home) as opened:
        erase(opened, wish(), wall=wall)
        search = Search(home, 1, OLD[:1])
        carry_out(opened, wall=wall)
    assert search.anywhere() == []
    registers = day_of(1, OLD[0]).registers["import_wh"]
    if form == "text":
        octets = f"a register of {registers[7]} Wh".encode()
    elif form == "six":
        octets = int(registers[7]).to_bytes(6, "big")
    else:
        octets = (np.diff(registers) if "4" in form else registers)[5:8].astype(form).tobytes()
    (home / "left.bin").write_bytes(b"\x01\x02\x03" + octets + b"\x04")
    assert search.anywhere() == ["left.bin"]
