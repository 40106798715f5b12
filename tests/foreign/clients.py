"""Foreign clients that read the quarter profile of a simulated meter: each driven as its own documentation does."""

import contextlib
import io
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dlms_cosem import cosem, enumerations
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject as ForeignObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.parsers import ProfileGenericBufferParser
from gurux_dlms import GXDateTime, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from kwartier.cosem.access import CaptureObject
from kwartier.dlms.obis import dotted
from tests.foreign.truth import ZONE, Row

HOST = "127.0.0.1"
TIMEOUT_S = 30
QUARTER_MIN = 15
FLAG = 0x7E
_KINDS = {1: GXDLMSData, 3: GXDLMSRegister, 8: GXDLMSClock}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the meter listens, the client's keys, and what its profile captures."""

    port: int
    transport: str
    ek: bytes = field(repr=False)
    ak: bytes = field(repr=False)
    own_title: bytes
    profile: bytes
    columns: tuple[CaptureObject, ...]
    max_pdu: int


def _local(time: int) -> datetime:
    return datetime.fromtimestamp(time, ZONE)


def _client(target: Target, *, protected_release: bool = True) -> GXDLMSSecureClient:
    interface = InterfaceType.HDLC if target.transport == "hdlc" else InterfaceType.WRAPPER
    client = GXDLMSSecureClient(True, 1, 1, Authentication.HIGH_GMAC, None, interface)
    client.maxReceivePDUSize = target.max_pdu
    client.useProtectedRelease = protected_release
    ciphering = client.ciphering
    ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    ciphering.systemTitle = target.own_title
    ciphering.blockCipherKey, ciphering.authenticationKey = target.ek, target.ak
    ciphering.invocationCounter = 1
    return client


@contextlib.contextmanager
def _association(target: Target, client: GXDLMSSecureClient) -> "Iterator[_Exchange]":
    with _quiet(), socket.create_connection((HOST, target.port), TIMEOUT_S) as line:
        exchange = _Exchange(line, client)
        if target.transport == "hdlc":
            client.parseUAResponse(exchange(client.snrmRequest()).data)
        client.parseAareResponse(exchange(*client.aarqRequest()).data)
        client.parseApplicationAssociationResponse(exchange(*client.getApplicationAssociationRequest()).data)
        yield exchange
        exchange(*client.releaseRequest())
        if target.transport == "hdlc":
            exchange(client.disconnectRequest())


def gurux(target: Target, first: int, last: int, *, protected_release: bool = True) -> list[Row]:
    """The rows between two quarter ends, as gurux_dlms reads them."""
    client = _client(target, protected_release=protected_release)
    profile = _profile(target)
    with _association(target, client) as exchange:
        reply = exchange(*client.readRowsByRange(profile, _local(first), _local(last)))
        client.updateValue(profile, 2, reply.value)
    return [
        Row(time=int(stamp.value.astimezone(UTC).timestamp()), status=status, import_wh=used, export_wh=fed)
        for stamp, status, used, fed in profile.buffer
    ]


def gurux_sets_the_clock(target: Target, obis: str, moment: int) -> None:
    """Write ``moment`` (UTC seconds) to the clock, as gurux_dlms writes it."""
    client = _client(target)
    clock = GXDLMSClock(obis)
    clock.time = GXDateTime(_local(moment))
    with _association(target, client) as exchange:
        exchange(*client.write(clock, 2))


def _profile(target: Target) -> Any:  # noqa: ANN401 - a foreign object
    profile = GXDLMSProfileGeneric(dotted(target.profile))
    for column in target.columns:
        one = _KINDS[column.class_id](dotted(column.obis))
        profile.captureObjects.append((one, GXDLMSCaptureObject(column.attribute, column.data_index)))
        if column.class_id == 8:
            profile.sortObject = one
    return profile


class _Exchange:
    """Requests of a gurux client over a socket, each answered whole."""

    def __init__(self, line: socket.socket, client: GXDLMSSecureClient) -> None:
        self._line = line
        self._client = client
        self._hdlc = client.interfaceType == InterfaceType.HDLC

    def __call__(self, *requests: bytes) -> GXReplyData:
        reply = GXReplyData()
        for request in requests:
            self._turn(request, reply)
            while reply.isMoreData():
                self._turn(self._client.receiverReady(reply), reply)
        if reply.error:
            raise RuntimeError(f"gurux_dlms was refused: {reply.error}")
        return reply

    def _turn(self, request: bytes, reply: GXReplyData) -> None:
        self._line.sendall(request)
        self._client.getData(self._frame(), reply, None)

    def _frame(self) -> bytes:
        held = b""
        while not self._whole(held):
            more = self._line.recv(1 << 16)
            if not more:
                raise RuntimeError("the meter closed the line")
            held += more
        return held

    def _whole(self, held: bytes) -> bool:
        if self._hdlc:
            return len(held) > 3 and len(held) >= 2 + (int.from_bytes(held[1:3], "big") & 0x7FF) and held[-1] == FLAG
        return len(held) >= 8 and len(held) >= 8 + int.from_bytes(held[6:8], "big")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """gurux prints a line or two for each session."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def dlms_cosem(target: Target, first: int, last: int) -> list[Row]:
    """The rows between two quarter ends, as dlms-cosem reads them: always with general-glo-ciphering, over the wrapper."""
    logging.getLogger("dlms_cosem").setLevel(logging.CRITICAL)  # it logs what it deciphers
    attributes = [
        cosem.CosemAttribute(enumerations.CosemInterface(one.class_id), cosem.Obis.from_bytes(one.obis), one.attribute)
        for one in target.columns
    ]
    by = next(one for one in attributes if one.interface is enumerations.CosemInterface.CLOCK)
    buffer = cosem.CosemAttribute(enumerations.CosemInterface.PROFILE_GENERIC, cosem.Obis.from_bytes(target.profile), 2)
    client = DlmsClient.with_tcp_transport(
        HOST,
        target.port,
        1,
        1,
        authentication_method=enumerations.AuthenticationMechanism.HLS_GMAC,
        encryption_key=target.ek,
        authentication_key=target.ak,
        max_pdu_size=target.max_pdu,
        client_system_title=target.own_title,
        client_initial_invocation_counter=1,
        meter_initial_invocation_counter=0,
    )
    with client.session():
        answer = client.get(buffer, RangeDescriptor(ForeignObject(by), _local(first), _local(last)))
    found = ProfileGenericBufferParser(attributes, QUARTER_MIN).parse_bytes(answer)
    return [
        Row(time=int(row[0].value.timestamp()), status=row[1].value, import_wh=row[2].value, export_wh=row[3].value)
        for row in found
    ]
