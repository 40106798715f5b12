"""The market taken in and looked up: whole or not at all, a revision each, and nothing that was said is ever lost."""

import hashlib
import threading
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from sqlalchemy import Engine, event

from kwartier.clock import quarter_ends
from kwartier.errors import InputError
from kwartier.market import series, supplies
from kwartier.market.columns import Kind
from kwartier.market.importing import Imported
from kwartier.market.market import Market
from tests.market.files import ENERGY, FRACTION, MARKET, ean, supply, write

DAY = date(2026, 3, 10)
AT = 1_773_000_000
TIMES = quarter_ends(DAY, DAY + timedelta(days=1), "Europe/Amsterdam")[1:]
FIRST = "2026-03-09T23:15Z"


def take(market: Market, path: Path, at: int = AT, *, skip_bad: bool = False, refused: Path | None = None) -> Imported:
    return market.import_file(path, at=at, actor="os:test", skip_bad=skip_bad, refused=refused)


def responsible(market: Market, day: date, revision: int) -> dict[str, str]:
    found = market.supplies(day, revision)
    return dict(zip(found.eans, found.brp, strict=True))


def stamp(quarter: int) -> str:
    return np.datetime_as_string(np.datetime64(int(TIMES[quarter]), "s"), unit="m") + "Z"


def energies(path: Path, *values: int | None, area: str = "GA-1", direction: str = "import") -> Path:
    rows = [f"{area},{stamp(q)},{direction},{value}" for q, value in enumerate(values) if value is not None]
    return write(path, ENERGY, rows)


def test_of_an_empty_market_nothing_is_known(market: Market) -> None:
    assert (market.revision(), market.known_at(0), market.revisions()) == (0, 0, [])
    assert len(market.supplies(DAY, 0)) == 0
    assert market.areas(DAY, 0) == []
    assert market.energies(Kind.INFEED, TIMES, 0) == {}
    assert market.fractions(TIMES, 0) == {}


def test_connections_come_back_in_columns_by_ean(market: Market, tmp_path: Path) -> None:
    rows = [supply(2, method="PRF", year=1, area="GA-2"), supply(1)]
    path = write(tmp_path / "market.csv", MARKET + ",profile,year_export_wh", [rows[0] + ",E1B,77", rows[1] + ",,"])
    done = take(market, path)
    assert done == Imported(kind=Kind.MARKET, revision=1, changed=2, unchanged=0, refused=0)
    found = market.supplies(DAY, 1)
    assert (found.day, found.eans) == (DAY, [ean(1), ean(2)])
    assert (found.brp, found.supplier) == (["BRP-1"] * 2, ["S-1"] * 2)
    assert (found.grid_area, found.method, found.profile) == (["GA-1", "GA-2"], ["cSMA", "PRF"], ["E1A", "E1B"])
    assert found.year_import_wh.tolist() == [3_000_000, 1]
    assert found.year_export_wh.tolist() == [0, 77]
    assert market.areas(DAY, 1) == ["GA-1", "GA-2"]
    assert market.counts(DAY, 1) == {"GA-1": {"cSMA": 1}, "GA-2": {"PRF": 1}}
    assert market.profiles(DAY, 1) == {"GA-1": ["E1A"], "GA-2": ["E1B"]}
    assert ean(1) not in repr(found)
    assert "3000000" not in repr(found)
    made = market.revisions()[0]
    assert (made.revision, made.kind, made.known_at, made.actor, made.rows) == (1, "market", AT, "os:test", 2)
    assert made.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_period_begins_with_its_first_day_and_ends_before_its_last(market: Market, tmp_path: Path) -> None:
    take(market, write(tmp_path / "market.csv", MARKET, [supply(1, "2026-03-10", "2026-03-12")]))
    days = [date(2026, 3, day) for day in (9, 10, 11, 12)]
    assert [len(market.supplies(day, 1)) for day in days] == [0, 1, 1, 0]
    assert [len(market.counts(day, 1)) for day in days] == [0, 1, 1, 0]


