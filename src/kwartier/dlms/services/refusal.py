"""How a meter says that it could not even begin: exception-response and confirmed-service-error (Green Book 9.5)."""

from dataclasses import dataclass
from typing import Self

from kwartier.dlms.codes import (
    CONFIRMED_SERVICE,
    SERVICE_ERROR,
    SERVICE_ERROR_CHOICE,
    SERVICE_ERROR_VALUE,
    STATE_ERROR,
    name,
)
from kwartier.dlms.cursor import Cursor

INVOCATION_COUNTER_ERROR = 6
"""The service error that carries the counter which the server expects at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionResponse:
    """The server could not process the request at all; sent in the clear, so nothing in it is authenticated.

    ``invocation_counter`` comes with service error 6 only, and older meters leave it out there too.
    """

    state_error: int
    service_error: int
    invocation_counter: int | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        state = cursor.u8()
        service = cursor.u8()
        counted = service == INVOCATION_COUNTER_ERROR and cursor.remaining > 0
        counter = cursor.u32() if counted else None
        return cls(state_error=state, service_error=service, invocation_counter=counter)

    def encode(self) -> bytes:
        """The whole APDU."""
        head = bytes((0xD8, self.state_error, self.service_error))
        return head if self.invocation_counter is None else head + self.invocation_counter.to_bytes(4, "big")

    @property
    def state_error_name(self) -> str:
        """The state error in words."""
        return name(STATE_ERROR, self.state_error)

    @property
    def service_error_name(self) -> str:
        """The service error in words."""
        return name(SERVICE_ERROR, self.service_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedServiceError:
    """Which service failed (``service``), in which respect (``choice``) and why (``value``).

    A refused initiate-request comes back as this in the user information of the AARE.
    """

    service: int
    choice: int
    value: int

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        return cls(service=cursor.u8(), choice=cursor.u8(), value=cursor.u8())

    def encode(self) -> bytes:
        """The whole APDU."""
        return bytes((0x0E, self.service, self.choice, self.value))

    @property
    def service_name(self) -> str:
        """The service that failed: ``initiate-error``, ``read``, ..."""
        return name(CONFIRMED_SERVICE, self.service)

    @property
    def error_name(self) -> str:
        """Choice and value in words: ``initiate: incompatible-conformance``."""
        values = SERVICE_ERROR_VALUE.get(self.choice, {})
        return f"{name(SERVICE_ERROR_CHOICE, self.choice)}: {name(values, self.value)}"
