"""What can be asked in a session, and what can come of it.

The session carries (class, OBIS, attribute, value bytes) and knows no register: the value bytes are A-XDR, whole and
verified, and the companion gives them meaning. A meter that says *no* is an event like any other.
"""

from dataclasses import dataclass, field

MAX_VALUE_BYTES = 1 << 16
"""What an answer may hold, unless the request says how much it can legitimately be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """Ask for an attribute. ``access`` is an encoded selective-access descriptor: selector byte and its parameters.

    ``max_bytes`` bounds the value, over all its blocks: a meter that sends more is cut off.
    """

    class_id: int
    obis: bytes
    attribute: int
    access: bytes | None = None
    max_bytes: int = MAX_VALUE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class GetList:
    """Ask for several attributes in one request; answered by one :class:`ListAnswer`."""

    items: tuple[Get, ...]

    @property
    def max_bytes(self) -> int:
        """What all values together may be."""
        return sum(item.max_bytes for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Write an attribute; ``value`` is A-XDR and stays out of the repr."""

    class_id: int
    obis: bytes
    attribute: int
    value: bytes = field(repr=False)
    access: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Invoke a method; ``value`` (A-XDR) is its parameter and stays out of the repr."""

    class_id: int
    obis: bytes
    method: int
    value: bytes | None = field(default=None, repr=False)


Operation = Get | GetList | Set | Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Associated:
    """The association stands and, where the mechanism asks for it, the meter has proved that it knows the keys."""

    server_title: bytes
    """The responding system title, or the registered one where the meter sent none."""
    conformance: int
    """The negotiated conformance block (24 bits)."""
    max_pdu: int
    """The largest APDU the meter accepts; 0: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRefused:
    """The meter answered the AARQ with a rejection. ``result`` and ``diagnostic`` are numbers of the Green Book."""

    result: int
    diagnostic: int
    diagnostic_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The meter did what ``operation`` asked. ``value`` is the A-XDR value, or None where the service returns none."""

    operation: Operation
    value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """One result per item asked: the A-XDR value, or the number of a data-access-result."""

    operation: GetList
    results: tuple[bytes | int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The meter refused ``operation`` with a data-access-result or action-result."""

    operation: Operation
    result: int
    result_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionReceived:
    """The meter answered with an exception-response or a confirmed-service-error instead of the service."""

    operation: Operation | None
    state_error: str
    service_error: str
    invocation_counter: int | None = None
    """With service error invocation-counter-error: the counter that the meter expects at least (unauthenticated)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A data-notification or event-notification that the meter pushed. ``apdu`` is the plain message, verified."""

    apdu: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountersNeeded:
    """The reserved invocation counters are spent: the session sends nothing more before it is given another range."""

    at_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The association is closed and the link may be. ``clean`` is False where the meter did not confirm the release."""

    clean: bool


Event = (
    Associated
    | AssociationRefused
    | Answer
    | ListAnswer
    | Refusal
    | ExceptionReceived
    | Notification
    | CountersNeeded
    | Released
)
