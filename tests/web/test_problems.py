"""Errors over HTTP: every code has a status that says whose fault it is, and what is not found is not told apart from data."""

import pytest

from kwartier import errors
from kwartier.errors import KwartierError, Retry, StateError, explanations
from kwartier.web.problems import OF_CODE, OF_LEAF, headers_of, of_ours, problem, status_of

LEAVES = {leaf.__name__: leaf for leaf in KwartierError.__subclasses__()}


def test_every_leaf_has_a_status_and_every_code_that_differs_is_one() -> None:
    assert set(OF_LEAF) == set(LEAVES.values())
    assert set(OF_CODE) <= set(explanations())


@pytest.mark.parametrize("code", sorted(explanations()))
def test_every_code_is_told_as_a_problem(code: str) -> None:
    row = explanations()[code]
    error = LEAVES[row.leaf](code, "what was found")
    told = problem(error)
    assert told["status"] == status_of(error)
    assert 400 <= status_of(error) < 600
    assert (told["code"], told["title"], told["type"]) == (code, row.meaning, f"/api/v1/errors/{code}")


def test_who_may_come_again_is_told_when() -> None:
    later = StateError("database-away", "", retry=Retry.LATER)
    assert (status_of(later), headers_of(later)) == (503, {"Retry-After": "5"})
    assert headers_of(errors.SecurityError("not-signed-in", "")) == {"WWW-Authenticate": 'Bearer realm="kwartier"'}


def test_a_check_that_failed_inside_is_no_fault_of_who_asks() -> None:
    assert status_of(errors.SecurityError("sealed-record", "")) == 500
    assert status_of(errors.SecurityError("bad-login", "")) == 401


def test_a_mistake_of_ours_says_its_kind_and_place_and_no_more() -> None:
    try:
        raise ValueError("4711 Wh")
    except ValueError as error:
        told = of_ours(error)
    assert told.detail.startswith("ValueError in test_problems.py, line ")
    assert of_ours(ValueError("4711")).detail == "ValueError in an unknown place"
