"""What a page asks before it shows consumption: what for and why, by a form in the page.

The form is a plain GET: an answer is an address, and whoever opens it again has looked again. Addresses stand in no log.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict
from urllib.parse import urlencode

from kwartier.errors import InputError
from kwartier.gate.asked import MAX_NAME
from kwartier.gate.policy import Asking
from kwartier.gate.purposes import Need, Purpose, Resolution, purposes
from kwartier.web.desk import MAX_REASON, Question

RECIPIENT, USE_CASE, APPROVAL = "recipient", "use_case", "approval"
"""What some purposes ask for besides a reason, by the names of their fields."""
LONGEST = {RECIPIENT: MAX_REASON, USE_CASE: MAX_NAME, APPROVAL: MAX_NAME}
CUSTOMER = "customer"
"""The role of who asks of their own connection."""


class PurposeTold(TypedDict):
    """A purpose that somebody may choose: its name, what it says in both languages, and which fields it has besides."""

    name: str
    text: dict[str, str]
    more: Sequence[str]


class Field(TypedDict):
    """A field besides the reason. ``always``: every purpose of the form has it; ``required``: there is no answer without it."""

    name: str
    longest: int
    always: bool
    required: bool


class Form(TypedDict):
    """What the form shows. ``kept``: what every address of this page has, so that it shows the same; empty: not asked.

    ``query``: the same, as a part of an address.
    """

    purpose: str
    reason: str
    kept: Mapping[str, str]
    query: str
    purposes: Sequence[PurposeTold]
    fields: Sequence[Field]
    longest: int


def form(
    actor: Asking,
    asked: Question,
    only: str = "",
    use_case: str = "",
    fits: Callable[[Purpose], bool] = lambda one: one.resolution is not Resolution.NONE,
) -> Form:
    """The form as ``actor`` sees it: with the purposes of their roles that fit, or with ``only`` that one.

    An approval is not kept: it serves once, for exactly what was approved.
    """
    chosen = [
        one
        for one in purposes().values()
        if (one.name == only if only else fits(one) and not actor.roles.isdisjoint(one.who))
    ]
    told: list[PurposeTold] = [{"name": one.name, "text": dict(one.text), "more": _more(one, actor)} for one in chosen]
    said = {"purpose": asked.purpose, "reason": asked.reason, RECIPIENT: asked.recipient, USE_CASE: use_case}
    kept = {name: value for name, value in said.items() if value} if asked.purpose else {}
    return {
        "purpose": asked.purpose,
        "reason": asked.reason,
        "kept": kept,
        "query": urlencode(kept),
        "purposes": told,
        "fields": _fields(told),
        "longest": MAX_REASON,
    }


def reason_of(given: str) -> str:
    """A reason as it is written down. Raises ``InputError`` no-reason, bad-argument."""
    reason = " ".join(given.split())
    if not reason:
        raise InputError("no-reason", "the form takes a reason")
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise InputError("bad-argument", f"a reason is a line of at most {MAX_REASON} characters")
    return reason


def _more(purpose: Purpose, actor: Asking) -> list[str]:
    """The fields of a purpose, as one actor has them.

    Where connections have to be named, an office looks for a person, and may hand on what it sees; who looks for themselves,
    as a customer or under a mandate, is the recipient.
    """
    is_own = Need.OWN_CONNECTION in purpose.needs and actor.roles.isdisjoint(purpose.who - {CUSTOMER})
    asks = {
        RECIPIENT: not purpose.fleet and not is_own and Need.MANDATE not in purpose.needs,
        USE_CASE: Need.USE_CASE in purpose.needs,
        APPROVAL: Need.FOUR_EYES in purpose.needs,
    }
    return [name for name, is_asked in asks.items() if is_asked]


def _fields(told: Sequence[PurposeTold]) -> list[Field]:
    found: list[Field] = []
    for name, longest in LONGEST.items():
        having = [one for one in told if name in one["more"]]
        if having:
            always = len(having) == len(told)
            # A field that only some purposes have is hidden for the others, and what is hidden cannot be required.
            required = always and name != RECIPIENT
            found.append({"name": name, "longest": longest, "always": always, "required": required})
    return found
