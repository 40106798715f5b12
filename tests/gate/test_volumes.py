"""Volumes are shown to whom readings would be, of whom a grant reaches, and written down before."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, delete, insert

from kwartier.database import writing
from kwartier.errors import Denied, InputError, StateError
from kwartier.fleet.ean import check_digit
from kwartier.fleet.registry import Registry
from kwartier.gate import volumes as room
from kwartier.gate.grant import Gate, Grant
from kwartier.gate.holds import Holds
from kwartier.gate.ids import Ids, Link, Links
from kwartier.gate.members import FOLDER, Members
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Hold, Resolution, Source
from kwartier.gate.volumes import Work
from kwartier.model import STATE, Volumes
from kwartier.store import Store, Validated
from kwartier.store.pins import Pins
from kwartier.store.retention import vacuum
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import KINDS, VALIDATED
from kwartier.tables import erasures, reading_ids
from tests.gate.rooms import AT, EVA, Remembered, gate_of
from tests.gate.test_grant import ean
from tests.gate.test_uses import FOR_EVER, Full
from tests.store.entries import entry, readings
from tests.store.test_reader import Keys
from tests.store.volumes import ONE_DAY, rows, volumes

DAYS = [date(2026, 12, 30) + timedelta(days=number) for number in range(4)]
DAY, NEXT = DAYS[0], DAYS[1]
BEYOND = DAYS[-1] + ONE_DAY
ALL = Scope(start=DAY, end=BEYOND)
HOMES = 6
UNUSABLE = 4
"""The row of each day in which a quarter is missing: the fifth in the order of ids."""


def somebodys(number: int) -> str:
    """The last two homes are not simulated ones."""
    body = f"8716{number:013d}"
    return ean(number) if number < HOMES - 2 else body + str(check_digit(body))


@dataclass(frozen=True, kw_only=True)
class Street:
    """Six homes in two areas of two operators; of each day volumes of run 10 + its place, and of DAY those of run 5, too."""

    engine: Engine
    folder: Path
    log: Remembered
    ids: dict[tuple[int, int], int]
    """By home and year."""
    stored: dict[tuple[int, date], Volumes]
    """By run and day."""

    def gate(self, dso: str = "") -> Gate:
        return gate_of(self.engine, self.folder, keys=Keys(), log=self.log, dso=dso)

    def open(self, purpose: str = "validation", scope: Scope = ALL, dso: str = "") -> Grant:
        found = self.gate(dso).open(actor=EVA, purpose=purpose, scope=scope)
        self.log.records.clear()
        return found

    def homes(self, links: Sequence[Link]) -> set[int]:
        assert {link.ean for link in links} <= set(map(somebodys, range(HOMES)))
        return {int(link.meter[1:]) for link in links}

    def of(self, ids: Iterator[int] | list[int]) -> set[int]:
        by_id = {identity: number for (number, _), identity in self.ids.items()}
        return {by_id[identity] for identity in ids}

    def latest(self, day: date = DAY) -> Volumes:
        return self.stored[10 + DAYS.index(day), day]


@pytest.fixture
def street(engine: Engine, tmp_path: Path) -> Street:
    lines = ["meter,ean,host,port,system_title,companion,dso,grid_area,valid_from"]
    for number in range(HOMES):
        dso, area = ("Noord", "A") if number % 2 else ("Zuid", "B")
        where = f"127.0.0.1,4059,4B575400000000{number:02d},smr-5.5,{dso},{area},2020-01-01"
        lines.append(f"m{number},{somebodys(number)},{where}")
    (tmp_path / "fleet.csv").write_text("\n".join(lines) + "\n")
    Registry(engine).import_file(tmp_path / "fleet.csv", at=0)
    wanted = [(somebodys(number), f"m{number}", year) for number in range(HOMES) for year in (2026, 2027)]
    with writing(engine) as connection:
        links = Ids(engine).ids_of(connection, wanted)
    ids = {(int(link.meter[1:]), link.year): identity for link, identity in links.items()}
    store, stored = Validated(tmp_path / "store", Keys()), dict[tuple[int, date], Volumes]()
    for run, day in [(5, DAY), *((10 + place, day) for place, day in enumerate(DAYS))]:
        own = sorted(identity for (_, year), identity in ids.items() if year == day.year)
        stored[run, day] = volumes(day, own, seed=run, missing=[UNUSABLE])
        store.append(run, day, [stored[run, day]])
    raw = Store(tmp_path / "store", Keys())
    raw.append("night", [entry(ids[number, 2026], readings(DAY, NEXT)) for number in range(HOMES)])
    return Street(engine=engine, folder=tmp_path, log=Remembered(), ids=ids, stored=stored)


def read(work: Work) -> dict[int, int]:
    """What each id took, as an engine's workers see it."""
    found: dict[int, int] = {}
    source, pieces = pickle.loads(pickle.dumps((work.source, work.pieces)))  # noqa: S301 - what was pickled just now
    for piece in pieces:
        table = source.read(piece)
        for identity, energy_wh in zip(table["id"].to_numpy().tolist(), table["import_wh"], strict=True):
            assert identity not in found
            found[identity] = int(np.asarray(energy_wh.values).sum(dtype=np.int64))
    return found


