"""Which form an answer has: by the address, by what is preferred, and never by what cannot be read."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError
from kwartier.web.etags import names, tag_of
from kwartier.web.negotiation import PLAIN, TABLES, Form, chosen
from kwartier.web.pages import Cursors

ARROW = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Form.JSON),
        ("text/csv", Form.CSV),
        ("TEXT/CSV ; Q=1", Form.CSV),
        ("text/*", Form.CSV),
        (f"{ARROW}, application/json;q=0.9", Form.ARROW),
        ("text/csv;q=0.2, application/json;q=0.1", Form.CSV),
        ("application/json;q=0, */*;q=0.1", Form.CSV),
        ("text/csv;q=nonsense, application/json;q=0.1", Form.JSON),
    ],
)
def test_the_form_is_what_is_preferred(accept: str, form: Form) -> None:
    assert chosen(accept, TABLES) is form


def test_an_address_that_names_a_form_is_obeyed() -> None:
    assert chosen("application/json", TABLES, Form.PARQUET) is Form.PARQUET
    with pytest.raises(InputError, match=r"no \.csv"):
        chosen("text/csv", PLAIN, Form.CSV)


@given(st.text(max_size=60))
def test_whatever_is_preferred_there_is_a_form_or_a_refusal(accept: str) -> None:
    with contextlib.suppress(InputError):
        assert chosen(accept, TABLES) in TABLES


def test_a_tag_is_of_the_bytes_and_their_form() -> None:
    tag = tag_of(b"1", "text/csv")
    assert tag == tag_of(b"1", "text/csv")
    assert len({tag, tag_of(b"2", "text/csv"), tag_of(b"1", "application/json")}) == 3
    assert all(names(header, tag) for header in (tag, f"W/{tag}", f'"a", {tag}', "*"))
    assert not any(names(header, tag) for header in ("", '"a"', tag.strip('"'), f"{tag}, *"[1:]))


@given(st.one_of(st.text(max_size=200), st.integers()), st.text(max_size=50))
def test_a_cursor_comes_back_as_it_was_and_bent_not_at_all(place: str | int, of: str) -> None:
    cursors = Cursors(b"k" * 32)
    written = cursors.write(of, place)
    assert cursors.read(of, written) == place
    for other in (Cursors(b"l" * 32), cursors):
        with pytest.raises(InputError):
            other.read(of + ("x" if other is cursors else ""), written)


@given(st.text(max_size=100))
def test_whatever_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Cursors().read("", text)
