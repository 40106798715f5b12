"""A person is told what was made of their readings, and why, and nobody else's; what was erased is not told any more."""

import csv
import io
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import QUARTER_S, midnight, quarter_ends
from kwartier.errors import Denied
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution
from kwartier.service.home import Home
from kwartier.service.subject import dossier, espi
from kwartier.service.subject.dossier import Dossier
from kwartier.service.subject.erasing import Wish, erase
from kwartier.service.subject.moments import utc
from kwartier.service.subject.seeing import through_gate
from kwartier.service.validating.runs import Found, Runs
from tests.service.validating.a_street import ONE_DAY, ZONE, a_street, ean, energy_wh, registers
from tests.somebody import TESTER

DAY = date(2025, 11, 19)
NEXT = DAY + ONE_DAY
GAP = (40, 41)
"""Places of which the registers are missing: three quarters without a measured volume."""


def collected(home: Home, number: int = 1, days: tuple[date, date] = (DAY, NEXT + ONE_DAY)) -> Dossier:
    see = through_gate(home, asking=TESTER, purpose="customer", reason="asked")
    return dossier.collect(home, see, ean(number), days, wall=lambda: float(midnight(NEXT, ZONE)))


def test_volumes_substitutes_and_findings_stand_beside_the_readings(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 0, 2)
        street.read(DAY, 1, missing=GAP)
        street.validate(DAY)
        found = collected(street.home).tables
        times = quarter_ends(DAY, NEXT, ZONE)
        volumes = found["volumes"]
        assert [row["quarter_end"] for row in volumes] == [utc(one) for one in times[1:].tolist()]
        assert {row["meter"] for row in volumes} == {"m1"}
        assert sum(int(str(row["energy_import_wh"])) for row in volumes) == energy_wh(1, int(times[0]), int(times[-1]))
        odd = [place for place, row in enumerate(volumes) if row["quality_import"] != "measured"]
        assert odd == [39, 40, 41]
        assert {volumes[place]["quality_import"] for place in odd} == {"calculated"}
        for put in (one for one in found["substitutes"] if one["channel"] == "import_wh"):
            assert (put["from"], put["to"]) == (utc(int(times[39])), utc(int(times[39]) + 3 * QUARTER_S))
            assert (put["method"], put["quality"], put["looked_at_again_by"]) == ("E2", "calculated", None)
            assert put["inputs"] != {}
        assert {one["code"] for one in found["validation_findings"]} == {"V6-completeness"}
        assert {one["meter"] for one in found["validation_findings"]} == {"m1"}
        told = json.loads(dossier.as_json(collected(street.home)))
        assert told["volumes"] == volumes
        kinds = {row["record"] for row in csv.DictReader(io.StringIO(dossier.as_csv(collected(street.home))))}
        assert {"volume", "substitute", "validation_finding", "reading", "use"} <= kinds


def test_what_a_later_run_says_counts_and_what_it_replaced_is_told_as_such(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 0, 1, 2, missing=GAP)
        street.validate(DAY)
        street.read(DAY, 1)
        street.validate(DAY)
        found = collected(street.home).tables
        assert {row["quality_import"] for row in found["volumes"]} == {"measured"}
        assert {one["looked_at_again_by"] for one in found["substitutes"]} == {2}
        # Of a run that was stopped nothing is told.
        runs = Runs(street.home.engine)
        void = runs.begin(DAY, actor="os:test", rules="r", raw_version=0, market_revision=0, at=1)
        (identity,) = _ids(street.home)
        runs.keep(void, DAY, [Found(identity, "V99", "fail", "", 0, 95)], [])
        assert "V99" not in dossier.as_json(collected(street.home))


def _ids(home: Home) -> list[int]:
    from kwartier.gate.ids import Ids

    return list(Ids(home.engine).of_connection(ean(1), [DAY.year]).values())


def test_a_quarter_of_which_nothing_is_known_has_no_energy(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 0)
        street.validate(DAY)
        rows = collected(street.home).tables["volumes"]
        assert {(row["energy_import_wh"], row["quality_import"]) for row in rows} == {(None, "missing")}


def test_one_look_is_one_use_and_more_days_than_a_grant_spans_are_several(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 0, 1, 2)
        street.validate(DAY)
        one = collected(street.home).tables
        assert len([use for use in one["uses"] if use["purpose"] == "customer"]) == 1
        years = collected(street.home, days=(DAY - timedelta(days=400), NEXT)).tables
        assert years["volumes"] == one["volumes"]
        assert len([use for use in years["uses"] if use["purpose"] == "customer"]) == 3


def test_nobody_elses_volumes_are_told_and_what_was_erased_is_not(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 0, 1, 2)
        street.read(NEXT, 0, 1, 2)
        for day in (DAY, NEXT):
            street.validate(day)
        text = dossier.as_json(collected(street.home))
        assert '"m0"' not in text
        assert '"m2"' not in text
        later = float(midnight(NEXT + timedelta(days=300), ZONE))
        wish = Wish(ean=ean(1), days=(DAY, NEXT), ground="no-longer-needed", by="os:test")
        erase(street.home, wish, wall=lambda: later)
        found = collected(street.home).tables
        assert {str(row["quarter_end"])[:10] for row in found["volumes"]} <= {f"{NEXT}", f"{NEXT - ONE_DAY}"}
        assert len(found["volumes"]) == 96
        assert sum(int(str(row["energy_import_wh"])) for row in found["volumes"]) == energy_wh(
            1, midnight(NEXT, ZONE), midnight(NEXT + ONE_DAY, ZONE)
        )


def test_a_grant_that_shows_no_quarters_shows_no_volumes(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 1)
        street.validate(DAY)
        for more, code in (
            ({"resolution": Resolution.DAY}, "too-fine"),
            ({"channels": ("import_wh",)}, "out-of-scope"),
        ):
            scope = Scope(start=DAY, end=NEXT, eans=(ean(1),), **more)
            grant = street.home.gate.open(actor=TESTER, purpose="customer", scope=scope)
            with pytest.raises(Denied) as denied:
                grant.own_volumes({DAY: 1})
            assert denied.value.code == code


def test_green_button_has_the_registers_alone(tmp_path: Path) -> None:
    with a_street(tmp_path, 2) as street:
        street.read(DAY, 1, missing=GAP)
        street.validate(DAY)
        feed = espi.feed(ean(1), collected(street.home).shown, made_at=1).decode()
        steps = np.diff(registers(1, quarter_ends(DAY, NEXT, ZONE))["import_wh"])
        assert feed.count("<espi:IntervalReading>") == 2 * (len(steps) - 3), "what was put there is not measured"