def taken(whole: Volumes) -> dict[int, int]:
    sums_wh = whole.energy_wh["import_wh"].sum(axis=1, dtype=np.int64).tolist()
    return dict(zip(whole.ids.tolist(), sums_wh, strict=True))


# What is shown.


def test_readings_that_were_validated_are_shown_though_others_came_later(street: Street) -> None:
    raw = Store(street.folder / "store", Keys())
    ids = sorted(street.ids[number, 2026] for number in range(HOMES))
    raw.append("late", [entry(ids[2], readings(DAY, NEXT, first_wh=7_000))])
    grant = street.open()
    for version, expected in ((1, 100), (2, 7_000)):
        picked = np.array(ids, np.int64), np.array([version] * HOMES, np.int64)
        shown = [(stack, links) for stack, links in grant.day(DAY, picked) if ids[2] in stack.ids]
        ((stack, links),) = shown
        row = stack.ids.tolist().index(ids[2])
        assert (len(stack), int(stack.registers["import_wh"][row, 0])) == (HOMES if version == 1 else 1, expected)
        assert street.ids[int(links[row].meter[1:]), 2026] == ids[2]


@pytest.mark.parametrize("run", [None, 5, 9, 10])
def test_a_day_is_shown_with_whose_it_is_however_it_is_asked_for(street: Street, run: int | None) -> None:
    grant, whole = street.open(), street.stored[5 if run in (5, 9) else 10, DAY]
    shown = list(grant.volumes(DAY, run))
    assert rows([one for one, _ in shown]) == rows([whole])
    for one, links in shown:
        assert [street.ids[int(link.meter[1:]), 2026] for link in links] == one.ids.tolist()
        assert [link.ean for link in links] == [somebodys(int(link.meter[1:])) for link in links]
    states = grant.states(DAY, run)
    assert states.ids.tolist() == whole.ids.tolist()
    assert {name: states.columns[name].tolist() for name in STATE} == {n: whole.state[n].tolist() for n in STATE}
    assert street.homes(states.links) == set(range(HOMES))
    work = grant.work(DAY, run)
    assert (work.day, work.ids.tolist()) == (DAY, whole.ids.tolist())
    assert work.usable.tolist() == [row != UNUSABLE for row in range(HOMES)]
    assert work.eans.tolist() == [link.ean.encode() for link in states.links]
    assert read(work) == taken(whole)
    span = (DAY, NEXT)
    looked_up = list(grant.look_up_volumes(whole.ids.tolist(), *span, run))
    assert rows([one for one, _ in looked_up]) == rows([whole])