def test_the_same_file_again_changes_nothing(market: Market, tmp_path: Path) -> None:
    files = [
        write(
            tmp_path / "market.csv", MARKET, [supply(1, "2026-01-01", "2026-02-01"), supply(1, "2026-02-01"), supply(2)]
        ),
        energies(tmp_path / "infeed.csv", 10, 20, 30),
        energies(tmp_path / "losses.csv", 1, 2, 3),
        write(tmp_path / "fractions.csv", FRACTION, [f"GA-1,E1A,import,{FIRST},0.25,DYN"]),
    ]
    first = [take(market, path) for path in files]
    assert [(one.kind, one.revision, one.changed, one.unchanged) for one in first] == [
        (Kind.MARKET, 1, 3, 0),
        (Kind.INFEED, 2, 3, 0),
        (Kind.LOSSES, 3, 3, 0),
        (Kind.FRACTIONS, 4, 1, 0),
    ]
    again = [take(market, path) for path in files]
    assert [(one.revision, one.changed, one.unchanged) for one in again] == [(4, 0, 3), (4, 0, 3), (4, 0, 3), (4, 0, 1)]
    assert market.revision() == 4


def test_a_connection_that_moves_is_where_it_was_when_asked_as_of_before(market: Market, tmp_path: Path) -> None:
    take(market, write(tmp_path / "market.csv", MARKET, [supply(1), supply(2)]))
    moved = supply(1, "2026-03-01", "2026-03-20", brp="BRP-2")
    take(market, write(tmp_path / "market.csv", MARKET, [moved]), at=AT + 60)
    assert responsible(market, DAY, 1) == {ean(1): "BRP-1", ean(2): "BRP-1"}
    assert responsible(market, DAY, 2) == {ean(1): "BRP-2", ean(2): "BRP-1"}
    for day in (date(2026, 2, 28), date(2026, 3, 20), date(2030, 1, 1)):
        assert responsible(market, day, 2) == {ean(1): "BRP-1", ean(2): "BRP-1"}
    assert (market.known_at(1), market.known_at(2)) == (AT, AT + 60)


def test_energies_come_back_with_what_is_there(market: Market, tmp_path: Path) -> None:
    take(market, energies(tmp_path / "infeed.csv", 10, None, 30))
    take(market, energies(tmp_path / "infeed.csv", 10, 20, 31, direction="import"))
    take(market, energies(tmp_path / "infeed.csv", *range(96), area="GA-2", direction="export"))
    before, after = (market.energies(Kind.INFEED, TIMES, revision)["GA-1", "import"] for revision in (1, 2))
    assert before.values[:4].tolist() == [10, 0, 30, 0]
    assert before.there[:4].tolist() == [True, False, True, False]
    assert after.values[:4].tolist() == [10, 20, 31, 0]
    assert not after.is_whole
    found = market.energies("infeed", TIMES, 3)
    assert sorted(found) == [("GA-1", "import"), ("GA-2", "export")]
    assert found["GA-2", "export"].is_whole
    assert found["GA-2", "export"].values.tolist() == list(range(96))
    assert market.energies(Kind.LOSSES, TIMES, 3) == {}
    assert market.energies(Kind.INFEED, TIMES[:0], 3) == {}
    assert market.energies(Kind.INFEED, TIMES + 86_400, 3) == {}
    assert market.energies(Kind.INFEED, TIMES[1:2], 3)["GA-1", "import"].values.tolist() == [20]
    assert market.energies(Kind.INFEED, TIMES[[0, 2]], 3)["GA-1", "import"].values.tolist() == [10, 31]
    assert "31" not in repr(after)


