"""The foreign clients, each driven as its own documentation does, and what each of them leaves out.

Both keep their counters from one session to the next, as an installation would, and both read the same day's rows.
"""

import contextlib
import io
import logging
import socket
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dlms_cosem import cosem, enumerations
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.parsers import ProfileGenericBufferParser
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from bench.scene import (
    DAY,
    DLMS_COSEM_CLIENT,
    GURUX_CLIENT,
    HOST,
    LOGICAL_DEVICE,
    NEXT_DAY,
    TIMEZONE,
    Row,
    Rows,
    columns,
    companion,
    identity,
)
from kwartier.clock import midnight
from kwartier.dlms.obis import dotted

Table = list[list[Any]]
"""Rows as a foreign client gives them."""

TIMEOUT_S = 30
WRAPPER_BYTES = 8
QUARTER_MIN = 15
_KINDS = {1: GXDLMSData, 3: GXDLMSRegister, 8: GXDLMSClock}


def _local(day_start: int) -> datetime:
    return datetime.fromtimestamp(day_start, ZoneInfo(TIMEZONE))


FIRST = _local(midnight(DAY, TIMEZONE))
LAST = _local(midnight(NEXT_DAY, TIMEZONE))


class Gurux:
    """gurux_dlms over a plain socket. It brings no transport for this, so reading whole wrapper frames is done here."""

    name = "gurux_dlms"
    skips = (
        "does not verify the authentication tag of what it receives",
        "does not check that the meter's invocation counter grows",
        "does not hold the meter's system title against a registered one",
        "does not match the invoke-id of an answer",
    )

    def __init__(self, port: int) -> None:
        self._address = (HOST, port)
        self._counter = 1
        self._decoder = GXDLMSSecureClient(True)
        self._profile = GXDLMSProfileGeneric(dotted(companion().quarter.obis))
        for column in columns():
            one = _KINDS[column.class_id](dotted(column.obis))
            self._profile.captureObjects.append((one, GXDLMSCaptureObject(column.attribute, column.data_index)))
            if column.class_id == 8:
                self._profile.sortObject = one

    def batch(self, max_pdu: int, sessions: int) -> list[object]:
        """Sessions one after the other."""
        return [self.session(max_pdu) for _ in range(sessions)]

    def session(self, max_pdu: int) -> Table:
        """One whole session, from connect to close."""
        # It prints a line or two for each session.
        with contextlib.redirect_stdout(io.StringIO()):
            return self._session(max_pdu)

    def _session(self, max_pdu: int) -> Table:
        me = identity(GURUX_CLIENT)
        client = GXDLMSSecureClient(
            True, GURUX_CLIENT, LOGICAL_DEVICE, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER
        )
        client.maxReceivePDUSize = max_pdu
        client.useProtectedRelease = True
        ciphering = client.ciphering
        ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        ciphering.systemTitle = me.title
        ciphering.blockCipherKey, ciphering.authenticationKey = me.keys.ek, me.keys.ak
        ciphering.invocationCounter = self._counter
        with socket.create_connection(self._address, TIMEOUT_S) as line:
            reply = self._exchange(line, client, client.aarqRequest()[0])
            client.parseAareResponse(reply.data)
            for request in client.getApplicationAssociationRequest():
                reply = self._exchange(line, client, request)
            client.parseApplicationAssociationResponse(reply.data)
            reply = GXReplyData()
            for request in client.readRowsByRange(self._profile, FIRST, LAST):
                self._exchange(line, client, request, reply)
            client.updateValue(self._profile, 2, reply.value)
            rows: Table = self._profile.buffer
            for request in client.releaseRequest():
                self._exchange(line, client, request)
        self._counter = ciphering.invocationCounter + 1
        return rows

    def rows(self, found: Table) -> Rows:
        """What :meth:`session` gave, in the form that is compared; not measured."""
        return tuple(
            Row(int(stamp.value.astimezone(UTC).timestamp()), status, used, fed) for stamp, status, used, fed in found
        )

    def decode(self, buffer: bytes) -> Table:
        """The rows of a buffer that was already deciphered."""
        self._profile.buffer = []
        self._decoder.updateValue(self._profile, 2, self._decoder.getValue(GXByteBuffer(buffer), False))
        rows: Table = self._profile.buffer
        return rows

    def _exchange(
        self, line: socket.socket, client: GXDLMSSecureClient, request: bytes, reply: GXReplyData | None = None
    ) -> GXReplyData:
        reply = GXReplyData() if reply is None else reply
        line.sendall(request)
        client.getData(_frame(line), reply, None)
        while reply.isMoreData():
            line.sendall(client.receiverReady(reply))
            client.getData(_frame(line), reply, None)
        if reply.error:
            raise RuntimeError(f"gurux_dlms was refused: {reply.error}")
        return reply