def test_a_day_of_which_nothing_is_stored_is_empty(street: Street) -> None:
    grant = street.open(scope=replace(ALL, end=BEYOND + ONE_DAY))
    assert list(grant.volumes(BEYOND)) == list(grant.look_up_volumes([1, 2], BEYOND, BEYOND + ONE_DAY)) == []
    work, states = grant.work(BEYOND), grant.states(BEYOND)
    assert (len(work.pieces), len(work.ids), len(work.eans), len(states.ids), len(states.links)) == (0, 0, 0, 0, 0)
    assert list(grant.look_up_qualities([1, 2], BEYOND, 96, 5)) == []
    assert [one["count"] for one in street.log.told] == [0] * 5, "that somebody looked is written down all the same"
    assert list(street.open().volumes(DAY, 4)) == []


def test_over_new_year_a_history_is_of_the_ids_of_each_year(street: Street) -> None:
    grant = street.open()
    wanted = [street.ids[number, year] for number in (1, 2) for year in (2026, 2027)]
    found = list(grant.look_up_volumes(wanted, DAY, BEYOND))
    assert [one.day for one, _ in found] == DAYS
    assert all(street.homes(links) == {1, 2} for _, links in found)
    assert {link.year for one, links in found for link in links if one.day >= date(2027, 1, 1)} == {2027}
    old, new = street.log.told
    assert (old["since"], old["day"], old["count"]) == (f"{DAY}", f"{NEXT}", 2)
    assert (new["since"], new["day"], new["count"]) == ("2027-01-01", f"{DAYS[3]}", 2)
    members = Members(street.folder / FOLDER, Keys())
    for record, year in ((old, 2026), (new, 2027)):
        listed = members.ids(date.fromisoformat(str(record["day"])), str(record["members"]))
        assert set(listed.tolist()) == {street.ids[1, year], street.ids[2, year]}


# What is written down.


def test_each_use_is_one_record_with_the_list_of_whom_it_showed(street: Street) -> None:
    grant = street.open(scope=replace(ALL, area="A"))
    uses: list[Callable[[], object]] = [
        lambda: grant.volumes(DAY),
        lambda: grant.states(DAY, 5),
        lambda: grant.work(DAY),
        lambda: grant.look_up_volumes([street.ids[1, 2026], street.ids[2, 2026]], DAY, NEXT),
        lambda: grant.look_up_qualities([street.ids[1, 2026], street.ids[2, 2026]], DAY, 96, 5),
    ]
    for number, use in enumerate(uses):
        use()
        assert len(street.log.told) == number + 1, "before the first row is asked for"
    shown, states, work, looked_up, came_about = street.log.told
    assert came_about == looked_up | {"run": 5, "shown": "quality"}
    versions = {"validated": shown["validated"]}
    for record in street.log.told:
        assert (record["kind"], record["grant"], record["day"]) == ("bulk", grant.id, f"{DAY}")
        assert (record["predicate"], record["purpose"]) == ("A", "validation")
        assert {"validated": record["validated"]} == versions
    assert [record.get("run") for record in street.log.told] == [None, 5, None, None, 5]
    assert [record["count"] for record in street.log.told] == [3, 3, 3, 1, 1]
    assert [record.get("table") for record in street.log.told] == [None, None, grant.work(DAY).versions.raw, None, None]
    assert len({record["members"] for record in (shown, states, work)}) == 1
    listed = Members(street.folder / FOLDER, Keys()).ids(DAY, str(shown["members"]))
    assert street.of(listed.tolist()) == {1, 3, 5}
    text = b"".join(street.log.records).decode()
    assert not any(somebodys(number) in text for number in range(HOMES))


