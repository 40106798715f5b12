"""A picture in a file is whole or not there."""

from pathlib import Path

import pytest

from kwartier.errors import InputError
from kwartier.export.pictures.forms import Form, rendered
from kwartier.export.pictures.palette import Scheme
from kwartier.service.pictures import save
from tests.export.pictures.volumes import coverage, curve


@pytest.mark.parametrize("form", Form)
def test_the_name_says_what_is_written(form: Form, tmp_path: Path) -> None:
    path = tmp_path / f"day{form}"
    path.write_text("what was there before")
    save(curve("m"), path, Scheme.DARK)
    assert path.read_bytes() == rendered(curve("m"), form, Scheme.DARK)
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_under_a_name_that_is_not_understood(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        save(coverage("m"), tmp_path / "day.pdf")
    assert caught.value.code == "bad-picture"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        save(coverage("m"), tmp_path / "nowhere" / "day.svg")
    assert caught.value.code == "unwritable-file"
