"""A backup has the volumes of every run that its database knows, and of no other."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, insert

from kwartier.database import writing
from kwartier.service import backup
from kwartier.service.home import Home, open_home
from kwartier.store import copying
from kwartier.store.schema import VALIDATED
from kwartier.store.volumes_reader import VolumesReader
from kwartier.tables import validation_runs
from tests.service.subject.planted import OLD, PERSONS, TODAY, YOUNG, planted_home, wall
from tests.store.volumes import ONE_DAY, rows, volumes

LATE = YOUNG[0]


def noted(engine: Engine, run: int, day: date) -> None:
    """Begin a run."""
    row = dict.fromkeys(("started_at", "raw_version", "market_revision", "rows", "findings", "substitutes"), 0)
    with writing(engine) as connection:
        about = {"run": run, "day": day, "actor": "os:test", "code": "1", "rules": "r"}
        connection.execute(insert(validation_runs), [{**row, **about}])


def everything(home: Home) -> dict[tuple[date, int], tuple[object, ...]]:
    reader = VolumesReader(home.store_folder, home.day_keys)
    return rows([one for day in reader.days(OLD[0], TODAY) for one in reader.scan(day)])


@pytest.mark.parametrize("encrypted", ["none", "aes-gcm"])
def test_volumes_come_back_with_the_runs_that_made_them(
    tmp_path: Path, encrypted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = planted_home(tmp_path, "sqlite", encrypted)
    dump, stored = backup._dump, dict[tuple[date, int], tuple[object, ...]]()
    with open_home(path) as home:
        for run in range(1, PERSONS + 1):
            noted(home.engine, run, LATE)
        noted(home.engine, 7, LATE)

        def meanwhile(engine: Engine, folder: Path) -> dict[str, int]:
            """A run that had begun before the database was looked at stores its day after that; then another one comes."""
            found = dump(engine, folder)
            if not stored:
                home.open_validated().append(7, LATE, [volumes(LATE, [7])])
                stored.update(everything(home))
                noted(engine, 8, LATE)
                home.open_validated().append(8, LATE, [volumes(LATE, [7, 8], seed=8)])
                home.open_validated().append(7, LATE + ONE_DAY, [volumes(LATE + ONE_DAY, [7])])
            return found

        monkeypatch.setattr(backup, "_dump", meanwhile)
        manifest = backup.create(home, tmp_path / "backup", wall=wall)
        assert copying.NOTHING < manifest.validated_version < copying.newest(home.store_folder, VALIDATED)
    backup.restore(tmp_path / "backup", tmp_path / "restored", wall=wall)
    with open_home(tmp_path / "restored") as restored:
        assert everything(restored) == stored
        assert len(everything(restored)) == PERSONS * len([*OLD, *YOUNG]) + 1
        # The next run has the number of the one that was left behind, and what it stores is stored.
        noted(restored.engine, 8, LATE)
        restored.open_validated().append(8, LATE, [volumes(LATE, [9], seed=9)])
        reader = VolumesReader(restored.store_folder, restored.day_keys)
        assert reader.heads(LATE).ids[reader.heads(LATE).runs == 8].tolist() == [9]


def test_a_backup_from_before_there_were_volumes_has_none(tmp_path: Path) -> None:
    manifest = backup.Manifest(format=1, made_at=1, schema="s", store_version=3, rows={}, files={})
    assert manifest.validated_version == copying.NOTHING
    folder = tmp_path / "store"
    folder.mkdir()
    assert copying.newest(folder, VALIDATED) == copying.NOTHING
    assert np.array_equal(VolumesReader(folder).heads(LATE).ids, [])
