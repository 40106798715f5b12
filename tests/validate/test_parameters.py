"""Sets of parameters are in force from a day on, and nothing in them is misspelt in silence."""

import tomllib
from datetime import date
from importlib import resources

import pytest
from pydantic import TypeAdapter, ValidationError

from kwartier.errors import InputError
from kwartier.validate import parameters as module
from kwartier.validate.parameters import Parameters, parameters, sets


def table() -> dict[str, object]:
    text = resources.files("kwartier.validate").joinpath(module.FILE).read_text("utf-8")
    found: dict[str, object] = tomllib.loads(text)["set"][0]
    return found


def test_the_set_of_a_day_is_the_latest_that_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    later = TypeAdapter(Parameters).validate_python({**table(), "name": "later", "valid_from": date(2027, 1, 1)})
    both = (*sets(), later)
    monkeypatch.setattr(module, "sets", lambda: both)
    assert parameters(date(2026, 12, 31)).name == sets()[0].name
    assert parameters(date(2027, 1, 1)).name == "later"


def test_a_day_before_any_set_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        parameters(date(1970, 12, 31))
    assert refused.value.code == "bad-day"


@pytest.mark.parametrize("wrong", [{"spyke": {}}, {"spike": {"percent": 180}}, {"clock": {"warn_s": -1, "fail_s": 60}}])
def test_a_set_that_says_other_things_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Parameters).validate_python({**table(), **wrong})


def test_names_of_sets_are_their_own() -> None:
    assert len({one.name for one in sets()}) == len(sets())
    assert len({one.valid_from for one in sets()}) == len(sets())
