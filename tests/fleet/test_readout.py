"""Who may not be read from afar: said from a day on, remembered both ways, and nobody's business but the operator's own."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.fleet.ean import check_digit
from kwartier.fleet.readout import Mode, import_file, not_read, state
from kwartier.fleet.registry import Registry

DAY = date(2026, 3, 10)
ONE_DAY = timedelta(days=1)


def ean(number: int) -> str:
    body = f"2087{number:013d}"
    return body + str(check_digit(body))


@pytest.fixture
def fleet(engine: Engine, tmp_path: Path) -> Engine:
    """Three connections, the last of another operator."""
    lines = ["meter,ean,host,port,system_title,companion,dso,valid_from"]
    for number, dso in enumerate(("Noord", "Noord", "Zuid")):
        lines.append(f"m{number},{ean(number)},127.0.0.1,4059,4B575400000000{number:02d},smr-5.5,{dso},2020-01-01")
    (tmp_path / "fleet.csv").write_text("\n".join(lines) + "\n")
    Registry(engine).import_file(tmp_path / "fleet.csv", at=0)
    return engine


def told(engine: Engine, start: date, end: date, eans: list[str] | None = None) -> dict[str, Mode]:
    with reading(engine) as connection:
        return not_read(connection, start, end, eans)


def test_what_nothing_is_said_of_may_be_read(fleet: Engine) -> None:
    assert told(fleet, DAY, DAY + ONE_DAY) == {}
    assert not state(fleet, ean(0), Mode.REMOTE, on=DAY, dso="", at=1), "that was so already"


def test_a_connection_that_opts_out_is_out_from_that_day_on_until_it_comes_back(fleet: Engine) -> None:
    assert state(fleet, ean(0), Mode.OPTED_OUT, on=DAY, dso="", at=10)
    assert not state(fleet, ean(0), Mode.OPTED_OUT, on=DAY + ONE_DAY, dso="", at=11)
    assert told(fleet, DAY - ONE_DAY, DAY) == {}
    assert told(fleet, DAY - ONE_DAY, DAY + ONE_DAY) == {ean(0): Mode.OPTED_OUT}
    assert state(fleet, ean(0), Mode.REMOTE, on=DAY + 5 * ONE_DAY, dso="", at=12)
    assert told(fleet, DAY + 4 * ONE_DAY, DAY + 5 * ONE_DAY) == {ean(0): Mode.OPTED_OUT}
    assert told(fleet, DAY + 5 * ONE_DAY, DAY + 9 * ONE_DAY) == {}


def test_it_is_told_of_some_or_of_all(fleet: Engine) -> None:
    state(fleet, ean(0), Mode.OPTED_OUT, on=DAY, dso="", at=10)
    state(fleet, ean(1), Mode.NOT_REMOTE, on=DAY, dso="", at=10)
    assert told(fleet, DAY, DAY + ONE_DAY, [ean(1)]) == {ean(1): Mode.NOT_REMOTE}
    assert told(fleet, DAY, DAY + ONE_DAY) == {ean(0): Mode.OPTED_OUT, ean(1): Mode.NOT_REMOTE}
    assert told(fleet, DAY, DAY + ONE_DAY, []) == {}


def test_of_a_connection_that_is_not_known_or_not_ours_nothing_is_said(fleet: Engine) -> None:
    for number, dso in ((9, ""), (2, "Noord")):
        with pytest.raises(InputError) as caught:
            state(fleet, ean(number), Mode.OPTED_OUT, on=DAY, dso=dso, at=10)
        assert caught.value.code == "unknown-connection"
    assert told(fleet, DAY, DAY + ONE_DAY) == {}


def test_a_file_is_taken_in_as_a_whole_or_not_at_all(fleet: Engine, tmp_path: Path) -> None:
    path = tmp_path / "readouts.csv"
    head = "ean,readout,valid_from\n"
    path.write_text(head + f"{ean(0)},opted-out,{DAY}\n{ean(1)},remote,{DAY}\n")
    done = import_file(fleet, path, dso="", at=10)
    assert (done.changed, done.unchanged) == (1, 1)
    assert told(fleet, DAY, DAY + ONE_DAY) == {ean(0): Mode.OPTED_OUT}
    path.write_text(head + f"{ean(0)},remote,{DAY}\n{ean(9)},opted-out,{DAY}\n")
    with pytest.raises(InputError):
        import_file(fleet, path, dso="", at=11)
    path.write_text(head + f"{ean(0)},switched-off,{DAY}\n")
    with pytest.raises(InputError) as caught:
        import_file(fleet, path, dso="", at=11)
    assert "column readout" in caught.value.detail
    assert told(fleet, DAY, DAY + ONE_DAY) == {ean(0): Mode.OPTED_OUT}
