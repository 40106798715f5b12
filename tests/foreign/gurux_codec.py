"""What is taken of gurux_dlms: its ciphers, its data, its association requests and its check sequences.

Its server class is not used: it does not run (it calls methods that its own classes lack, and writes AAREs whose lengths are
wrong). What a meter has to say is decided in :mod:`tests.foreign.gurux_meter`; every byte of data and of protection comes
from here.
"""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

from gurux_dlms import GXByteBuffer
from gurux_dlms._GXAPDU import _GXAPDU
from gurux_dlms._GXFCS16 import _GXFCS16
from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Authentication, DataType, Security
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
from gurux_dlms.GXSecure import GXSecure
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo

GENERAL_GLO = 0xDB
USER_INFORMATION = 0xBE


@dataclass(slots=True, kw_only=True)
class Request:
    """What an AARQ asks for."""

    title: bytes
    mechanism: int
    challenge: bytes
    max_pdu: int
    ciphered: bool
    counter: int
    conformance: int


class Cipher:
    """The protection of one association: gurux's settings with the keys of both sides."""

    def __init__(self, title: bytes, ek: bytes, ak: bytes) -> None:
        self.settings: Any = GXDLMSSettings(True, None)
        cipher = GXCiphering(bytearray(title))
        cipher.blockCipherKey, cipher.authenticationKey = bytearray(ek), bytearray(ak)
        self.settings.cipher = cipher
        self.title, self.ek, self.ak = title, ek, ak

    def aarq(self, apdu: bytes) -> Request:
        """Take an AARQ apart; whatever gurux raises where it cannot decipher it."""
        settings = self.settings
        with contextlib.redirect_stdout(io.StringIO()):
            _GXAPDU.parsePDU(settings, settings.cipher, GXByteBuffer(bytearray(apdu)), None)
        ciphered = settings.cipher.security != Security.NONE
        counter = int.from_bytes(_user_information(apdu)[3:7], "big") if ciphered else 0
        return Request(
            title=bytes(settings.sourceSystemTitle or b""),
            mechanism=int(settings.authentication),
            challenge=bytes(settings.ctoSChallenge or b""),
            max_pdu=int(settings.maxPduSize),
            ciphered=ciphered,
            counter=counter,
            conformance=int(settings.negotiatedConformance),
        )

    def encrypt(self, tag: int, plain: bytes, counter: int) -> bytes:
        """A whole ciphered APDU under ``tag``."""
        parameter = AesGcmParameter(tag, bytearray(self.title), bytearray(self.ek), bytearray(self.ak))
        parameter.security = Security.AUTHENTICATION_ENCRYPTION
        parameter.invocationCounter = counter
        return bytes(GXCiphering.encrypt(parameter, bytearray(plain)))

    def decrypt(self, apdu: bytes) -> tuple[bytes, int]:
        """The plain APDU and its invocation counter."""
        source = bytearray(self.settings.sourceSystemTitle)
        parameter = AesGcmParameter(0, source, bytearray(self.ek), bytearray(self.ak))
        plain = GXCiphering.decrypt(self.settings, parameter, GXByteBuffer(bytearray(apdu)))
        return bytes(plain), int(parameter.invocationCounter)

    def proof(self, challenge: bytes, counter: int, title: bytes) -> bytes:
        """f(challenge) of mechanism 5 by whoever has ``title``: control, counter and tag."""
        self.settings.authentication = Authentication.HIGH_GMAC
        return bytes(GXSecure.secure(self.settings, self.settings.cipher, counter, challenge, bytearray(title)))


def _user_information(apdu: bytes) -> bytes:
    """The last field of an AARQ (Green Book 9.4.2: tag BE), which gurux deciphers without telling the counter."""
    at = 2
    while apdu[at] != USER_INFORMATION:
        at += 2 + apdu[at + 1]
    return apdu[at + 4 :]


def challenge() -> bytes:
    """A fresh challenge."""
    return bytes(GXSecure.generateChallenge())


def encode(kind: int, value: int | bytearray) -> bytes:
    """One COSEM value, with its tag."""
    buffer = GXByteBuffer()
    _GXCommon.setData(None, buffer, kind, value)
    return bytes(buffer.array())


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a range request asks for: two stamps, and columns as (class, name, attribute); none: all."""

    start: bytes
    end: bytes
    columns: list[tuple[int, bytes, int]]


def decode_range(data: bytes) -> Range:
    """The parameters of selective access by range."""
    _, start, end, columns = _GXCommon.getData(None, GXByteBuffer(bytearray(data)), _GXDataInfo())
    wanted = [(int(one[0]), bytes(one[1]), int(one[2])) for one in columns or ()]
    return Range(start=bytes(start), end=bytes(end), columns=wanted)


def decode_octets(data: bytes) -> bytes:
    """A COSEM octet-string."""
    return bytes(_GXCommon.getData(None, GXByteBuffer(bytearray(data)), _GXDataInfo()))


def count(number: int) -> bytes:
    """A length or count as A-XDR writes it."""
    buffer = GXByteBuffer()
    _GXCommon.setObjectCount(number, buffer)
    return bytes(buffer.array())


def check_sequence(data: bytes) -> bytes:
    """HCS or FCS of ``data``, as it stands on the line."""
    return int(_GXFCS16.countFCS16(bytearray(data), 0, len(data))).to_bytes(2, "big")


UINT8, UINT16, UINT32 = DataType.UINT8, DataType.UINT16, DataType.UINT32
INT8, ENUM, OCTETS = DataType.INT8, DataType.ENUM, DataType.OCTET_STRING
ARRAY, STRUCTURE = int(DataType.ARRAY), int(DataType.STRUCTURE)
