"""The same batch twice changes nothing, and what a file holds gives back the registers."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from kwartier.clock import quarter_ends
from kwartier.model import Readings
from kwartier.store import Appended, Entry, Store
from kwartier.store.rows import registers_of

ZONE = "Europe/Amsterdam"
CHANNELS = ("import_wh", "export_wh")
ID = -5


def _entry(registers: list[int] | None = None, id_: int = ID, bump: int = 0) -> Entry:
    times = quarter_ends(date(2026, 11, 24), date(2026, 11, 25), ZONE)
    count = len(times)
    values = np.arange(count, dtype=np.int64) * 7 + 100 + bump if registers is None else np.array(registers, np.int64)
    zeros = np.zeros(count, np.uint8)
    readings = Readings(
        meter="M",
        start=date(2026, 11, 24),
        end=date(2026, 11, 25),
        times=times,
        registers=dict.fromkeys(CHANNELS, values),
        missing=dict.fromkeys(CHANNELS, zeros),
        status=zeros,
        clock_status=zeros,
    )
    return Entry(id=id_, readings=readings, timezone=ZONE, known_at=1)


def test_the_same_batch_from_two_handles_changes_nothing(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    assert not one.has("a")
    assert one.append("a", [_entry()]) == Appended(new=1)
    assert two.append("a", [_entry()]) == Appended()
    assert two.has("a")
    assert len(list(tmp_path.rglob("day=*/*.parquet"))) == 1


def test_an_equal_row_is_skipped_and_a_differing_one_is_a_new_version(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    store.append("a", [_entry(), _entry(id_=9)])
    assert other.append("b", [_entry()]) == Appended(same=1)
    assert store.append("c", [_entry(bump=1)]) == Appended(superseded=((ID, date(2026, 11, 24)),))
    assert other.append("d", [_entry(bump=1)]) == Appended(same=1)


def test_a_reset_and_a_rollover_come_back(tmp_path: Path) -> None:
    values = [2**32 - 2, *range(2**32 - 1, 2**32 + 40), *range(55), 2**62]
    values = [*values[:96], 2**62]
    Store(tmp_path).append("a", [_entry(values)])
    (path,) = tmp_path.rglob("day=*/*.parquet")
    row = pq.ParquetFile(path).read().to_pylist()[0]
    for number, channel in enumerate(CHANNELS):
        bases = [(0, b["place"], b["register"]) for b in row["bases"] if b["channel"] == number]
        back = registers_of(np.array([row[f"opening_{channel}"]]), np.array([row[channel]], np.int64), bases)
        assert back[0].tolist() == values