def _frame(line: socket.socket) -> bytes:
    held = line.recv(1 << 16)
    while len(held) < WRAPPER_BYTES or len(held) < WRAPPER_BYTES + int.from_bytes(held[6:8], "big"):
        more = line.recv(1 << 16)
        if not more:
            raise RuntimeError("the meter closed the line")
        held += more
    return held


class DlmsCosem:
    """dlms-cosem with its own blocking transport."""

    name = "dlms-cosem"
    skips = (
        "takes the meter's system title from its own answer and holds it against no registered one",
        "does not hold an answer's security control against the negotiated one",
        "does not match the invoke-id of an answer, nor the numbers of blocks",
        "gives its proof of the keys and the message that carries it the same counter",
    )

    def __init__(self, port: int) -> None:
        # Its messages would otherwise be printed, the deciphered ones too.
        logging.getLogger("dlms_cosem").setLevel(logging.CRITICAL)
        self._port = port
        self._counter = 1
        self._meter_counter = 0
        self._attributes = [
            cosem.CosemAttribute(
                enumerations.CosemInterface(one.class_id), cosem.Obis.from_bytes(one.obis), one.attribute
            )
            for one in columns()
        ]
        self._profile = cosem.CosemAttribute(
            enumerations.CosemInterface.PROFILE_GENERIC, cosem.Obis.from_bytes(companion().quarter.obis), 2
        )
        by = next(one for one in self._attributes if one.interface is enumerations.CosemInterface.CLOCK)
        self._range = RangeDescriptor(CaptureObject(by), FIRST, LAST)
        self._parser = ProfileGenericBufferParser(self._attributes, QUARTER_MIN)

    def batch(self, max_pdu: int, sessions: int) -> list[object]:
        """Sessions one after the other."""
        return [self.session(max_pdu) for _ in range(sessions)]

    def session(self, max_pdu: int) -> Table:
        """One whole session, from connect to close."""
        me = identity(DLMS_COSEM_CLIENT)
        client = DlmsClient.with_tcp_transport(
            HOST,
            self._port,
            DLMS_COSEM_CLIENT,
            LOGICAL_DEVICE,
            authentication_method=enumerations.AuthenticationMechanism.HLS_GMAC,
            encryption_key=me.keys.ek,
            authentication_key=me.keys.ak,
            max_pdu_size=max_pdu,
            client_system_title=me.title,
            client_initial_invocation_counter=self._counter,
            meter_initial_invocation_counter=self._meter_counter,
        )
        with client.session():
            parsed: Table = self._parser.parse_bytes(client.get(self._profile, self._range))
        self._counter = client.client_invocation_counter
        self._meter_counter = client.dlms_connection.meter_invocation_counter
        return parsed

    def rows(self, found: Table) -> Rows:
        """What :meth:`session` gave, in the form that is compared; not measured."""
        return tuple(Row(int(row[0].value.timestamp()), row[1].value, row[2].value, row[3].value) for row in found)

    def decode(self, buffer: bytes) -> Table:
        """The rows of a buffer that was already deciphered."""
        parsed: Table = self._parser.parse_bytes(buffer)
        return parsed
