"""The table of faults: a closed list, checked cell by cell; who has what follows from seed, rate and names."""

from pathlib import Path

import pytest

from kwartier.errors import InputError
from kwartier.simulate import faults
from kwartier.simulate.faults import LINE_FAULTS, VALUE_FAULTS, Fault, FaultTable


def test_the_default_names_every_fault_and_none_names_none() -> None:
    assert {one.name for one in faults.load("default").faults} == {*LINE_FAULTS, *VALUE_FAULTS}
    assert faults.load("none").faults == ()
    assert 0.02 < sum(one.rate for one in faults.load("default").faults) < 0.04


def test_a_file_replaces_the_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[slow]\nrate = 1\nattempts = 2\n[reset]\nmeters = ["zuid-000002"]\n')
    table = faults.load(str(path))
    assert [(one.name, one.rate, one.attempts) for one in table.faults] == [("slow", 1.0, 2), ("reset", 0.0, 0)]
    named, other = table.of(1, "zuid-000002", 1, "cell"), table.of(1, "noord-000001", 0, "cell")
    assert named is not None
    assert other is not None
    assert (named.name, other.name) == ("reset", "slow")
    assert faults.of_table(table.table(), "again").table() == table.table()


@pytest.mark.parametrize(
    "text",
    [
        "[pixies]\nrate = 0.1",
        "slow = 3",
        "[slow]\nrate = 2",
        "[slow]\nrate = true",
        '[slow]\nrate = "much"',
        "[slow]\nattempts = 3",
        "[slow]\nattempts = 1.5",
        "[slow]\nmeters = [1]",
        '[slow]\nmeters = "zuid-000002"',
        "[slow]\nhow = 1",
        "[slow",
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        faults.load(str(path))
    assert caught.value.code == "bad-faults"


def test_the_share_of_meters_is_the_rate_and_the_seed_says_which() -> None:
    table = FaultTable([Fault(name="slow", rate=0.1, attempts=1), Fault(name="reset", rate=0.2)])
    drawn = [table.of(5, f"m-{number}", number, "c") for number in range(4000)]
    share = {name: sum(one is not None and one.name == name for one in drawn) / 4000 for name in ("slow", "reset")}
    assert 0.08 < share["slow"] < 0.12
    assert 0.17 < share["reset"] < 0.23
    assert drawn == [table.of(5, f"m-{number}", number, "c") for number in range(4000)]
    assert drawn != [table.of(6, f"m-{number}", number, "c") for number in range(4000)]


def test_an_outage_takes_the_whole_cell() -> None:
    table = FaultTable([Fault(name="cell-outage", rate=0.3, attempts=1)])
    hit = {cell: {table.of(5, f"m-{n}", n, cell) is not None for n in range(20)} for cell in map(str, range(50))}
    assert all(len(one) == 1 for one in hit.values())
    assert {True} in hit.values()
    assert {False} in hit.values()


def test_which_attempts_a_fault_hits_and_what_lasts_the_night() -> None:
    passing, lasting = Fault(name="garbage", attempts=2), Fault(name="garbage", attempts=0)
    assert [passing.hits(attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert [lasting.hits(attempt) for attempt in (1, 2, 3)] == [True, True, True]
    assert (passing.is_for_the_night, lasting.is_for_the_night) == (False, True)
    assert not Fault(name="slow", attempts=0).is_for_the_night
    assert not Fault(name="reset").is_for_the_night