def test_without_a_record_nothing_is_shown(street: Street) -> None:
    gate = gate_of(street.engine, street.folder, keys=Keys(), log=Full())
    grant = gate.open(actor=EVA, purpose="validation", scope=ALL)
    for use in (
        lambda: grant.volumes(DAY),
        lambda: grant.states(DAY),
        lambda: grant.work(DAY),
        lambda: grant.look_up_volumes([street.ids[1, 2026]], DAY, NEXT),
        lambda: grant.look_up_qualities([street.ids[1, 2026]], DAY, 96, 5),
    ):
        with pytest.raises(StateError) as refused:
            use()
        assert refused.value.code == "no-room"


# Whom a grant does not reach.


def everything(street: Street, grant: Grant, day: date = DAY) -> set[int]:
    """The homes that a grant shows of a day, by every way; they agree, and no worker sees another."""
    whole = street.latest(day)
    work, ids = grant.work(day), whole.ids.tolist()
    found = street.of(work.ids.tolist())
    assert street.of(list(read(work))) == found
    assert read(work).items() <= taken(whole).items()
    assert len(work.eans) == len(work.usable) == len(work.ids)
    assert street.homes([link for _, links in grant.volumes(day) for link in links]) == found
    assert street.homes(grant.states(day).links) == street.of(grant.states(day).ids.tolist()) == found
    looked_up = list(grant.look_up_volumes(ids, day, day + ONE_DAY))
    assert street.of([one for volumes, _ in looked_up for one in volumes.ids.tolist()]) == found
    assert street.homes([link for _, links in looked_up for link in links]) == found
    came_about = list(grant.look_up_qualities(ids, day, 96, 99))
    assert all(not one.energy_wh and not one.state for one, _ in came_about)
    assert [one.quality["import_wh"].tolist() for one, _ in came_about] == [
        one.quality["import_wh"].tolist() for one, _ in looked_up
    ]
    assert street.homes([link for _, links in came_about for link in links]) == found
    assert {one["count"] for one in street.log.told} == {len(found)}
    return found


@pytest.mark.parametrize("rewritten", [False, True])
def test_who_said_no_and_who_is_anothers_is_in_no_row(street: Street, rewritten: bool) -> None:
    if rewritten:
        Rewriter(street.folder / "store", Keys(), VALIDATED).rewrite(BEYOND)
    with writing(street.engine) as connection:
        held = Holds(street.engine).make(connection, somebodys(1), Hold.RESTRICTION, *FOR_EVER, "letter", "os:eva", 1)
    others = set(range(HOMES)) - {1}
    assert everything(street, street.open()) == others
    assert everything(street, street.open("settlement")) == set(range(HOMES)), "it goes on despite that"
    assert everything(street, street.open("test")) == {0, 1, 2, 3}, "only those that are nobody's"
    assert everything(street, street.open(scope=replace(ALL, area="A"))) == {3, 5}
    assert everything(street, street.open(dso="Zuid")) == {0, 2, 4}
    assert everything(street, street.open(scope=replace(ALL, area="B"), dso="Noord")) == set()
    with writing(street.engine) as connection:
        Holds(street.engine).end(connection, held, "os:eva", 2)
    assert everything(street, street.open()) == set(range(HOMES))


def test_who_was_erased_is_out_of_sight_before_the_rows_are_gone(street: Street) -> None:
    with writing(street.engine) as connection:
        some = {"request": "r", "reading": street.ids[2, 2026], "valid_from": date(2026, 1, 1), "valid_to": NEXT}
        connection.execute(insert(erasures), [some])
        connection.execute(delete(reading_ids).where(reading_ids.c.id == street.ids[4, 2026]))
    assert everything(street, street.open()) == {0, 1, 3, 5}
    assert everything(street, street.open(), NEXT) == {0, 1, 2, 3, 5}, "of the next day nothing was erased of the one"
    assert everything(street, street.open(), DAYS[2]) == set(range(HOMES)), "and that is another year"
    found = street.open().look_up_volumes(street.latest().ids.tolist(), DAY, date(2027, 1, 1))
    assert [street.homes(links) for _, links in found] == [{0, 1, 3, 5}, {0, 1, 2, 3, 5}]