@pytest.mark.parametrize("area", ["grid_area", "area"])
def test_fractions_come_back_exactly_with_their_quality(area: str, market: Market, tmp_path: Path) -> None:
    rows = [f"GA-1,E1A,import,{stamp(0)},0.000028534001,DYN", f"GA-1,E1A,import,{stamp(2)},1,"]
    path = write(tmp_path / "fractions.csv", FRACTION.replace("grid_area", area), rows)
    assert take(market, path).changed == 2
    take(
        market,
        write(tmp_path / "fractions.csv", FRACTION, [rows[0].replace("DYN", "STD"), rows[0].replace("E1A", "E1B")]),
    )
    before, after = (market.fractions(TIMES, revision)["GA-1", "E1A", "import"] for revision in (1, 2))
    assert before.values[:3].tolist() == after.values[:3].tolist() == [28_534_001, 0, 10**12]
    assert before.there[:3].tolist() == [True, False, True]
    assert (before.quality[:3], after.quality[:3]) == (("DYN", "", ""), ("STD", "", ""))
    assert sorted(market.fractions(TIMES, 2)) == [("GA-1", "E1A", "import"), ("GA-1", "E1B", "import")]


@pytest.mark.parametrize(
    ("name", "header", "row", "said"),
    [
        ("market.csv", MARKET, supply(1)[:17] + "9" + supply(1)[18:], "line 3, column ean"),
        ("market.csv", MARKET, supply(1, method="smart"), "line 3, column method: 'smart' is none of SMA, cSMA, PRF"),
        ("market.csv", MARKET, supply(1, brp=""), "line 3, column brp: empty"),
        ("market.csv", MARKET, supply(1, year=-1), "line 3, column year_volume_wh"),
        (
            "market.csv",
            MARKET,
            supply(1, "2026-01-02", "2026-01-01"),
            "line 3, column valid_to: is not after valid_from",
        ),
        ("market.csv", MARKET, supply(9), "line 3, column valid_from: the same as in line 2"),
        (
            "market.csv",
            MARKET,
            supply(9, "2027-01-01"),
            "line 3, column valid_from: line 2 says something of the same days",
        ),
        ("infeed.csv", ENERGY, f"GA-1,{FIRST},import,5", "line 3, column quarter: the same as in line 2"),
        ("infeed.csv", ENERGY, f"GA-1,{FIRST},both,5", "line 3, column direction"),
        ("losses.csv", ENERGY, f"GA-1,{FIRST},export,-5", "line 3, column energy_wh"),
        ("losses.csv", ENERGY, f"GA-1,{FIRST},export,0.5", "line 3, column energy_wh"),
        ("losses.csv", ENERGY, "GA-1,2026-03-09T23:20Z,export,5", "line 3, column quarter"),
        ("fractions.csv", FRACTION, f"GA-1,E1A,export,{FIRST},2,DYN", "line 3, column fraction: '2' is more than 1"),
        (
            "fractions.csv",
            FRACTION,
            f"GA-1,E1A,import,{FIRST},0.1,STD",
            "line 3, column quarter: the same as in line 2",
        ),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_taken_in_or_only_the_rest(
    name: str, header: str, row: str, said: str, market: Market, tmp_path: Path
) -> None:
    good = {"market.csv": supply(9), "fractions.csv": f"GA-1,E1A,import,{FIRST},0.1,DYN"}
    path = write(tmp_path / name, header, [good.get(name, f"GA-1,{FIRST},import,5"), row])
    with pytest.raises(InputError) as caught:
        take(market, path)
    assert caught.value.code == "bad-rows"
    assert said in caught.value.detail
    assert market.revision() == 0
    done = take(market, path, skip_bad=True, refused=tmp_path / "aside.csv")
    assert (done.revision, done.changed, done.refused) == (1, 1, 1)
    lines = (tmp_path / "aside.csv").read_text().splitlines()
    assert lines[0].startswith("line,column,reason,")
    assert [one.split(",")[0] for one in lines[1:]] == ["3"]


def test_parquet_says_the_same_as_csv(market: Market, tmp_path: Path) -> None:
    plain = energies(tmp_path / "infeed.csv", 10, 20)
    take(market, plain)
    options = pyarrow.csv.ConvertOptions(timestamp_parsers=["%Y-%m-%dT%H:%MZ"])
    table = pyarrow.csv.read_csv(plain, convert_options=options)
    quarters = table.column("quarter").cast(pyarrow.timestamp("s")).cast(pyarrow.timestamp("us", tz="UTC"))
    place = table.schema.get_field_index("quarter")
    pyarrow.parquet.write_table(table.set_column(place, "quarter", quarters), tmp_path / "infeed.parquet")
    assert take(market, tmp_path / "infeed.parquet").unchanged == 2
    take(market, write(tmp_path / "market.csv", MARKET, [supply(1)]))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "market.csv"), tmp_path / "market.parquet")
    assert take(market, tmp_path / "market.parquet").unchanged == 1


