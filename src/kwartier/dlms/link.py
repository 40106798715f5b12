"""A link: bytes of a line to whole APDUs and back, for either role.

Every framing - wrapper, HDLC, and later UDP - is a class of this shape, so that a session knows none of them.
"""

from enum import Enum
from typing import Protocol


class LinkState(Enum):
    """Where a link stands."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    CLOSING = "closing"
    CLOSED = "closed"


class Link(Protocol):
    """What a session needs of a framing. Times are the seconds of ``now``; methods may raise a ``KwartierError``."""

    state: LinkState
    bad_frames: int
    """Frames that were complete and had a wrong check sequence."""
    progress: int
    """Grows with every piece of an APDU that arrives, so that a long answer is not taken for silence."""
    max_apdu: int
    """The longest APDU that is taken in; a longer one is refused before it is held."""

    @property
    def deadline(self) -> float | None:
        """When :meth:`handle_timer` wants to be called; None: never."""
        ...

    @property
    def client_address(self) -> int:
        """The address of the client; -1 while a server has not heard one."""
        ...

    def connect(self, now: float) -> None:
        """Client: open the link."""
        ...

    def send(self, apdu: bytes, now: float) -> None:
        """Queue one APDU."""
        ...

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """The APDUs that ``data`` completes, in order."""
        ...

    def data_to_send(self) -> bytes:
        """What is queued, once."""
        ...

    def disconnect(self, now: float) -> None:
        """Close the link; it is closed when ``state`` says so."""
        ...

    def handle_timer(self, now: float) -> None:
        """The deadline has passed: send again, or raise ``LinkLost``."""
        ...
