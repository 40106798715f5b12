"""One request and its answer: what may answer it, block by block, and when it is whole.

An answer has to carry the invoke-id of the request and be of its kind; blocks have to be numbered from one without a gap.
What a peer can make us hold is bounded by what the operation says it can legitimately bring, and what it can make us do by
a number of blocks in proportion to that.
"""

from functools import lru_cache

from kwartier.dlms import registry, services
from kwartier.dlms.codes import ACTION_RESULT, DATA_ACCESS_RESULT, name
from kwartier.dlms.conformance import Conformance
from kwartier.dlms.cursor import Cursor
from kwartier.dlms.events import (
    Act,
    Answer,
    Event,
    ExceptionReceived,
    Get,
    GetList,
    ListAnswer,
    Operation,
    Refusal,
    Set,
)
from kwartier.errors import WireError

CONFIRMED_HIGH = 0xC0
"""Invoke-id-and-priority: confirmed service, high priority; the low four bits are the invoke-id (Green Book 9.3.4)."""
INVOKE_ID_MASK = 0x0F
FREE_BLOCKS = 16
SMALLEST_BLOCK_BYTES = 32
"""An answer may come in ``FREE_BLOCKS`` blocks and one more per this many bytes of what it may be."""
MAX_LIST = 64
"""Attributes in one get-request-with-list."""
GETS = (Get, GetList)
MAX_REQUESTS = 256
"""Requests whose bytes are remembered: a fleet is asked the same for a whole night."""

# As plain numbers: flags are slow, and these are looked at for every request.
_GET = int(Conformance.GET)
_GET_SELECTED = int(Conformance.GET | Conformance.SELECTIVE_ACCESS)
_SET = int(Conformance.SET)
_ACTION = int(Conformance.ACTION)
_MULTIPLE = int(Conformance.MULTIPLE_REFERENCES)