def test_a_file_of_losses_by_another_name_has_to_be_called_so(market: Market, tmp_path: Path) -> None:
    path = energies(tmp_path / "march.csv", 10)
    with pytest.raises(InputError) as caught:
        take(market, path)
    assert caught.value.code == "unclear-kind"
    assert market.import_file(path, kind=Kind.LOSSES, at=AT, actor="os:test").kind is Kind.LOSSES
    with pytest.raises(InputError) as caught:
        market.import_file(path, kind=Kind.FRACTIONS, at=AT, actor="os:test")
    assert caught.value.code == "bad-header"
    with pytest.raises(InputError) as caught:
        take(market, tmp_path / "nothing.csv")
    assert caught.value.code == "unreadable-file"


@pytest.mark.parametrize("revision", [-1, 2])
def test_a_revision_that_is_not_there_may_still_say_anything(revision: int, market: Market, tmp_path: Path) -> None:
    take(market, energies(tmp_path / "infeed.csv", 10))
    asked = (
        lambda: market.known_at(revision),
        lambda: market.supplies(DAY, revision),
        lambda: market.areas(DAY, revision),
        lambda: market.energies(Kind.INFEED, TIMES, revision),
        lambda: market.fractions(TIMES, revision),
    )
    for ask in asked:
        with pytest.raises(InputError) as caught:
            ask()
        assert caught.value.code == "unknown-revision"


def test_knowledge_has_an_order_where_clocks_have_none(market: Market, tmp_path: Path) -> None:
    take(market, energies(tmp_path / "infeed.csv", 10), at=AT)
    take(market, energies(tmp_path / "infeed.csv", 11), at=AT - 3600)
    assert (market.known_at(1), market.known_at(2)) == (AT, AT)


def test_more_rows_than_one_question_answers_for(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplies, "BATCH", 3)
    monkeypatch.setattr(supplies, "PAGE", 4)
    monkeypatch.setattr(series, "BATCH", 5)
    take(market, write(tmp_path / "market.csv", MARKET, [supply(number) for number in range(20)]))
    take(market, write(tmp_path / "market.csv", MARKET, [supply(number, year=number) for number in range(0, 20, 2)]))
    found = market.supplies(DAY, 2)
    assert found.eans == [ean(number) for number in range(20)]
    assert found.year_import_wh.tolist() == [3_000_000 if number % 2 else number for number in range(20)]
    take(market, energies(tmp_path / "infeed.csv", *range(20)))
    done = take(market, energies(tmp_path / "infeed.csv", *(value + value % 3 for value in range(20))))
    assert (done.changed, done.unchanged) == (13, 7)
    assert market.energies(Kind.INFEED, TIMES, 4)["GA-1", "import"].values[:20].tolist() == [
        value + value % 3 for value in range(20)
    ]


def test_two_imports_at_once_wait_for_each_other(engine: Engine, tmp_path: Path) -> None:
    """The second begins while the first is under way, and is numbered after it and knows what it said."""
    path = energies(tmp_path / "infeed.csv", 10)
    other = energies(tmp_path / "infeed-2.csv", 10, 20)
    market, waiting = Market(engine), threading.Event()
    done: list[Imported] = []
    second = threading.Thread(target=lambda: done.append(take(Market(engine), other, at=AT + 1)))

    def before_commit(connection: object) -> None:
        if not waiting.is_set():
            waiting.set()
            second.start()
            second.join(timeout=0.3)

    event.listen(engine, "commit", before_commit)
    first = take(market, path)
    second.join()
    assert waiting.is_set()
    assert (first.revision, first.changed) == (1, 1)
    assert [(one.revision, one.changed, one.unchanged) for one in done] == [(2, 1, 1)]
    assert [one.known_at for one in market.revisions()] == [AT, AT + 1]
