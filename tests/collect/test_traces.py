"""Traces are asked for, kept for a week under the key of their day, and gone when they, their day or their person go."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.collect import traces as room
from kwartier.collect.tape import Event, Recorded, Way
from kwartier.collect.traces import KEEP_S, MAX_OF_A_METER, MAX_WAIT_S, SPARED_S, Trace, Traces, Visited
from kwartier.database import writing
from kwartier.errors import InputError, KwartierError, SecurityError
from kwartier.keys.days import DayKeys
from kwartier.keys.vault import Vault

NOW = 1_800_000_000
DAY = date(2026, 11, 24)
ONE_DAY = timedelta(days=1)
EAN = "200000000000000000"
LOUD = b"\x00\x01 these bytes went over the line"
RECORDED = Recorded(
    transport="wrapper",
    own_title=bytes(8),
    meter_title=bytes(8),
    events=(Event(line=0, way=Way.SENT, after_us=7, octets=LOUD),),
    cut=False,
)


@pytest.fixture
def keys(engine: Engine) -> DayKeys:
    return DayKeys(engine, Vault(secrets.token_bytes(32)))


@pytest.fixture
def traces(engine: Engine, keys: DayKeys, tmp_path: Path) -> Traces:
    return Traces(engine, tmp_path / "traces", keys)


def asked(traces: Traces, meter: str = "m-1", at: int = NOW, until: int = NOW + 100) -> Trace:
    return traces.request(meter, by="os:eva", reason="odd", at=at, until=until)


def visited(engine: Engine, traces: Traces, one: Trace, *, start: date = DAY, ean: str = EAN, at: int = NOW) -> Trace:
    made = Visited(
        trace=one.id, visit="v1", ean=ean, started=at, outcome="done", days=(start, start + ONE_DAY), recorded=RECORDED
    )
    kept = traces.write([made])
    with writing(engine) as connection:
        traces.settle_within(connection, kept, at=at)
    return traces.of(one.id, at=at)


@contextmanager
def refuses(leaf: type[KwartierError], code: str) -> Iterator[None]:
    with pytest.raises(leaf) as caught:
        yield
    assert caught.value.code == code


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_meter_that_was_named_gets_a_tape_until_it_was_visited(engine: Engine, traces: Traces) -> None:
    first, second = asked(traces), asked(traces, at=NOW + 1)
    assert asked(traces, "m-2").until == NOW + 100
    found = traces.tapes(["m-1", "m-3"], at=NOW)
    assert {meter: tape.trace for meter, tape in found.items()} == {"m-1": first.id}
    kept = visited(engine, traces, first)
    assert (kept.visit, kept.ean, kept.days, kept.size, kept.cut) == ("v1", EAN, (DAY, DAY + ONE_DAY), len(LOUD), False)
    assert traces.tapes(["m-1"], at=NOW)["m-1"].trace == second.id
    assert traces.recorded(kept) == RECORDED


def test_nobody_is_traced_after_the_time_that_was_said(traces: Traces) -> None:
    asked(traces, until=NOW + 10)
    assert traces.tapes(["m-1"], at=NOW + 9)
    assert not traces.tapes(["m-1"], at=NOW + 10)
    assert asked(traces, until=NOW + 10 * MAX_WAIT_S).until == NOW + MAX_WAIT_S


def test_where_nobody_waits_the_next_batches_are_not_held_up_and_a_request_is_seen_soon(
    engine: Engine, traces: Traces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_process = Traces(engine, tmp_path / "traces", None)
    assert not another_process.tapes(["m-1"], at=NOW)
    asked(traces, until=NOW + 10 * SPARED_S)
    with monkeypatch.context() as patched:
        patched.setattr(room, "reading", None)
        assert not another_process.tapes(["m-1"], at=NOW + SPARED_S - 1)
    assert another_process.tapes(["m-1"], at=NOW + SPARED_S)
    assert traces.tapes(["m-1"], at=NOW), "who asked for it sees it at once"


def test_there_are_only_so_many_of_a_meter_and_of_all(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(MAX_OF_A_METER):
        asked(traces)
    with refuses(InputError, "too-many-traces"):
        asked(traces)
    monkeypatch.setattr(room, "MAX_WAITING", MAX_OF_A_METER)
    with refuses(InputError, "too-many-traces"):
        asked(traces, "m-2")
    asked(traces, "m-2", at=NOW + 200, until=NOW + 300)  # those that nobody waits for any more count no longer


def test_the_file_is_sealed_private_and_bound_to_its_place(engine: Engine, traces: Traces, tmp_path: Path) -> None:
    one = visited(engine, traces, asked(traces))
    (path,) = files(tmp_path / "traces")
    assert LOUD not in path.read_bytes()
    assert LOUD.hex().encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    other = visited(engine, traces, asked(traces))
    other_path = path.with_name(other.id)
    other_path.write_bytes(path.read_bytes())
    with refuses(SecurityError, "sealed-file"):
        traces.recorded(other)
    path.write_bytes(path.read_bytes()[:5])
    with refuses(SecurityError, "sealed-file"):
        traces.recorded(one)


def test_without_the_key_of_its_day_a_trace_is_no_more(engine: Engine, traces: Traces, keys: DayKeys) -> None:
    one, other = visited(engine, traces, asked(traces)), visited(engine, traces, asked(traces), start=DAY + ONE_DAY)
    keys.forget(DAY)
    with refuses(InputError, "unknown-trace"):
        traces.recorded(one)
    assert traces.recorded(other) == RECORDED


def test_after_a_week_the_row_and_the_file_are_gone(engine: Engine, traces: Traces, tmp_path: Path) -> None:
    one = visited(engine, traces, asked(traces))
    asked(traces, until=NOW + 10)
    assert traces.tidy(at=NOW + KEEP_S - 1) == 0
    assert traces.recorded(traces.of(one.id, at=NOW + KEEP_S - 1)) == RECORDED
    with refuses(InputError, "unknown-trace"):
        traces.of(one.id, at=NOW + KEEP_S)
    assert files(tmp_path / "traces"), "nobody has tidied"
    assert traces.tidy(at=NOW + KEEP_S) == 1
    assert files(tmp_path / "traces") == []
    assert traces.listed(at=NOW) == []
    with refuses(InputError, "unknown-trace"):
        traces.recorded(one)


def test_what_a_person_wants_erased_takes_the_traces_of_those_days_along(
    engine: Engine, traces: Traces, tmp_path: Path
) -> None:
    mine = visited(engine, traces, asked(traces))
    later = visited(engine, traces, asked(traces), start=DAY + 2 * ONE_DAY)
    others = visited(engine, traces, asked(traces), ean="another")
    with writing(engine) as connection:
        traces.forget_within(connection, EAN, [(DAY - ONE_DAY, DAY + ONE_DAY)])
    traces.tidy(at=NOW)
    assert {one.id for one in traces.listed(at=NOW)} == {later.id, others.id}
    assert {path.name for path in files(tmp_path / "traces")} == {later.id, others.id}
    assert mine.id not in {one.id for one in traces.listed(at=NOW, ean=EAN)}
    with writing(engine) as connection:
        traces.forget_within(connection, EAN, [])
    assert {one.id for one in traces.listed(at=NOW, ean=EAN)} == {later.id}
    traces.forget_before(DAY + ONE_DAY)
    assert {one.id for one in traces.listed(at=NOW)} == {later.id}


def test_a_file_that_nobody_has_settled_yet_stays(engine: Engine, traces: Traces, tmp_path: Path) -> None:
    one = asked(traces)
    made = Visited(
        trace=one.id, visit="v", ean=EAN, started=NOW, outcome="done", days=(DAY, DAY + ONE_DAY), recorded=RECORDED
    )
    traces.write([made])
    (path,) = files(tmp_path / "traces")
    path.with_name(f".{one.id}.abcd").write_bytes(b"a draft")
    path.with_name("somebody-else").write_bytes(b"of no row")
    assert traces.tidy(at=NOW) == 1
    assert {each.name for each in files(tmp_path / "traces")} == {one.id, f".{one.id}.abcd"}


def test_a_disk_that_takes_nothing_leaves_the_request_waiting(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asked(traces)
    made = Visited(
        trace=one.id, visit="v", ean=EAN, started=NOW, outcome="done", days=(DAY, DAY + ONE_DAY), recorded=RECORDED
    )

    def full(path: Path, octets: bytes) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(room, "write_whole", full)
    assert traces.write([made]) == []
    assert traces.tapes(["m-1"], at=NOW)["m-1"].trace == one.id
    with refuses(InputError, "unknown-trace"):
        traces.recorded(one)


def test_without_encryption_it_is_a_file_as_any_other(engine: Engine, tmp_path: Path) -> None:
    plain = Traces(engine, tmp_path / "plain", None)
    assert plain.recorded(visited(engine, plain, asked(plain))) == RECORDED
