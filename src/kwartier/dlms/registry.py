"""Plain APDUs to messages and back, as a table: the bytes an APDU starts with -> its name, its type and who sends it.

A new message is one row here and one type with ``decode`` and ``encode``. What the table does not hold is refused by its
Green Book name, so that a log says *set-request-with-list is not implemented* and not a number. Ciphered APDUs and general
block transfer are no messages yet: :mod:`kwartier.dlms.protection` and :mod:`kwartier.dlms.gbt` take them off first.
"""

import struct
from collections.abc import Callable
from enum import Flag, auto
from typing import NamedTuple

from kwartier.dlms import services
from kwartier.dlms.association import Aare, Aarq, Rlre, Rlrq
from kwartier.dlms.codes import APDU_CHOICE, APDU_TAG, name
from kwartier.dlms.cursor import Cursor
from kwartier.errors import StateError, WireError

Apdu = services.Service | Aarq | Aare | Rlrq | Rlre


class Sender(Flag):
    """Which role may send a message."""

    CLIENT = auto()
    SERVER = auto()


class Row(NamedTuple):
    """One kind of message. ``head`` is the tag and, where the service has forms, the choice byte after it."""

    head: bytes
    name: str
    type: type[Apdu]
    decode: Callable[[Cursor], Apdu]
    sender: Sender


def _row(head: str, label: str, kind: type[Apdu], sender: Sender) -> Row:
    return Row(bytes.fromhex(head), label, kind, kind.decode, sender)


ROWS: tuple[Row, ...] = (
    _row("60", "aarq", Aarq, Sender.CLIENT),
    _row("61", "aare", Aare, Sender.SERVER),
    _row("62", "rlrq", Rlrq, Sender.CLIENT),
    _row("63", "rlre", Rlre, Sender.SERVER),
    _row("01", "initiate-request", services.InitiateRequest, Sender.CLIENT),
    _row("08", "initiate-response", services.InitiateResponse, Sender.SERVER),
    _row("0E", "confirmed-service-error", services.ConfirmedServiceError, Sender.SERVER),
    _row("0F", "data-notification", services.DataNotification, Sender.SERVER),
    _row("C0 01", "get-request-normal", services.GetRequestNormal, Sender.CLIENT),
    _row("C0 02", "get-request-next", services.GetRequestNext, Sender.CLIENT),
    _row("C0 03", "get-request-with-list", services.GetRequestWithList, Sender.CLIENT),
    _row("C1 01", "set-request-normal", services.SetRequestNormal, Sender.CLIENT),
    _row("C2", "event-notification-request", services.EventNotification, Sender.SERVER),
    _row("C3 01", "action-request-normal", services.ActionRequestNormal, Sender.CLIENT),
    _row("C4 01", "get-response-normal", services.GetResponseNormal, Sender.SERVER),
    _row("C4 02", "get-response-with-datablock", services.GetResponseBlock, Sender.SERVER),
    _row("C4 03", "get-response-with-list", services.GetResponseWithList, Sender.SERVER),
    _row("C5 01", "set-response-normal", services.SetResponseNormal, Sender.SERVER),
    _row("C7 01", "action-response-normal", services.ActionResponseNormal, Sender.SERVER),
    _row("D8", "exception-response", services.ExceptionResponse, Sender.SERVER),
)

_BY_HEAD = {row.head: row for row in ROWS}
_BY_TYPE = {row.type: row for row in ROWS}


def parse(apdu: bytes) -> Apdu:
    """The message that ``apdu`` is, whole and with nothing behind it; :class:`WireError` where it is none we know.

    The value of a get-response-normal is all that remains of the APDU and is not walked here
    (:class:`~kwartier.dlms.services.GetResponseNormal`).
    """
    row = _BY_HEAD.get(apdu[:2]) or _BY_HEAD.get(apdu[:1])
    if row is None:
        raise _unknown(apdu)
    cursor = Cursor(apdu, len(row.head))
    message = row.decode(cursor)
    if cursor.at != cursor.end:
        cursor.expect_end()
    return message


def build(apdu: Apdu) -> bytes:
    """The bytes of a message; :class:`StateError` where a field does not fit its place."""
    try:
        return apdu.encode()
    except (ValueError, OverflowError, struct.error) as error:
        raise StateError("unbuildable", f"{service_name(apdu)}: a field does not fit its place") from error


def service_name(apdu: Apdu) -> str:
    """The name of a message: ``get-request-normal``, ``aare``, ..."""
    return _BY_TYPE[type(apdu)].name


def sender(apdu: Apdu) -> Sender:
    """Which role sends such a message."""
    return _BY_TYPE[type(apdu)].sender


def apdu_name(apdu: bytes) -> str:
    """The Green Book name of the APDU that ``apdu`` starts with, also of those that are not implemented or ciphered."""
    if not apdu:
        return "nothing"
    form = APDU_CHOICE.get((apdu[0], apdu[1])) if len(apdu) > 1 else None
    return form or name(APDU_TAG, apdu[0])


def _unknown(apdu: bytes) -> WireError:
    if not apdu:
        return WireError("truncated", "an empty APDU")
    tag = apdu[0]
    if tag not in APDU_TAG:
        return WireError("unsupported-apdu", f"no APDU has tag 0x{tag:02X}")
    forms = [choice for known, choice in APDU_CHOICE if known == tag]
    if forms and len(apdu) == 1:
        return WireError("truncated", f"{APDU_TAG[tag]} ends after its tag")
    if forms and apdu[1] not in forms:
        return WireError("unsupported-apdu", f"{APDU_TAG[tag]} (tag 0x{tag:02X}) has no form {apdu[1]}")
    return WireError("unsupported-apdu", f"{apdu_name(apdu)} (tag 0x{tag:02X}) is not a message implemented here")
