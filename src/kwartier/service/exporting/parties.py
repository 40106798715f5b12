"""Codes of parties and grid areas, as ``kwartier.toml`` has them: each checked as far as a code can be.

::

    [market]
    sender = "..."            # who sends: a GLN of 13 digits or an EIC of 16 characters
    tso = "..."               # the operator of the transmission grid
    answer_within_h = 24      # after that, a message that nobody answered is overdue
    [parties]                 # responsible parties and suppliers, by the names of market.csv
    "BRP-Delta" = "..."
    [areas]                   # grid areas: an EAN of 18 digits or an EIC
    "GA-west" = "..."
"""

import string
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from kwartier.export.codes import EIC_CHARACTERS, Codes, code_of
from kwartier.fleet.ean import EAN_DIGITS, check_digit, read_ean

GLN_DIGITS = 13
MAX_NAMES = 10_000
_EIC_VALUES = string.digits + string.ascii_uppercase + "-"


def is_gln(text: str) -> bool:
    """Whether it is a GLN: thirteen digits, the last of which checks the others."""
    digits = len(text) == GLN_DIGITS and text.isascii() and text.isdigit()
    return digits and check_digit(text[:-1]) == int(text[-1])


def is_eic(text: str) -> bool:
    """Whether it is an EIC: sixteen characters, the last of which checks the others (EIC reference manual)."""
    if len(text) != EIC_CHARACTERS or any(one not in _EIC_VALUES for one in text):
        return False
    total = sum(_EIC_VALUES.index(one) * (EIC_CHARACTERS - place) for place, one in enumerate(text[:-1]))
    return _EIC_VALUES[len(_EIC_VALUES) - 1 - (total - 1) % len(_EIC_VALUES)] == text[-1] != "-"


def _party(text: str) -> str:
    if not is_gln(text) and not is_eic(text):
        raise PydanticCustomError(
            "code", "is no GLN of 13 digits and no EIC of 16 characters, or its check does not fit"
        )
    return text


def _area(text: str) -> str:
    if is_eic(text):
        return text
    try:
        return read_ean(text)
    except ValueError:
        said = "is no EAN of {digits} digits and no EIC of 16 characters, or its check does not fit"
        raise PydanticCustomError("code", said, {"digits": EAN_DIGITS}) from None


def _optional(text: str) -> str:
    return _party(text) if text else text


PartyCode = Annotated[str, AfterValidator(_party)]
AreaCode = Annotated[str, AfterValidator(_area)]


class MarketSettings(BaseModel):
    """``[market]``: who sends messages, and what is expected of those who get them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: Annotated[str, AfterValidator(_optional)] = ""
    """Our own code; empty: nothing can be exported."""
    tso: Annotated[str, AfterValidator(_optional)] = ""
    """The code of the operator of the transmission grid."""
    answer_within_h: int = Field(default=24, ge=1, le=720)
    """How long an answer is waited for before a message is overdue."""


def codes_of(market: MarketSettings, parties: Mapping[str, str], areas: Mapping[str, str]) -> Codes:
    """The codes as exports use them."""
    return Codes(
        sender=code_of(market.sender) if market.sender else None,
        tso=code_of(market.tso) if market.tso else None,
        parties={name: code_of(value) for name, value in parties.items()},
        areas={name: code_of(value) for name, value in areas.items()},
    )
