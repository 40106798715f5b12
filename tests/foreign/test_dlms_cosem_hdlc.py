"""Our simulated meter over HDLC, read by dlms-cosem, which speaks HDLC over serial ports only: it gets a socket for one."""

import logging
import socket

import pytest
from dlms_cosem import cosem, enumerations
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.clients.hdlc_transport import SerialHdlcTransport
from dlms_cosem.cosem.selective_access import CaptureObject, RangeDescriptor
from dlms_cosem.parsers import ProfileGenericBufferParser

from kwartier.simulate.household import seeded
from tests.foreign.clients import HOST, QUARTER_MIN, Target, _local
from tests.foreign.test_foreign_clients import station, target, truth
from tests.foreign.truth import Row, midnight
from tests.living import listening

TIMEOUT_S = 10
SILENCE_S = 0.5
MOST_SILENCES = 40


class Port:
    """What dlms-cosem asks of a serial port, on a socket."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._silences = 0
        line.settimeout(SILENCE_S)

    def write(self, data: bytes) -> None:
        """All of it."""
        self._line.sendall(data)

    def read_until(self, flag: bytes) -> bytes:
        """Up to and with the next flag, or what had come when the line fell silent.

        dlms-cosem needs the second: after a frame whose check sequence ends with the byte of a flag it asks for one more.
        """
        held = b""
        while not held.endswith(flag):
            try:
                one = self._line.recv(1)
            except TimeoutError:
                self._silences += 1
                if self._silences > MOST_SILENCES:
                    raise
                return held
            if not one:
                raise RuntimeError("the meter closed the line")
            self._silences = 0
            held += one
        return held


def read(where: Target, first: int, last: int) -> list[Row]:
    """The rows between two quarter ends."""
    logging.getLogger("dlms_cosem").setLevel(logging.CRITICAL)  # it logs what it deciphers
    attributes = [
        cosem.CosemAttribute(enumerations.CosemInterface(one.class_id), cosem.Obis.from_bytes(one.obis), one.attribute)
        for one in where.columns
    ]
    by = next(one for one in attributes if one.interface is enumerations.CosemInterface.CLOCK)
    buffer = cosem.CosemAttribute(enumerations.CosemInterface.PROFILE_GENERIC, cosem.Obis.from_bytes(where.profile), 2)
    with socket.create_connection((HOST, where.port), TIMEOUT_S) as line:
        client = DlmsClient(
            1,
            1,
            SerialHdlcTransport(1, 1, "", serial=Port(line)),
            authentication_method=enumerations.AuthenticationMechanism.HLS_GMAC,
            encryption_key=where.ek,
            authentication_key=where.ak,
            max_pdu_size=where.max_pdu,
            client_system_title=where.own_title,
            client_initial_invocation_counter=1,
        )
        # Its DISC is left out: it wants a header check sequence in the UA that answers it, and a frame without information has
        # none. The line is just closed.
        client.connect()
        client.associate()
        answer = client.get(buffer, RangeDescriptor(CaptureObject(by), _local(first), _local(last)))
        client.release_association()
    found = ProfileGenericBufferParser(attributes, QUARTER_MIN).parse_bytes(answer)
    return [
        Row(time=int(row[0].value.timestamp()), status=row[1].value, import_wh=row[2].value, export_wh=row[3].value)
        for row in found
    ]


@pytest.mark.parametrize("max_pdu", [128, 512, 4096])
@pytest.mark.parametrize("seed", range(10))
def test_one_day_at_every_size(seed: int, max_pdu: int) -> None:
    household = seeded(seed, solar=True)
    first, last = midnight("2026-03-04"), midnight("2026-03-05")
    with listening([station(household, last + 3600, "hdlc")]) as (port,):
        assert read(target(port, "hdlc", max_pdu), first, last) == truth(household, first, last)
