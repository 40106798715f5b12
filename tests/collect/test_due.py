"""What a night has to do, and how it stands."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, Row, update

from kwartier.collect.claims import Claims
from kwartier.collect.due import FIRST_TRIES, MARGIN_S, Dues, Kind, State, Window
from kwartier.collect.lease import LEASE_S, Leases, Settled, Shut, holder, is_gone
from kwartier.collect.limits import MAX_SHUT
from kwartier.database import reading, writing
from kwartier.model import Meter
from kwartier.tables import dues, leases

DAY = date(2026, 3, 4)
ZONE = "Europe/Amsterdam"
MIDNIGHT = int(datetime(2026, 3, 5, tzinfo=ZoneInfo(ZONE)).timestamp())
CLOSES = MIDNIGHT + 6 * 3600
KINDS = {"smr-5.5": Kind(capture_delay_s=60)}


def meters(count: int, dso: str = "", first: int = 0) -> list[Meter]:
    return [
        Meter(
            meter=f"M{number:05d}",
            ean=f"E{number}",
            host="h",
            port=1,
            system_title=bytes(8),
            companion="smr-5.5",
            dso=dso,
        )
        for number in range(first, first + count)
    ]


def plan(room: Dues, fleet: list[Meter], day: date = DAY, drifts: dict[str, int] | None = None) -> int:
    return room.plan(
        day,
        fleet,
        kinds=KINDS,
        drifts=drifts or {},
        window=Window(),
        at=MIDNIGHT,
        purpose="settlement",
        actor="os:test",
    )


def rows(engine: Engine, day: date = DAY) -> dict[str, Row[Any]]:
    with reading(engine) as connection:
        return {row.meter: row for row in connection.execute(dues.select().where(dues.c.day == day))}


def leased(engine: Engine, me: str = "", dso: str = "") -> Leases:
    return Leases(engine, Claims(engine), me=me, dso=dso)


def settle(engine: Engine, *settled: Settled, day: date = DAY) -> None:
    """By whoever has the meters, or has just taken them."""
    with writing(engine) as connection:
        free = (dues.c.day == day, dues.c.meter.in_([one.meter for one in settled]), dues.c.state != State.LEASED)
        connection.execute(update(dues).where(*free).values(state=State.LEASED, lease="taken"))
        held = {row.meter: row.lease for row in connection.execute(dues.select().where(dues.c.day == day))}
        ours = [replace(one, lease=held[one.meter]) for one in settled]
        leased(engine).settle_within(connection, day, ours, at=MIDNIGHT)


def store(engine: Engine, *names: str, day: date = DAY) -> None:
    with writing(engine) as connection:
        found = [{"day": day, "meter": name, "quarters": 96, "present": 95} for name in names]
        Dues(engine).record_stored(connection, found, at=MIDNIGHT + 60)


# Planning.


def test_a_meter_is_due_once_however_often_the_night_is_planned(engine: Engine) -> None:
    room = Dues(engine)
    assert not room.planned(DAY)
    assert plan(room, meters(3)) == 3
    settle(engine, Settled(meter="M00001", state=State.REFUSED, code="association-refused"))
    assert plan(room, meters(5)) == 5
    assert room.counts(DAY).states == {"waiting": 4, "refused": 1}
    assert room.planned(DAY)


def test_visits_are_spread_over_the_window_and_none_begins_before_its_day_is_captured(engine: Engine) -> None:
    plan(Dues(engine), meters(400), drifts={"M00000": -500, "M00001": 500})
    found = rows(engine)
    moments = [row.next_at for row in found.values()]
    first = MIDNIGHT + 60 + MARGIN_S
    assert min(moments) >= first
    assert max(moments) <= MIDNIGHT + FIRST_TRIES * (CLOSES - MIDNIGHT)
    part_s = (CLOSES - MIDNIGHT) / 4
    spread = [sum(1 for one in moments if part <= (one - MIDNIGHT) / part_s < part + 1) for part in range(3)]
    assert all(80 < one < 190 for one in spread)
    assert found["M00000"].earliest == first + 500
    assert found["M00001"].earliest == first
    assert {row.deadline for row in found.values()} == {CLOSES}


@pytest.mark.parametrize(("day", "quarters"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (DAY, 96)])
def test_a_day_has_as_many_quarters_as_its_clocks_show(engine: Engine, day: date, quarters: int) -> None:
    plan(Dues(engine), meters(1), day)
    assert [row.quarters for row in rows(engine, day).values()] == [quarters]


def test_the_window_is_wall_time_also_on_the_day_the_clocks_change() -> None:
    window = Window(opens=time(1, 30), closes=time(4, 0))
    before = date(2026, 3, 28)
    assert window.closes_at(before, ZONE) - window.opens_at(before, ZONE) == int(1.5 * 3600)
    assert window.opens_at(date(2026, 3, 4), ZONE) == MIDNIGHT + 5400


def test_the_older_the_oldest_missing_day_the_earlier_a_meter_comes(engine: Engine) -> None:
    room = Dues(engine)
    fleet = meters(60)
    for back in range(9, 0, -1):
        plan(room, fleet, DAY - timedelta(days=back))
        store(engine, *(one.meter for one in fleet[20:]), day=DAY - timedelta(days=back))
    plan(room, fleet)
    found = rows(engine)
    late = [found[one.meter].next_at - MIDNIGHT for one in fleet[20:]]
    early = [found[one.meter].next_at - MIDNIGHT for one in fleet[:20]]
    assert max(early) <= FIRST_TRIES * (CLOSES - MIDNIGHT) / 10 + 1
    assert sorted(late)[len(late) // 2] > max(early)


def test_a_meter_is_due_from_its_first_night_and_its_missing_days_are_kept_for_ten(engine: Engine) -> None:
    room = Dues(engine)
    for back in (12, 10, 9, 5, 4):
        plan(room, meters(2), DAY - timedelta(days=back))
    store(engine, "M00000", day=DAY - timedelta(days=5))
    plan(room, meters(3))
    ago = [DAY - timedelta(days=back) for back in (9, 5, 4)]
    assert room.missing_days(DAY, ["M00000", "M00001", "M00002"]) == {"M00000": [ago[0], ago[2]], "M00001": ago}
    assert [(one.day, one.days_left) for one in room.gaps(DAY, limit=100) if one.meter == "M00001"] == [
        (ago[0], 0),
        (ago[1], 4),
        (ago[2], 5),
        (DAY, 9),
    ]


def test_an_operator_sees_its_own_rows_only(engine: Engine) -> None:
    plan(Dues(engine), [*meters(2, "north"), *meters(3, "south", first=10)])
    north, south, every = Dues(engine, "north"), Dues(engine, "south"), Dues(engine)
    assert [one.counts(DAY).due for one in (north, south, every)] == [2, 3, 5]
    assert {one.meter for one in north.gaps(DAY, limit=9)} == {"M00000", "M00001"}
    taken = leased(engine, dso="north").take(DAY, first=9, again=9, now=CLOSES, at_once=False)
    assert {job.meter for job in taken.jobs} == {"M00000", "M00001"}
    south.close(DAY, at=CLOSES)
    assert south.counts(DAY).states == {"failed": 3}
    assert north.counts(DAY).states == {"leased": 2}
    north.reopen(DAY)
    assert south.counts(DAY).states == {"failed": 3}


def test_a_new_run_tries_again_what_failed_and_what_was_refused_only_with_new_keys(engine: Engine) -> None:
    from kwartier.tables import meter_keys

    room = Dues(engine)
    plan(room, meters(3))
    settle(
        engine,
        Settled(meter="M00000", state=State.FAILED, code="connect-refused"),
        Settled(meter="M00001", state=State.REFUSED, code="association-refused"),
        Settled(meter="M00002", state=State.REFUSED, code="association-refused"),
    )
    for name, at in (("M00001", MIDNIGHT - 1), ("M00002", MIDNIGHT + 1)):
        with writing(engine) as connection:
            connection.execute(
                meter_keys.insert().values(meter=name, sealed=b"", ek_fingerprint="f", origin="o", imported_at=at)
            )
    room.reopen(DAY)
    assert {name: row.state for name, row in rows(engine).items()} == {
        "M00000": "retry",
        "M00001": "refused",
        "M00002": "retry",
    }


def test_how_a_night_stands_is_counted(engine: Engine) -> None:
    room = Dues(engine)
    plan(room, meters(5))
    store(engine, "M00000", "M00001")
    settle(engine, Settled(meter="M00002", state=State.FAILED, code="connect-refused"))
    counts = room.counts(DAY)
    assert (counts.due, counts.stored, counts.open, counts.unreached) == (5, 2, 2, 1)
    assert (counts.quarters, counts.present, counts.causes) == (480, 190, {"connect-refused": 1})
    assert (counts.first_stored_at, counts.last_stored_at) == (MIDNIGHT + 60, MIDNIGHT + 60)
    room.close(DAY, at=CLOSES)
    assert room.counts(DAY).causes == {"connect-refused": 1, "not-tried": 2}


# Leases.


def test_a_meter_is_leased_to_one_and_the_longest_overdue_comes_first(engine: Engine) -> None:
    plan(Dues(engine), meters(10))
    first = leased(engine, "a").take(DAY, first=6, again=0, now=CLOSES, at_once=False)
    second = leased(engine, "b").take(DAY, first=6, again=0, now=CLOSES, at_once=False)
    taken = [job.meter for job in (*first.jobs, *second.jobs)]
    assert (len(first.jobs), len(second.jobs), len(set(taken))) == (6, 4, 10)
    moments = {name: row.next_at for name, row in rows(engine).items()}
    assert taken == sorted(taken, key=moments.__getitem__)


def test_the_window_is_waited_for_unless_somebody_does_not_want_to(engine: Engine) -> None:
    plan(Dues(engine), meters(50))
    room = leased(engine)
    early = MIDNIGHT + 60 + MARGIN_S
    assert room.take(DAY, first=50, again=0, now=early - 1, at_once=True).jobs == ()
    assert len(room.take(DAY, first=50, again=0, now=early, at_once=False).jobs) < 5
    assert len(room.take(DAY, first=50, again=0, now=early, at_once=True).jobs) > 40


def test_first_tries_and_others_are_taken_from_queues_of_their_own(engine: Engine) -> None:
    plan(Dues(engine), meters(4))
    settle(engine, *(Settled(meter=f"M{n:05d}", state=State.RETRY, code="x", next_at=MIDNIGHT + n) for n in (0, 1)))
    room = leased(engine)
    assert {job.meter for job in room.take(DAY, first=9, again=0, now=CLOSES, at_once=False).jobs} == {
        "M00002",
        "M00003",
    }
    (again,) = room.take(DAY, first=0, again=9, now=MIDNIGHT, at_once=True).jobs
    assert (again.meter, again.attempts, again.code) == ("M00000", 1, "x")


def test_what_a_lost_process_held_is_taken_over_at_once_and_what_a_live_one_holds_is_not(engine: Engine) -> None:
    plan(Dues(engine), meters(4))
    gone = holder().rsplit(":", 1)[0] + ":1"  # our number, started at another time: a process that is no more
    assert is_gone(gone)
    assert not is_gone(holder())
    leased(engine, gone).take(DAY, first=2, again=0, now=CLOSES, at_once=False)
    leased(engine, holder(1)).take(DAY, first=1, again=0, now=CLOSES, at_once=False)
    mine = leased(engine)
    assert mine.take_over(DAY, now=CLOSES, is_stored=lambda _: False) == 2
    assert mine.take_over(DAY, now=CLOSES, is_stored=lambda _: False) == 0
    assert Dues(engine).counts(DAY).states == {"waiting": 3, "leased": 1}
    assert mine.next_at(DAY, at_once=True)[1] == 1
    assert mine.held(DAY)


def test_a_lease_of_another_host_lapses_by_its_time(engine: Engine) -> None:
    plan(Dues(engine), meters(2))
    other = leased(engine, "another-boot:1:1")
    other.take(DAY, first=2, again=0, now=CLOSES, at_once=False)
    mine = leased(engine)
    assert LEASE_S < 30
    assert mine.take_over(DAY, now=CLOSES + LEASE_S, is_stored=lambda _: False) == 0
    assert other.renew(now=CLOSES + LEASE_S) == frozenset()
    assert mine.take_over(DAY, now=CLOSES + 2 * LEASE_S, is_stored=lambda _: False) == 0
    assert mine.take_over(DAY, now=CLOSES + 2 * LEASE_S + 1, is_stored=lambda _: False) == 2


def test_meters_of_a_cell_or_a_kind_that_is_shut_are_not_taken(engine: Engine) -> None:
    fleet = [replace(one, cell=f"c{number % 3}") for number, one in enumerate(meters(6))]
    Dues(engine).plan(
        DAY,
        fleet,
        kinds=KINDS,
        talks=lambda names: {name: "Alpha 1.0" for name in names if name == "M00001"},
        drifts={},
        window=Window(),
        at=MIDNIGHT,
        purpose="settlement",
        actor="os:test",
    )
    assert {row.kind for row in rows(engine).values()} == {"Alpha 1.0", fleet[0].companion}
    shut = Shut(cells=tuple(f"c{number}" for number in range(0, 3 * MAX_SHUT, 3)), kinds=("Alpha 1.0",))
    every = Shut(cells=("c0", "c1", "c2"))
    mine = leased(engine)
    taken = mine.take(DAY, first=9, again=9, now=CLOSES, at_once=False, shut=shut, shut_again=every)
    assert sorted(job.meter for job in taken.jobs) == ["M00002", "M00004", "M00005"]
    assert {job.kind for job in taken.jobs} == {fleet[0].companion}
    with writing(engine) as connection:
        connection.execute(update(dues).values(state=State.RETRY, lease=None))
    taken = mine.take(DAY, first=9, again=9, now=CLOSES, at_once=False, shut=every, shut_again=shut)
    assert sorted(job.meter for job in taken.jobs) == ["M00002", "M00004", "M00005"]


def test_whoever_lost_its_lease_is_told_and_changes_nothing_of_what_is_another_s(engine: Engine) -> None:
    plan(Dues(engine), meters(3))
    slow, quick = leased(engine, "another-boot:1:1"), leased(engine, "a-third:1:1")
    lost = slow.take(DAY, first=2, again=0, now=CLOSES, at_once=False)
    kept = slow.take(DAY, first=1, again=0, now=CLOSES + LEASE_S, at_once=False)
    assert quick.take_over(DAY, now=CLOSES + LEASE_S + 1, is_stored=lambda _: False) == 2
    taken = quick.take(DAY, first=1, again=0, now=CLOSES + LEASE_S + 1, at_once=False)
    (name,) = (job.meter for job in taken.jobs)
    before = {meter: (row.state, row.lease, row.attempts, row.code) for meter, row in rows(engine).items()}
    with writing(engine) as connection:
        given = [Settled(meter=job.meter, lease=job.lease, state=State.FAILED, code="x") for job in lost.jobs]
        slow.settle_within(connection, DAY, given, at=CLOSES + LEASE_S + 2)
    assert {meter: (row.state, row.lease, row.attempts, row.code) for meter, row in rows(engine).items()} == before
    assert before[name][:2] == ("leased", taken.id)
    assert slow.renew(now=CLOSES + LEASE_S + 3) == {lost.id}
    assert slow.renew(now=CLOSES + LEASE_S + 4) == frozenset()
    assert rows(engine)[kept.jobs[0].meter].lease == kept.id


def test_a_lease_that_was_taken_while_the_database_went_away_lapses_too(engine: Engine) -> None:
    plan(Dues(engine), meters(1))
    leased(engine, "me:1:1").take(DAY, first=1, again=0, now=CLOSES, at_once=False)
    again = leased(engine, "me:1:1")
    assert again.renew(now=CLOSES + 10) == frozenset()
    assert again.take_over(DAY, now=CLOSES + LEASE_S, is_stored=lambda _: False) == 0
    assert again.take_over(DAY, now=CLOSES + LEASE_S + 1, is_stored=lambda _: False) == 1


def test_a_batch_that_is_in_the_store_already_is_written_down_and_not_read_again(engine: Engine) -> None:
    room = Dues(engine)
    plan(room, meters(3))
    lost = leased(engine, "another-boot:1:1")
    lost.take(DAY, first=3, again=0, now=CLOSES, at_once=False)
    with writing(engine) as connection:
        for batch, name in (("there", "M00000"), ("not-there", "M00001")):
            marked = [{"day": DAY, "meter": name, "quarters": 96, "present": 96}]
            lost.mark_batch_within(connection, batch, marked, at=CLOSES)
    assert leased(engine).take_over(DAY, now=CLOSES + 10_000, is_stored=lambda batch: batch == "there") == 2
    assert {name: row.state for name, row in rows(engine).items()} == {
        "M00000": "stored",
        "M00001": "waiting",
        "M00002": "waiting",
    }


def test_a_lease_of_which_nothing_is_left_is_forgotten(engine: Engine) -> None:
    plan(Dues(engine), meters(2))
    room = leased(engine, "a")
    lease = room.take(DAY, first=2, again=0, now=CLOSES, at_once=False)
    for left, name in ((1, "M00000"), (0, "M00001")):
        with writing(engine) as connection:
            given = Settled(meter=name, lease=lease.id, state=State.FAILED, code="x")
            room.settle_within(connection, DAY, [given], at=CLOSES)
            room.tidy_within(connection)
        with reading(engine) as connection:
            assert len(connection.execute(leases.select()).all()) == left


def test_a_meter_that_stays_leased_keeps_its_lease_and_counts_its_try(engine: Engine) -> None:
    plan(Dues(engine), meters(1))
    room = leased(engine, "a")
    lease = room.take(DAY, first=1, again=0, now=CLOSES, at_once=False)
    settle(engine, Settled(meter="M00000", state=State.LEASED, code="peer-closed"))
    (row,) = rows(engine).values()
    assert (row.state, row.lease, row.attempts, row.code) == ("leased", lease.id, 1, "peer-closed")
    settle(engine, Settled(meter="M00000", state=State.RETRY, counts=False))
    (row,) = rows(engine).values()
    assert (row.state, row.lease, row.attempts, row.code) == ("retry", None, 1, "peer-closed")


def test_next_at_says_when_there_is_something_to_do(engine: Engine) -> None:
    room = leased(engine)
    assert room.next_at(DAY, at_once=False) == (None, 0)
    plan(Dues(engine), meters(3))
    with writing(engine) as connection:
        connection.execute(update(dues).values(next_at=CLOSES - 5))
    assert room.next_at(DAY, at_once=False) == (CLOSES - 5, 0)
    assert room.next_at(DAY, at_once=True) == (MIDNIGHT + 60 + MARGIN_S, 0)
