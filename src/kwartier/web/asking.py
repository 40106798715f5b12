"""What a page asks before it shows consumption: what for and why, by a form in the page.

The form is a plain GET: an answer is an address, and whoever opens it again has looked again. Addresses stand in no log.
"""

from collections.abc import Sequence
from typing import TypedDict
from urllib.parse import urlencode

from kwartier.gate.policy import Asking
from kwartier.gate.purposes import Resolution, purposes
from kwartier.web.desk import MAX_REASON, Question


class PurposeTold(TypedDict):
    """A purpose that somebody may choose: its name, and what it says in both languages."""

    name: str
    text: dict[str, str]


class Form(TypedDict):
    """What the form shows. ``query`` is what every address of this page has, so that it shows the same; empty: not asked."""

    purpose: str
    reason: str
    query: str
    purposes: Sequence[PurposeTold]
    longest: int


def form(actor: Asking, asked: Question, only: str = "") -> Form:
    """The form as ``actor`` sees it: with the purposes of their roles, or with ``only`` that one."""
    chosen = [
        one
        for one in purposes().values()
        if (one.name == only if only else one.resolution is not Resolution.NONE and not actor.roles.isdisjoint(one.who))
    ]
    return {
        "purpose": asked.purpose,
        "reason": asked.reason,
        "query": urlencode({"purpose": asked.purpose, "reason": asked.reason}) if asked.purpose else "",
        "purposes": [{"name": one.name, "text": dict(one.text)} for one in chosen],
        "longest": MAX_REASON,
    }
