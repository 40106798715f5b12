"""Errors: who is wrong, whether to try again, a sentence for a person, and nothing lost on the way between processes."""

import copy
import pickle
from collections.abc import Callable

import pytest

from kwartier.errors import (
    Denied,
    InputError,
    KwartierError,
    LinkLost,
    Retry,
    SecurityError,
    StateError,
    Who,
    WireError,
    explanations,
)

LEAVES = (WireError, StateError, SecurityError, LinkLost, Denied, InputError)


def test_the_root_has_six_leaves_and_no_more_levels() -> None:
    assert set(KwartierError.__subclasses__()) == set(LEAVES)
    assert not any(leaf.__subclasses__() for leaf in LEAVES)


@pytest.mark.parametrize(
    ("leaf", "who", "retry"),
    [
        (WireError, Who.PEER, Retry.LATER),
        (StateError, Who.KWARTIER, Retry.NEVER),
        (SecurityError, Who.PEER, Retry.NEVER),
        (LinkLost, Who.LINK, Retry.LATER),
        (Denied, Who.USER, Retry.NEVER),
        (InputError, Who.USER, Retry.NEVER),
    ],
)
def test_each_leaf_says_who_is_wrong_and_whether_to_try_again(
    leaf: type[KwartierError], who: Who, retry: Retry
) -> None:
    error = leaf("truncated", "3 bytes needed")
    assert (error.who, error.retry) == (who, retry)
    assert leaf("truncated", "3 bytes needed", retry=Retry.NOW).retry is Retry.NOW
    assert str(error) == error.detail == "3 bytes needed"


def _pickled(error: KwartierError) -> KwartierError:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled in the same line
    assert isinstance(again, KwartierError)
    return again


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("again", [_pickled, copy.copy], ids=["pickle", "copy"])
def test_an_error_crosses_to_another_process_whole(
    leaf: type[KwartierError], again: Callable[[KwartierError], KwartierError]
) -> None:
    error = leaf("truncated", "3 bytes needed", retry=Retry.NOW)
    other = again(error)
    assert type(other) is leaf
    assert (other.code, other.detail, other.retry, str(other)) == ("truncated", "3 bytes needed", Retry.NOW, str(error))
    assert again(leaf("truncated", "x")).retry is leaf.default_retry


def test_the_sentence_says_what_happened_what_it_means_and_what_to_try() -> None:
    row = explanations()["truncated"]
    sentence = WireError("truncated", "3 bytes needed").sentence()
    assert sentence == f"3 bytes needed: {row.meaning}; {row.advice} [truncated]"
    assert "\n" not in sentence


def test_a_code_without_a_row_still_prints() -> None:
    assert WireError("no-such-code", "something").sentence() == "something [no-such-code]"


def test_every_row_of_the_table_is_whole() -> None:
    names = {leaf.__name__ for leaf in LEAVES}
    assert explanations()
    for code, row in explanations().items():
        assert row.code == code == code.lower()
        assert row.leaf in names, code
        for text in (row.meaning, row.advice):
            assert text, code
            assert text == text.strip(), code
            assert not text.endswith("."), code
