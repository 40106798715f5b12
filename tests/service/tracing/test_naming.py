"""A visit is traced because somebody who may says why."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from kwartier.database import writing
from kwartier.errors import Denied, InputError
from kwartier.gate.holds import Holds
from kwartier.gate.purposes import Hold
from kwartier.service import reading, upkeep
from kwartier.service.home import Home, open_home
from kwartier.service.subject import dossier, erasing
from kwartier.service.subject.carrying import carry_out
from kwartier.service.subject.erasing import Wish
from kwartier.service.subject.rules import Outcome
from kwartier.service.subject.seeing import through_gate
from kwartier.service.tracing import looking, naming
from kwartier.service.tracing.naming import DAY_S
from kwartier.tables import traces
from tests.service.tracing.conftest import AFTER, DAY, NOW, REASON, Place, Traced, wall
from tests.service.tracing.test_looking import DESK, FITTER, keys_of, refuses, registers, told
from tests.somebody import TESTER


@pytest.fixture
def own(built: Place, tmp_path: Path) -> Iterator[Home]:
    """A copy of the installation, to be changed."""
    shutil.copytree(built.path, tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


def files(home: Home) -> list[str]:
    return sorted(path.name for path in (home.store_folder / "traces").rglob("*") if path.is_file())


def test_it_takes_a_role_a_reason_and_a_meter(own: Home, traced: Traced) -> None:
    name = traced.meter.meter
    with refuses(Denied, "no-role"):
        naming.request(own, name, actor=DESK, reason=REASON, wall=wall)
    with refuses(InputError, "no-reason"):
        naming.request(own, name, actor=FITTER, reason=" ", wall=wall)
    with refuses(InputError, "unknown-meter"):
        naming.request(own, "nobody", actor=FITTER, reason=REASON, wall=wall)
    made = naming.request(own, name, actor=FITTER, reason=REASON, days=2, wall=wall)
    assert made.until == NOW + 2 * DAY_S
    assert [one.id for one in naming.listed(own, actor=FITTER, meter=name, wall=wall)].count(made.id) == 1
    with refuses(Denied, "no-role"):
        naming.listed(own, actor=FITTER.__class__(name="os:x", roles=frozenset({"analyst"}), via="os"), wall=wall)


def test_the_request_is_written_down_and_names_nobody(own: Home, traced: Traced) -> None:
    made = naming.request(own, traced.meter.meter, actor=FITTER, reason=REASON, wall=wall)
    record = told(own)[-1]
    assert (record["kind"], record["trace"], record["actor"]) == ("trace-requested", made.id, FITTER.name)
    text = json.dumps(record)
    assert not any(word in text for word in (traced.meter.meter, traced.meter.ean, REASON))


def test_the_file_holds_neither_a_value_nor_a_key(home: Home, traced: Traced) -> None:
    found = home.traces.of(traced.trace, at=NOW)
    assert (found.meter, found.ean, found.outcome) == (traced.meter.meter, traced.meter.ean, "done")
    assert found.days == (DAY, AFTER)
    recorded = home.traces.recorded(found)
    for where in (recorded.packed(), b"".join(one.octets for one in recorded.events)):
        for key in keys_of(home, traced):
            assert key not in where
            assert key.hex().encode() not in where
        for register in registers(traced)[:20]:
            assert register.to_bytes(4, "big") not in where
            assert register.to_bytes(4, "big").hex().encode() not in where


def test_a_visit_that_fails_is_traced_too(own: Home, traced: Traced) -> None:
    """Nobody listens at these addresses any more: the trace is empty, and the request is spent."""
    made = naming.request(own, traced.meter.meter, actor=FITTER, reason=REASON, wall=wall)
    later = NOW + DAY_S
    asked = reading.Request(
        meter=traced.meter.meter, start=AFTER, end=AFTER.fromordinal(AFTER.toordinal() + 1), purpose="test",
        reason="", actor=TESTER, deadline_s=5.0,
    )  # fmt: skip  # one request, whose layout does not matter
    report = reading.read(own, asked, wall=lambda: later)
    assert report.visit.error is not None
    found = own.traces.of(made.id, at=later)
    assert (found.outcome, found.size, found.is_kept) == (report.visit.error.code, 0, True)
    view = looking.look(own, made.id, actor=FITTER, purpose="maintenance", wall=lambda: later).view()
    assert (view.frames, view.fields) == ((), ())


# What persons may want of it, and what ends it.


def test_the_dossier_lists_it_with_its_bytes_masked(home: Home, traced: Traced) -> None:
    see = through_gate(home, asking=TESTER, purpose="customer", reason="subject export")
    found = dossier.collect(home, see, traced.meter.ean, (DAY, AFTER), wall=wall)
    (row,) = found.tables["traces"]
    assert (row["trace"], row["reason"], row["meter"]) == (traced.trace, REASON, traced.meter.meter)
    frames = row["frames"]
    assert isinstance(frames, list)
    assert {frame["way"] for frame in frames} == {"sent", "received"}
    recorded = home.traces.recorded(home.traces.of(traced.trace, at=NOW))
    assert sum(len(frame["octets"]) for frame in frames) == 2 * recorded.size
    assert any("**" in frame["octets"] for frame in frames)
    text = dossier.as_json(found)
    assert max((one.octets for one in recorded.events), key=len)[60:76].hex().upper() not in text
    assert '"record","quarter_end"' not in dossier.as_csv(found)
    assert "trace," in dossier.as_csv(found)
    other = dossier.collect(home, see, traced.meter.ean, (AFTER, AFTER.replace(day=26)), wall=wall)
    assert other.tables["traces"] == []


def test_erasure_takes_row_and_file_along_although_the_readings_have_to_stay(own: Home, traced: Traced) -> None:
    before = files(own)
    assert traced.trace in before
    with writing(own.engine) as connection:
        hold = Holds(own.engine).make(
            connection, traced.meter.ean, Hold.DISPUTE, DAY, AFTER, "16", by=TESTER.name, at=NOW
        )
    wish = Wish(ean=traced.meter.ean, days=(DAY, AFTER), ground="no-longer-needed", by=TESTER.name)
    erasing.erase(own, wish, wall=wall)
    erasing.erase(own, replace(wish, has_claims=True), wall=wall)
    assert files(own) == before, "a dispute keeps it, and so does a claim"
    with writing(own.engine) as connection:
        Holds(own.engine).end(connection, hold, by=TESTER.name, at=NOW)
    answer = erasing.erase(own, wish, wall=wall)
    assert answer.decision.outcome is Outcome.REFUSED
    assert own.traces.listed(at=NOW, ean=traced.meter.ean) == []
    assert files(own) == [one for one in before if one != traced.trace]
    assert carry_out(own, wall=wall).waiting == 0


def _keep(home: Home, trace: str, *, until: int) -> None:
    with writing(home.engine) as connection:
        connection.execute(update(traces).where(traces.c.id == trace).values(expires_at=until))


def test_tidying_ends_what_is_a_week_old_and_what_is_of_days_that_are_dropped(own: Home, traced: Traced) -> None:
    before = files(own)
    assert upkeep.tidy(own, keep_days=None, wall=wall).removed_traces == 0
    assert files(own) == before
    _keep(own, traced.trace, until=NOW + 30 * DAY_S)
    assert upkeep.tidy(own, keep_days=None, wall=lambda: NOW + 8 * DAY_S).removed_traces == 1
    assert files(own) == [traced.trace]
    assert upkeep.tidy(own, keep_days=3, wall=lambda: NOW + 8 * DAY_S).removed_traces == 1
    assert files(own) == []
    assert own.traces.listed(at=NOW) == []
