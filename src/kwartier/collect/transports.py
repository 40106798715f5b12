"""What carries a session to a meter: one class a transport, one line in :data:`TRANSPORTS`.

A transport gives the framing (a link) and opens the line. Both of today's run over TCP; ``udp`` and ``tls`` have their place
here. Whoever writes one is held to ``tests/contracts/test_transport.py``.
"""

import asyncio
import errno
import socket
from typing import Protocol

from kwartier.dlms.hdlc import Address
from kwartier.dlms.hdlc_link import HdlcLink
from kwartier.dlms.link import Link
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import InputError, LinkLost
from kwartier.model import Meter

OUT_OF_LINES = "out-of-lines"
"""The error of a line that our own system could not open: files, buffers or ports were spent. It says nothing of the meter."""


class Transport(Protocol):
    """How bytes get to a meter, and how APDUs are cut from them."""

    def link(self, meter: Meter, client: int) -> Link:
        """The framing for the association of ``client`` with ``meter``."""
        ...

    async def connect(self, protocol: asyncio.BaseProtocol, host: str, port: int, ends_at: float) -> None:
        """Open the line and hand it to ``protocol``; ``LinkLost`` when that fails or is not done by ``ends_at``."""
        ...


class Tcp:
    """A TCP connection; what runs over it says which framing."""

    async def connect(self, protocol: asyncio.BaseProtocol, host: str, port: int, ends_at: float) -> None:
        """Open the connection, by name or number."""
        loop = asyncio.get_running_loop()
        limit = _Limit(loop, ends_at)
        try:
            await loop.create_connection(lambda: protocol, host, port)
        except asyncio.CancelledError:
            if limit.is_ours():
                raise _too_late(host, port) from None
            raise
        except TimeoutError:  # the system gave up before we did
            raise _too_late(host, port) from None
        except socket.gaierror as error:
            raise LinkLost("unknown-host", f"the name {host} is not known ({error.strerror})") from None
        except OSError as error:
            code = _CODES.get(error.errno or 0, "connect-failed")
            raise LinkLost(code, f"no connection to {host} port {port} ({error.strerror or 'refused'})") from None
        finally:
            limit.lift()


_CODES = {
    errno.ECONNREFUSED: "connect-refused",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL), OUT_OF_LINES),
}


def _too_late(host: str, port: int) -> LinkLost:
    return LinkLost("connect-timeout", f"no connection to {host} port {port} in the time there was")


class _Limit:
    """Cancels the present task at ``ends_at``. What ``asyncio.timeout_at`` does, at a fifth of its price."""

    __slots__ = ("_before", "_handle", "_passed", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, ends_at: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is opened by a task")
        self._task = task
        self._before = task.cancelling()
        self._passed = False
        self._handle = loop.call_at(ends_at, self._pass)

    def _pass(self) -> None:
        self._passed = True
        self._task.cancel()

    def is_ours(self) -> bool:
        """Whether the task was cancelled by this limit and by nobody else; it may go on then."""
        return self._passed and self._task.uncancel() <= self._before

    def lift(self) -> None:
        """The time no longer matters."""
        self._handle.cancel()


class Wrapper(Tcp):
    """The TCP-UDP/IP wrapper (Green Book 7.3.3): ports are client and logical device."""

    def link(self, meter: Meter, client: int) -> Link:
        """Framing by the 8-byte wrapper header."""
        return WrapperLink(source=client, destination=meter.logical_device)


class Hdlc(Tcp):
    """HDLC frames over a TCP connection, as meters behind a serial gateway speak it."""

    def link(self, meter: Meter, client: int) -> Link:
        """Framing by HDLC, addressed as the fleet says."""
        return HdlcLink(client=True, client_address=client, server_address=server_address(meter))


def server_address(meter: Meter) -> Address:
    """The HDLC address of ``meter``: by default one byte, the logical device.

    With a physical address and no length given, the shortest form that holds both (two bytes, else four).
    """
    upper, lower, size = meter.logical_device, meter.physical_address, meter.address_bytes
    if size is None:
        size = 1 if lower is None else 2 if max(upper, lower) <= 0x7F else 4
    if size == 1:
        lower = None
    elif lower is None:
        raise InputError("bad-hdlc-address", f"meter {meter.meter}: {size} address bytes need a physical_address")
    return Address(upper, lower, size)


TRANSPORTS: dict[str, type[Wrapper] | type[Hdlc]] = {"wrapper": Wrapper, "hdlc": Hdlc}
"""The ``transport`` column of ``fleet.csv`` -> how to get there."""
