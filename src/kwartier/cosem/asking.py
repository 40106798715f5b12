"""Putting one question to a meter's quarter profile, and taking a *no* for an answer."""

from collections.abc import Generator
from dataclasses import dataclass

from kwartier.cosem.companion import Companion
from kwartier.dlms.events import Answer, ExceptionReceived, Get, ListAnswer, Operation, Refusal
from kwartier.dlms.obis import dotted
from kwartier.errors import WireError

PROFILE_GENERIC = 7
MAX_SHORT_BYTES = 64
"""An attribute that is a number, a time or a scaler_unit."""
PASSING = frozenset({1, 2, 14, 15, 16, 19})
"""Data-access-results that say nothing about the way of asking: faults, and block transfers that broke."""
FATAL = frozenset({"deciphering-error", "invocation-counter-error"})
"""Exceptions after which nothing that is asked in this association can be answered."""


Reply = Answer | ListAnswer | Refusal | ExceptionReceived
Ask = Generator[Operation, Reply, bytes | None]


class Interrupted(Exception):
    """Thrown into a plan when the conversation ends while it waits for an answer.

    It holds the blocks that had come and were verified, and does not show them.
    """

    def __init__(self, blocks: tuple[bytes, ...]) -> None:
        super().__init__("the conversation ended")
        self._blocks = blocks

    @property
    def partial(self) -> bytes:
        """The first part of the value that was awaited."""
        return b"".join(self._blocks)


@dataclass(slots=True)
class No:
    """The last refusal: what it was, and whether the same question could be answered another time."""

    text: str = ""
    passing: bool = False


def profile_attribute(companion: Companion, attribute: int, max_bytes: int = MAX_SHORT_BYTES) -> Get:
    """The question for an attribute of the quarter profile."""
    return Get(class_id=PROFILE_GENERIC, obis=companion.quarter.obis, attribute=attribute, max_bytes=max_bytes)


def get(operation: Get, no: No) -> Ask:
    """The value, or None where the meter said no; ``no`` then says how."""
    reply = yield operation
    if isinstance(reply, Answer) and reply.value is not None:
        return reply.value
    if isinstance(reply, Refusal):
        no.text, no.passing = reply.result_name, reply.result in PASSING
    elif isinstance(reply, ExceptionReceived):
        no.text, no.passing = f"{reply.state_error}, {reply.service_error}", False
        if reply.service_error in FATAL:
            raise WireError("profile-refused", f"the meter answered with an exception: {no.text}")
    else:
        raise WireError("profile-refused", f"an answer without a value to attribute {operation.attribute}")
    return None


def refused(companion: Companion, attribute: int, no: No) -> WireError:
    """The error that says that nothing more can be tried."""
    what = f"attribute {attribute} of {dotted(companion.quarter.obis)}"
    return WireError("profile-refused", f"the meter refuses {what}: {no.text}")
