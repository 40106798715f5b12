"""What pages say: both languages have every text, every text is used, and a language is chosen as somebody prefers."""

import re
import string

import pytest

from kwartier.web.words import Language, language_of, words_of
from tests.conftest import ROOT
from tests.web.installation import Served

WEB = ROOT / "src" / "kwartier" / "web"
NAMED = re.compile(r"""["']([a-z-]+(?:\.[a-z0-9-]+)+)["']""")
BEGUN = re.compile(r"""["']([a-z-]+\.)["'] *~""")
"""A name that is put together: what is said of everything that begins so."""


def places() -> list[str]:
    return [one.read_text("utf-8") for kind in ("*.html", "*.py", "*.js") for one in WEB.rglob(kind)]


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    dutch, english = words_of(Language.DUTCH), words_of(Language.ENGLISH)
    assert dutch.names() == english.names()

    def named(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}

    for name in dutch.names():
        assert dutch(name).strip(), name
        assert named(dutch(name)) == named(english(name)), name


def test_every_text_is_used_and_every_name_that_is_used_is_there() -> None:
    known = words_of(Language.DUTCH).names()
    used = {name for text in places() for name in NAMED.findall(text)}
    begun = {name for text in places() for name in BEGUN.findall(text)}
    unused = {name for name in known if name not in used and not any(name.startswith(one) for one in begun)}
    assert unused == set()
    called = {name for text in places() for name in re.findall(r"""\bt\(["']([^"']+)["'][,)]""", text)}
    assert called <= known
    assert all(any(name.startswith(one) for name in known) for one in begun)


@pytest.mark.parametrize(
    ("chosen", "accept", "expected"),
    [
        ("", "", "nl"),
        ("", "en", "en"),
        ("", "en-GB,nl;q=0.8", "en"),
        ("", "nl;q=0.5,en;q=0.9", "en"),
        ("", "nl,en", "nl"),
        ("", "fr,de", "nl"),
        ("", "en;q=nonsense", "en"),
        ("nl", "en", "nl"),
        ("fr", "en", "en"),
    ],
)
def test_the_language_is_what_was_chosen_or_is_preferred(chosen: str, accept: str, expected: str) -> None:
    assert language_of(chosen, accept) == expected


def test_a_choice_of_language_and_light_is_kept_by_the_browser(here: Served) -> None:
    page = here.browser.get("/", accept_language="nl")
    assert '<html lang="nl" data-theme="auto">' in page.text
    answer = here.browser.post("/preferences", {"csrf": page.token, "language": "en", "back": "/sign-in"})
    assert (answer.status, answer.header("location")) == (303, "/sign-in")
    here.browser.post("/preferences", {"csrf": page.token, "theme": "dark"})
    page = here.browser.get("/", accept_language="nl")
    assert '<html lang="en" data-theme="dark">' in page.text
    for wrong in ({"language": "xx"}, {"theme": "pink"}):
        assert here.browser.post("/preferences", {"csrf": page.token, **wrong}).status == 400