def test_what_is_erased_between_record_and_look_is_not_shown(street: Street) -> None:
    grant = street.open()
    shown = grant.volumes(DAY)
    looked_up = grant.look_up_volumes(street.latest().ids.tolist(), DAY, NEXT)
    with writing(street.engine) as connection:
        some = {"request": "r", "reading": street.ids[2, 2026], "valid_from": DAY, "valid_to": NEXT}
        connection.execute(insert(erasures), [some])
    for found in (shown, looked_up):
        assert {number for _, links in found for number in street.homes(links)} == {0, 1, 3, 4, 5}


@pytest.mark.parametrize(
    ("purpose", "scope", "code"),
    [
        ("settlement", replace(ALL, by="brp"), "only-sums"),
        ("validation", replace(ALL, resolution=Resolution.DAY), "too-fine"),
        ("validation", replace(ALL, channels=("import_wh",)), "out-of-scope"),
        ("validation", replace(ALL, start=NEXT), "out-of-scope"),
        ("validation", replace(ALL, eans=(somebodys(0),)), "out-of-scope"),
        ("validation", replace(ALL, source=Source.METER), "wrong-source"),
    ],
)
def test_a_grant_that_shows_no_quarters_of_the_fleet_shows_no_volumes(
    street: Street, purpose: str, scope: Scope, code: str
) -> None:
    grant = street.open(purpose, scope)
    ids = [street.ids[0, 2026]]
    for use in (
        lambda: grant.volumes(DAY),
        lambda: grant.states(DAY),
        lambda: grant.work(DAY),
        lambda: grant.look_up_volumes(ids, DAY, NEXT),
    ):
        with pytest.raises(Denied) as caught:
            use()
        assert caught.value.code == code
    assert street.log.told == []


@pytest.mark.parametrize("span", [(DAY, DAY), (NEXT, DAY), (DAY - ONE_DAY, NEXT), (DAY, BEYOND + ONE_DAY)])
def test_a_history_does_not_reach_beyond_the_days_of_the_grant(street: Street, span: tuple[date, date]) -> None:
    with pytest.raises(Denied) as caught:
        street.open().look_up_volumes([1], *span)
    assert caught.value.code == "out-of-scope"


def test_what_is_shown_has_no_value_in_its_repr(street: Street) -> None:
    work = street.open().work(DAY)
    for hidden in (*work.eans.astype(str), *map(str, work.ids.tolist()), *(piece.path for piece in work.pieces)):
        assert hidden not in repr(work)


# While others work.


def test_a_job_under_a_pin_sees_one_state_of_both_tables_and_nothing_of_whom_was_erased(street: Street) -> None:
    store, ids = street.folder / "store", street.latest().ids.tolist()
    grant, late = street.open(), volumes(DAY, ids, seed=77)
    with grant.pinned() as versions:
        work = grant.work(DAY)
        assert work.versions == versions
        Validated(store, Keys()).append(20, DAY, [late])
        Store(store, Keys()).append("late", [entry(ids[0], readings(DAY, NEXT, first_wh=9))])
        for kind in KINDS:
            assert Rewriter(store, Keys(), kind).rewrite(BEYOND).days >= 1
        vacuum(store, Keys(), lambda: AT + room.JOB_S - 1)
        assert read(work) == taken(street.latest())
        assert everything(street, grant) == set(range(HOMES))
        assert {int(one) for stack, _ in grant.day(DAY) for one in stack.versions} == {1}
        with writing(street.engine) as connection:
            some = {"request": "r", "reading": street.ids[2, 2026], "valid_from": DAY, "valid_to": NEXT}
            connection.execute(insert(erasures), [some])
        street.log.records.clear()
        assert everything(street, grant) == set(range(HOMES)) - {2}
    for kind in KINDS:
        assert Pins(store, kind).standing(AT) == []
    after = grant.work(DAY)
    assert after.versions.validated > versions.validated
    assert after.versions.raw > versions.raw
    assert read(after) == {i: energy for i, energy in taken(late).items() if i != street.ids[2, 2026]}


