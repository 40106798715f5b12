"""What the pages say, in Dutch and in English: a table of texts a language, with the same names in both.

A text is looked up by its name and nothing else; what is put into it has a name, too: ``{count}``. The language is what
somebody chose, else what their browser prefers, else Dutch.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from importlib import resources

MAX_ACCEPT = 500
"""Characters of ``Accept-Language`` that are looked at."""


class Language(StrEnum):
    """A language of the pages."""

    DUTCH = "nl"
    ENGLISH = "en"


class Words:
    """The texts of one language: ``words("sign-in.title")``."""

    __slots__ = ("_texts", "language")

    def __init__(self, language: Language, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, name: str, /, **values: object) -> str:
        """The text called ``name``, with ``values`` in it. A name that there is not is a mistake: ``KeyError``."""
        text = self._texts[name]
        return text.format(**values) if values else text

    def __contains__(self, name: str) -> bool:
        """Whether there is such a text."""
        return name in self._texts

    def names(self) -> frozenset[str]:
        """Every name."""
        return frozenset(self._texts)


@lru_cache(maxsize=len(Language))
def words_of(language: Language) -> Words:
    """The texts of a language."""
    text = resources.files("kwartier.web").joinpath(f"texts/{language.value}.toml").read_text("utf-8")
    return Words(language, dict(_flat("", tomllib.loads(text))))


def _flat(prefix: str, table: Mapping[str, object]) -> dict[str, str]:
    """Tables within the table are the parts of a name: ``[sign-in]`` and ``title`` make ``sign-in.title``."""
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= _flat(f"{prefix}{name}.", value)
        else:
            found[f"{prefix}{name}"] = str(value)
    return found


def language_of(chosen: str, accept: str) -> Language:
    """The language of an answer: ``chosen`` in a cookie, ``accept`` as browsers say what they prefer."""
    if chosen in set(Language):
        return Language(chosen)
    ranked: list[tuple[float, Language]] = []
    for place, part in enumerate(accept[:MAX_ACCEPT].split(",")):
        name, _, weight = part.strip().partition(";q=")
        primary = name.strip().lower().partition("-")[0]
        if primary in set(Language):
            is_number = weight.replace(".", "", 1).isdecimal() and weight.isascii()
            ranked.append((-(float(weight) if is_number else 1.0) + place * 1e-6, Language(primary)))
    return min(ranked)[1] if ranked else Language.DUTCH