class Exchange:
    """The outstanding request of a session. :meth:`feed` takes each message of its answer."""

    __slots__ = ("_block_number", "_held", "_parts", "invoke_id", "operation")

    def __init__(self, operation: Operation, invoke_id: int) -> None:
        self.operation = operation
        self.invoke_id = invoke_id
        self._parts: list[bytes] = []
        self._held = 0
        self._block_number = 0

    @property
    def partial(self) -> tuple[bytes, ...]:
        """The blocks that have come of a value whose last one is still to come."""
        return tuple(self._parts) if isinstance(self.operation, Get) else ()

    def request(self) -> bytes:
        """The plain APDU that asks for it."""
        operation = self.operation
        first = CONFIRMED_HIGH | self.invoke_id
        if isinstance(operation, Get):
            return _get_request(operation, first)
        if isinstance(operation, GetList):
            items = tuple(
                services.Attribute(class_id=get.class_id, obis=get.obis, attribute=get.attribute, access=get.access)
                for get in operation.items
            )
            return registry.build(services.GetRequestWithList(invoke_id_and_priority=first, items=items))
        if isinstance(operation, Set):
            return registry.build(
                services.SetRequestNormal(
                    invoke_id_and_priority=first,
                    class_id=operation.class_id,
                    obis=operation.obis,
                    attribute=operation.attribute,
                    access=operation.access,
                    value=operation.value,
                )
            )
        return registry.build(
            services.ActionRequestNormal(
                invoke_id_and_priority=first,
                class_id=operation.class_id,
                obis=operation.obis,
                method=operation.method,
                value=operation.value,
            )
        )

    def next_block(self) -> bytes:
        """The plain APDU that asks for the block after the one just received."""
        return registry.build(
            services.GetRequestNext(
                invoke_id_and_priority=CONFIRMED_HIGH | self.invoke_id, block_number=self._block_number
            )
        )

    def feed(self, message: registry.Apdu) -> Event | None:
        """Take one message: the event that it completes, or None where the next block has to be asked for."""
        if isinstance(message, (services.ExceptionResponse, services.ConfirmedServiceError)):
            return exception_event(message, self.operation)
        invoke_id = getattr(message, "invoke_id_and_priority", None)
        if invoke_id is None or invoke_id & INVOKE_ID_MASK != self.invoke_id:
            raise WireError(
                "wrong-answer",
                f"{registry.service_name(message)} does not carry the invoke-id of the outstanding request",
            )
        operation = self.operation
        if isinstance(message, services.GetResponseNormal) and isinstance(operation, Get) and not self._block_number:
            return self._value(message.data, message.result)
        if isinstance(message, services.GetResponseBlock) and isinstance(operation, GETS):
            return self._block(message)
        if isinstance(message, services.GetResponseWithList) and isinstance(operation, GetList):
            return self._list(message.results)
        if isinstance(message, services.SetResponseNormal) and isinstance(operation, Set):
            if message.result:
                return self._refused(message.result)
            return Answer(operation=operation, value=None)
        if isinstance(message, services.ActionResponseNormal) and isinstance(operation, Act):
            if message.result:
                return self._refused(message.result, ACTION_RESULT)
            if message.value_result is not None and message.value_result != 0:
                return self._refused(message.value_result)
            return Answer(operation=operation, value=message.value)
        raise WireError("wrong-answer", f"{registry.service_name(message)} does not answer what was asked")

    def _refused(self, result: int, table: dict[int, str] = DATA_ACCESS_RESULT) -> Refusal:
        return Refusal(operation=self.operation, result=result, result_name=name(table, result))

    def _value(self, value: bytes | None, result: int | None) -> Event:
        if value is None:
            return self._refused(result or 0)
        return Answer(operation=self.operation, value=value)

    def _block(self, block: services.GetResponseBlock) -> Event | None:
        if block.block_number != self._block_number + 1:
            raise WireError("lost-block", f"block {block.block_number} where {self._block_number + 1} was expected")
        if block.raw is None:
            return self._refused(block.result or 0)
        self._block_number = block.block_number
        limit = self.operation.max_bytes if isinstance(self.operation, GETS) else 0
        self._held += len(block.raw)
        if self._held > limit:
            raise WireError("answer-too-long", f"an answer of more than {limit} bytes to a request that can bring less")
        if self._block_number > FREE_BLOCKS + limit // SMALLEST_BLOCK_BYTES:
            raise WireError("too-many-blocks", f"{self._block_number} blocks for an answer of {self._held} bytes")
        self._parts.append(block.raw)
        if not block.last_block:
            return None
        value = b"".join(self._parts)
        self._parts.clear()
        if isinstance(self.operation, GetList):
            # The blocks of a list hold what follows the invoke-id of the answer in one piece.
            whole = services.GetResponseWithList.decode(Cursor(bytes((self.invoke_id,)) + value))
            return self._list(whole.results)
        return Answer(operation=self.operation, value=value)

    def _list(self, results: tuple[bytes | int, ...]) -> Event:
        operation = self.operation
        if not isinstance(operation, GetList) or len(results) != len(operation.items):
            raise WireError("wrong-answer", f"{len(results)} results for another number of attributes")
        return ListAnswer(operation=operation, results=results)


@lru_cache(maxsize=MAX_REQUESTS)
def _get_request(operation: Get, invoke_id_and_priority: int) -> bytes:
    return registry.build(
        services.GetRequestNormal(
            invoke_id_and_priority=invoke_id_and_priority,
            class_id=operation.class_id,
            obis=operation.obis,
            attribute=operation.attribute,
            access=operation.access,
        )
    )


def exception_event(
    message: services.ExceptionResponse | services.ConfirmedServiceError, operation: Operation | None
) -> ExceptionReceived:
    """The event for a meter that answers with an exception instead of the service."""
    if isinstance(message, services.ExceptionResponse):
        return ExceptionReceived(
            operation=operation,
            state_error=message.state_error_name,
            service_error=message.service_error_name,
            invocation_counter=message.invocation_counter,
        )
    return ExceptionReceived(
        operation=operation,
        state_error=f"confirmed-service-error: {message.service_name}",
        service_error=message.error_name,
    )


def needed_conformance(operation: Operation) -> int:
    """The conformance bits without which ``operation`` must not be sent."""
    if isinstance(operation, Get):
        return _GET if operation.access is None else _GET_SELECTED
    if isinstance(operation, Set):
        return _SET
    if isinstance(operation, Act):
        return _ACTION
    selected = any(item.access is not None for item in operation.items)
    return _MULTIPLE | (_GET_SELECTED if selected else _GET)
