"""A version goes to the market: what is told, to whom, of which quality, and what is not told at all."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from lxml import etree
from sqlalchemy import select

from kwartier.database import reading
from kwartier.errors import Denied, KwartierError
from kwartier.export.codes import TSO
from kwartier.export.formats import FORMATS
from kwartier.export.wording import second
from kwartier.model import Quality
from kwartier.service.exporting import connection_series, outbox
from kwartier.service.exporting import run as exporting
from kwartier.service.exporting.messages import listed
from kwartier.service.subject.erasing import Wish, erase
from kwartier.settle.tables import AreaState, Part
from kwartier.tables import accesses
from kwartier.who.actor import Actor
from tests.export.days import AREA, AUTUMN, LENGTHS, OTHER_AREA, PLAIN, SPRING
from tests.export.reading import check_schema, parsed, texts, watt_hours
from tests.market.files import ean
from tests.service.settled_day import DELTA, POLDER, VELUWE, ZON, C, Connection, E, M, Town, a_row, town

CODE_OF = {M: "A04", C: "A06", E: "A03"}
LONG_AFTER = datetime(2026, 11, 26, 12).timestamp()
Told = dict[tuple[str, str], etree._Element]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, PLAIN) as found:
        yield found


@pytest.fixture
def spring(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, SPRING) as found:
        yield found


def raises(code: str, act: Callable[[], object]) -> KwartierError:
    with pytest.raises(KwartierError) as caught:
        act()
    assert caught.value.code == code
    return caught.value


def child(element: etree._Element, name: str) -> str:
    (found,) = texts(element, name)
    return found


def told_series(place: Town) -> Told:
    """Every series of the messages `validated`, by EAN and direction; none is there twice."""
    found: Told = {}
    for text in place.texts().values():
        for one in parsed(text).iter("{*}Series"):
            direction = {"E17": "import", "E18": "export"}[child(one, "marketEvaluationPoint.type")]
            (number,) = [each.text or "" for each in one if each.tag.endswith("}marketEvaluationPoint.mRID")]
            assert (number, direction) not in found
            found[number, direction] = one
    return found


def told_to(place: Town, recipient: str) -> set[tuple[str, str]]:
    """What is told to the recipient with this code."""
    return {
        (child(one, "marketEvaluationPoint.mRID"), child(one, "marketEvaluationPoint.type"))
        for text in place.texts().values()
        if child(parsed(text), "receiver_MarketParticipant.mRID") == recipient
        for one in parsed(text).iter("{*}Series")
    }


def worst(one: Connection, channel: str, place: int) -> str:
    """The least sure quality of a quarter over the meters that were there."""
    kinds = [row.quality[channel][place] for row in one.rows]
    return CODE_OF[Quality(max(kind for kind in kinds if kind in CODE_OF))]


# What is told of connections.


@pytest.mark.parametrize("day", [SPRING, PLAIN, AUTUMN], ids=["92", "96", "100"])
@pytest.mark.parametrize("splits", [1, 3])
def test_validated_is_the_differences_of_registers(day: date, splits: int, tmp_path: Path) -> None:
    with town(tmp_path, day, splits=splits) as place:
        place.publish()
        exported = place.export()
        assert (len(exported.files), exported.unchanged, exported.withheld) == (2, 0, ())
        told = told_series(place)
        count = LENGTHS[day]
        for number in (1, 2, 7, 8):
            one = place.connection(number)
            (row,) = one.rows
            for direction in ("import", "export"):
                if number in (1, 8) and direction == "export":
                    assert (one.ean, direction) not in told, "the meter has no such register"
                    continue
                series, registers = told[one.ean, direction], row.registers[f"{direction}_wh"]
                assert watt_hours(series) == np.diff(registers).tolist()
                assert sum(watt_hours(series)) == registers[-1] - registers[0]
                assert texts(series, "position") == [f"{place}" for place in range(1, count + 1)]
                codes = [worst(one, f"{direction}_wh", place) for place in range(count)]
                assert texts(series, "quality") == codes
                assert set(texts(series, "resolution")) == {"PT15M"}
        assert {"A03", "A04", "A06"} <= set(texts(told[ean(2), "import"], "quality"))


@pytest.mark.parametrize("kind", ["validated", "aggregated"])
@pytest.mark.parametrize("day", [SPRING, PLAIN, AUTUMN], ids=["92", "96", "100"])
def test_messages_are_valid_against_the_public_schemas(day: date, kind: str, tmp_path: Path) -> None:
    with town(tmp_path, day) as place:
        place.publish()
        assert place.export(kind).files
        for text in place.texts().values():
            check_schema(text, kind)


def test_an_exchange_day_is_one_volume_of_two_meters(plain: Town) -> None:
    plain.publish()
    plain.export()
    series, one = told_series(plain)[ean(3), "import"], plain.connection(3)
    old, new = one.rows
    whole = np.diff(old.registers["import_wh"]) + np.diff(new.registers["import_wh"])
    assert watt_hours(series) == whole.tolist()
    assert texts(series, "quality") == ["A04"] * 48 + ["A03"] + ["A04"] * 47
    fed_in = told_series(plain)[ean(3), "export"]
    assert watt_hours(fed_in) == np.diff(new.registers["export_wh"]).tolist()
    assert texts(fed_in, "quality") == ["A06"] * 48 + ["A04"] * 48, "before the new meter came nothing flowed"


def test_a_missing_quarter_is_not_available_and_has_no_quantity_not_even_0(plain: Town) -> None:
    plain.publish()
    plain.export()
    series = told_series(plain)[ean(4), "import"]
    assert texts(series, "quality")[:4] == ["A04", "A02", "A02", "A04"]
    points = list(series.iter("{*}Point"))
    assert [len(texts(one, "quantity")) for one in points] == [1, 0, 0, *[1] * 93]
    assert not any(ean(6) in text for text in plain.texts().values()), "who was never read is in no message"
    table = pyarrow.concat_tables([pyarrow.parquet.read_table(one) for one in (plain.out / "parquet").iterdir()])
    rows = [row for row in table.to_pylist() if row["ean"] == ean(4) and row["direction"] == "import"]
    assert [row["energy_wh"] is None for row in rows[:4]] == [False, True, True, False]


def test_each_supplier_gets_its_own_connections_and_those_by_profile_are_told_to_nobody(plain: Town) -> None:
    plain.publish()
    plain.export()
    polder, zon = told_to(plain, "2900000000063"), told_to(plain, "2900000000087")
    assert {number for number, _ in polder} == {ean(one) for one in (1, 3, 4, 8)}
    assert {number for number, _ in zon} == {ean(one) for one in (2, 7)}
    assert not any(ean(5) in text for text in plain.texts().values())


def test_series_stand_in_the_order_of_eans_whatever_is_in_memory_at_once(
    plain: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.publish()
    before = plain.export()
    bytes_before = plain.texts()
    for at_once in (1, 2, 3):
        monkeypatch.setattr(connection_series, "AT_ONCE", at_once)
        again = plain.export()
        assert (again.files, again.unchanged) == (before.files, 2)
    assert plain.texts() == bytes_before
    for text in bytes_before.values():
        numbers = [(child(one, "marketEvaluationPoint.mRID"), child(one, "marketEvaluationPoint.type"))
                   for one in parsed(text).iter("{*}Series")]  # fmt: skip  # one list
        assert numbers == sorted(numbers)


def test_how_far_it_is_is_told(plain: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_series, "SHOW_EVERY", 2)
    plain.publish()
    seen: list[tuple[int, int]] = []
    plain.export(show=lambda done, count: seen.append((done, count)))
    assert seen == [(2, 6), (4, 6), (6, 6)]


# What is told of sums.


def test_what_each_party_is_told_are_the_settled_sums(plain: Town) -> None:
    plain.publish()
    plain.export()
    of_connections = told_series(plain)
    for path in plain.out.glob("*.xml"):
        path.unlink()
    exported = plain.export("aggregated")
    assert len(exported.files) == 3, "BRP-Delta in two areas, and BRP-Veluwe"
    codes = {"2900000000032": DELTA, "2900000000049": VELUWE}
    suppliers = {"2900000000063": POLDER, "2900000000087": ZON}
    areas = {"290000000000000012": AREA, "10YNL----------L": OTHER_AREA}
    seen = 0
    for text in plain.texts().values():
        for one in parsed(text).iter("{*}Series"):
            brp = codes[child(one, "balanceResponsibleParty_MarketParticipant.mRID")]
            supplier = suppliers[child(one, "energySupplier_MarketParticipant.mRID")]
            area = areas[child(one, "meteringGridArea_Domain.mRID")]
            direction = {"E17": "import", "E18": "export"}[child(one, "marketEvaluationPoint.type")]
            if child(one, "marketEvaluationPoint.settlementMethod") == "E01":
                assert watt_hours(one) == [300] * 96
                continue
            mine = [
                each
                for each in plain.street
                if (each.area, each.brp, each.supplier) == (area, brp, supplier) and each.is_usable
            ]
            sums = sum(each.total(f"{direction}_wh") for each in mine)
            assert watt_hours(one) == np.asarray(sums).tolist()
            # The two messages of a version do not contradict each other.
            told = [of_connections.get((each.ean, direction)) for each in mine]
            assert sum(sum(watt_hours(each)) for each in told if each is not None) == sum(watt_hours(one))
            seen += 1
    assert seen == 8


def test_the_account_says_what_every_party_took_and_fed_in_with_losses_and_residual(plain: Town) -> None:
    plain.publish()
    exported = plain.export("account")
    assert len(exported.files) == 2
    for text in plain.texts().values():
        root = parsed(text)
        assert etree.QName(root).localname == "EnergyAccount_MarketDocument"
        assert [etree.QName(one).localname for one in root][:3] == ["mRID", "revisionNumber", "type"]
        assert child(root, "receiver_MarketParticipant.mRID") == "10X1001A1001A264"
        assert texts(root, "position") == [f"{one}" for one in range(1, 97)] * len(texts(root, "curveType"))
        assert texts(root, "businessType")[-2:] == ["A15", "A14"]
        (last,) = list(root.iter("{*}TimeSeries"))[-1:]
        assert set(texts(last, "in_Quantity.quantity")) == {"-0.005"}
        # The status says whether it is the last word.
        assert texts(root, "value") == ["A01"]


@pytest.mark.parametrize(("late", "final"), [(1, "A01"), (60, "A02")], ids=["D+1", "M+4"])
def test_only_the_version_says_since_when_it_is_known_and_whether_it_is_the_last(
    plain: Town, late: int, final: str
) -> None:
    version = plain.publish(late=late)
    assert plain.export("account").edition.final == (final == "A02")
    assert {child(parsed(text), "value") for text in plain.texts().values()} == {final}
    plain.export("validated", later_s=86_400)
    known = [
        one for text in plain.texts().values() for one in texts(parsed(text), "registration_DateAndOrTime.dateTime")
    ]
    assert set(known) == {second(version.made_at)}


def test_twins_of_all_three_lie_in_folders(plain: Town) -> None:
    plain.publish()
    for kind in FORMATS:
        plain.export(kind)
    names = {one.stem for one in plain.out.glob("*.xml")}
    for folder in ("parquet", "csv"):
        assert {one.stem for one in (plain.out / folder).iterdir()} == names
    for one in (plain.out / "csv").iterdir():
        assert pyarrow.csv.read_csv(one).num_rows % 96 == 0


# Which version.


def test_without_a_settlement_there_is_nothing_to_tell_and_it_says_what_to_do(plain: Town) -> None:
    for kind in FORMATS:
        error = raises("never-settled", lambda kind=kind: plain.export(kind))  # type: ignore[misc]  # of this turn
        assert f"kwartier settle run --date {PLAIN}" in error.detail
    assert not plain.out.exists()
    raises("bad-argument", lambda: plain.export("everything"))


def test_the_latest_version_is_told_or_the_one_that_is_named(plain: Town) -> None:
    plain.publish()
    plain.publish(late=5)
    assert plain.export("aggregated").edition.version == 2
    assert plain.export("aggregated", version=1).edition.version == 1
    raises("no-such-version", lambda: plain.export("aggregated", version=3))
    assert len({one.id for one in listed(plain.home.engine)}) == 6


def test_a_version_is_told_from_its_own_run_and_revision_whatever_came_later(plain: Town) -> None:
    plain.publish()
    plain.export()
    before = plain.texts()
    # Later another reading came, and the supplier of somebody else was corrected.
    plain.change(replace(plain.connection(8), rows=(replace(a_row(PLAIN, 80), meter="m8"),)))
    plain.change(replace(plain.connection(2), supplier=POLDER))
    assert plain.import_market() == 2
    plain.validate()
    assert plain.export().unchanged == 2
    assert plain.texts() == before
    plain.publish(late=5)
    for path in plain.out.glob("*.xml"):
        path.unlink()
    assert plain.export().edition.version == 2
    assert {number for number, _ in told_to(plain, "2900000000087")} == {ean(7)}
    assert watt_hours(told_series(plain)[ean(8), "export"]) == plain.connection(8).total("export_wh").tolist()


def test_of_a_held_day_nothing_is_written_and_no_earlier_version_is_told_in_its_place(plain: Town) -> None:
    plain.publish()
    plain.publish(plain.settled(west=AreaState.HELD), late=5)
    for kind in FORMATS:
        error = raises("settlement-held", lambda kind=kind: plain.export(kind))  # type: ignore[misc]  # of this turn
        assert "'GA-west' is held: the residual is too large" in error.detail
    assert not plain.out.exists()
    with reading(plain.home.engine) as connection:
        assert connection.execute(select(accesses.c.id)).all() == [], "nobody looked at anything"
    assert plain.export(version=1).edition.version == 1


@pytest.mark.parametrize("kind", list(FORMATS))
def test_an_area_that_is_stopped_is_withheld_and_the_others_are_told(plain: Town, kind: str) -> None:
    plain.publish(plain.settled(oost=AreaState.STOPPED))
    exported = plain.export(kind)
    assert [(one.grid_area, one.reason) for one in exported.withheld] == [(OTHER_AREA, "no infeed")]
    assert exported.files
    for text in plain.texts().values():
        assert ean(7) not in text
        assert "10YNL----------L" not in text


# Once and for all.


def test_exporting_again_finds_every_message_unchanged_and_draws_no_id(plain: Town) -> None:
    plain.publish()
    for kind in FORMATS:
        first = plain.export(kind)
        again = plain.export(kind, later_s=90_000)
        assert (again.files, again.unchanged) == (first.files, len(first.files))
    assert len(listed(plain.home.engine)) == 2 + 3 + 2


def test_a_crash_between_draft_and_rename_leaves_what_the_next_export_completes(
    plain: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Gone

    plain.publish()
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "_place", crash)
        with pytest.raises(Gone):
            plain.export()
    assert plain.texts() == {}
    (begun,) = listed(plain.home.engine)
    exported = plain.export(later_s=7_200)
    assert exported.files[0].name == begun.file
    assert len(listed(plain.home.engine)) == 2
    assert not list(plain.out.glob(".*"))


def test_what_is_lawfully_gone_is_not_told_otherwise(spring: Town) -> None:
    spring.publish()
    spring.export()
    before = spring.texts()
    answer = erase(
        spring.home,
        Wish(ean=ean(1), days=(SPRING, date(2026, 3, 30)), ground="no-longer-needed", by="os:test"),
        wall=lambda: LONG_AFTER,
    )
    assert answer.decision.erased
    error = raises("volumes-gone", lambda: spring.export(later_s=9_000))
    assert "1 connections" in error.detail
    assert ean(1) not in error.detail
    assert spring.texts() == before, "what was written stays"
    next(iter(spring.out.glob("*.xml"))).unlink()
    raises("volumes-gone", lambda: spring.export(later_s=9_000))
    assert len(spring.texts()) == 1, "and is not written anew"
    # The sums stay, and are told as they were frozen.
    assert spring.export("aggregated").unchanged == 0
    assert len(listed(spring.home.engine)) == 2 + 3


def test_an_unread_connection_that_is_gone_changes_no_message_either(spring: Town) -> None:
    """It is counted in no sum, so its text alone says that something is missing."""
    spring.publish()
    spring.export()
    before = spring.texts()
    wish = Wish(ean=ean(4), days=(SPRING, date(2026, 3, 30)), ground="no-longer-needed", by="os:test")
    erase(spring.home, wish, wall=lambda: LONG_AFTER)
    raises("changed-message", lambda: spring.export(later_s=9_000))
    assert spring.texts() == before


def test_volumes_that_do_not_come_to_the_sums_are_not_told(plain: Town) -> None:
    settled = plain.settled()
    sums = list(settled.sums)
    (place,) = [
        place
        for place, one in enumerate(sums)
        if (one.part, one.supplier, one.method, one.direction) == (Part.METERED, ZON, "SMA", "import")
    ]
    wrong_wh = sums[place].energy_wh.copy()
    wrong_wh[7] += 1
    sums[place] = replace(sums[place], energy_wh=wrong_wh)
    plain.publish(replace(settled, sums=tuple(sums)))
    raises("settlement-differs", plain.export)
    assert plain.texts() == {}


def test_after_the_last_row_of_the_day_has_gone_it_says_so(plain: Town) -> None:
    plain.run -= 1
    plain.publish()  # made from a run of which nothing is there any more
    error = raises("volumes-gone", plain.export)
    assert "5 connections" in error.detail


# Who looked.


def test_every_export_is_a_grant_with_its_recipients_and_what_it_read_is_one_record(plain: Town) -> None:
    plain.publish()
    for kind in FORMATS:
        plain.export(kind)
    with reading(plain.home.engine) as connection:
        found = connection.execute(select(accesses).order_by(accesses.c.recipient)).all()
    assert [one.recipient for one in found] == [f"{DELTA}, {VELUWE}", f"{POLDER}, {ZON}", TSO]
    assert {(one.purpose, one.reason, one.actor) for one in found} == {("settlement", "test", "os:test")}
    (record,) = plain.log("bulk")
    assert (record["day"], record["count"], record["run"]) == (f"{PLAIN}", 8, plain.run)


def test_whoever_has_no_role_for_it_tells_nothing(plain: Town) -> None:
    plain.publish()
    nobody = Actor(name="os:nobody", roles=frozenset(), via="os")
    for kind in FORMATS:
        with pytest.raises(Denied):
            exporting.export(plain.home, kind, PLAIN, version=None, out=plain.out, actor=nobody, at=plain.at)
    assert not plain.out.exists()