def test_a_pin_ends_with_its_block_whatever_happens_in_it(street: Street) -> None:
    grant = street.open()
    with pytest.raises(ZeroDivisionError), grant.pinned(60):
        assert [len(Pins(street.folder / "store", kind).standing(AT + 59)) for kind in KINDS] == [1, 1]
        raise ZeroDivisionError
    assert [Pins(street.folder / "store", kind).standing(AT) for kind in KINDS] == [[], []]
    with pytest.raises(InputError), grant.pinned(0):
        pass
    with pytest.raises(Denied), street.open(scope=replace(ALL, source=Source.METER)).pinned():
        pass
    assert [Pins(street.folder / "store", kind).standing(AT) for kind in KINDS] == [[], []]


def test_work_is_of_one_version_although_others_store_meanwhile(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which rows are usable and which rows are read must be of the same runs."""
    grant, ids = street.open(), street.latest().ids.tolist()
    keep = Members.keep

    def beside(self: Members, *words: object) -> str:
        Validated(street.folder / "store", Keys()).append(30, DAY, [volumes(DAY, ids, seed=3)])
        return keep(self, *words)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Members, "keep", beside)
    work = grant.work(DAY)
    assert not work.usable.all()
    assert read(work) == taken(street.latest())
    assert grant.work(DAY).usable.all()


# What is looked up of the readings themselves.


def test_readings_are_looked_up_by_their_ids_and_that_is_written_down(street: Street) -> None:
    grant = street.open()
    some = [street.ids[number, 2026] for number in (1, 3)]
    shown = list(grant.look_up(some, DAY))
    assert {identity for stack, _ in shown for identity in stack.ids.tolist()} == set(some)
    assert [street.homes(links) for _, links in shown] == [{1, 3}]
    assert [(one["kind"], one["count"]) for one in street.log.told] == [("bulk", 2)]
    assert list(grant.look_up([street.ids[1, 2027]], DAY)) == [], "ids of another year are none of this day"
    zuid = street.open(dso="Zuid")
    assert [street.homes(links) for _, links in zuid.look_up([*some, street.ids[2, 2026]], DAY)] == [{2}]


def test_whose_readings_are_newer_than_what_a_run_made_of_them(street: Street) -> None:
    grant, ids = street.open(), [street.ids[number, 2026] for number in range(HOMES)]
    made = replace(
        street.stored[10, DAY],
        state={**street.stored[10, DAY].state, "raw_version": np.ones(HOMES, np.int64)},
    )
    Validated(street.folder / "store", Keys()).append(20, DAY, [made])
    assert list(grant.newer(DAY, 20)) == []
    raw = Store(street.folder / "store", Keys())
    raw.append("late", [entry(ids[2], readings(DAY, NEXT, first_wh=7_000))])
    found = street.open().newer(DAY, 20)
    assert found.ids.tolist() == [ids[2]]
    assert street.homes(found) == {2}
    assert list(street.open(dso="Noord").newer(DAY, 20)) == [], "it is another operator's"


def test_some_links_are_cut_down_to_whom_a_grant_reaches(street: Street) -> None:
    whose = {street.ids[number, 2026]: Link(somebodys(number), f"m{number}", 2026) for number in range(HOMES)}
    links, grant = Links.made(whose, 2026), street.open()
    assert list(grant.reached(DAY, links)) == list(links) == [whose[one] for one in sorted(whose)]
    assert street.homes(street.open(dso="Noord").reached(DAY, links)) == {1, 3, 5}
    with writing(street.engine) as connection:
        gone = {"request": "r", "reading": street.ids[1, 2026], "valid_from": DAY, "valid_to": NEXT}
        connection.execute(insert(erasures), [gone])
    assert street.homes(street.open().reached(DAY, links)) == set(range(HOMES)) - {1}
