"""The messages of xDLMS: one file a service, each message a frozen value with its encoding beside it.

Encodings are A-XDR (Green Book 9.5). ``decode`` reads what follows the tag (and, where the service has one, the choice
byte), which :mod:`kwartier.dlms.registry` has looked up; ``encode`` gives the whole APDU. Bits 0-3 of an
``invoke_id_and_priority`` are the invoke id, bit 6 the service class (1: confirmed), bit 7 the priority (1: high).
"""

from kwartier.dlms.codes import (
    ACTION_RESULT,
    CONFIRMED_SERVICE,
    DATA_ACCESS_RESULT,
    INITIATE_ERROR,
    SERVICE_ERROR,
    SERVICE_ERROR_CHOICE,
    SERVICE_ERROR_VALUE,
    STATE_ERROR,
    name,
)
from kwartier.dlms.conformance import conformance_names
from kwartier.dlms.services.action import ActionRequestNormal, ActionResponseNormal
from kwartier.dlms.services.descriptor import Attribute
from kwartier.dlms.services.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseBlock,
    GetResponseNormal,
    GetResponseWithList,
    parse_results,
)
from kwartier.dlms.services.initiate import InitiateRequest, InitiateResponse
from kwartier.dlms.services.notification import DataNotification, EventNotification
from kwartier.dlms.services.refusal import ConfirmedServiceError, ExceptionResponse
from kwartier.dlms.services.set import SetRequestNormal, SetResponseNormal

__all__ = [
    "ACTION_RESULT",
    "CONFIRMED_SERVICE",
    "DATA_ACCESS_RESULT",
    "INITIATE_ERROR",
    "SERVICE_ERROR",
    "SERVICE_ERROR_CHOICE",
    "SERVICE_ERROR_VALUE",
    "STATE_ERROR",
    "ActionRequestNormal",
    "ActionResponseNormal",
    "Attribute",
    "ConfirmedServiceError",
    "DataNotification",
    "EventNotification",
    "ExceptionResponse",
    "GetRequestNext",
    "GetRequestNormal",
    "GetRequestWithList",
    "GetResponseBlock",
    "GetResponseNormal",
    "GetResponseWithList",
    "InitiateRequest",
    "InitiateResponse",
    "Service",
    "SetRequestNormal",
    "SetResponseNormal",
    "conformance_names",
    "name",
    "parse_results",
]

Service = (
    GetRequestNormal
    | GetRequestNext
    | GetRequestWithList
    | GetResponseNormal
    | GetResponseBlock
    | GetResponseWithList
    | SetRequestNormal
    | SetResponseNormal
    | ActionRequestNormal
    | ActionResponseNormal
    | DataNotification
    | EventNotification
    | ExceptionResponse
    | ConfirmedServiceError
    | InitiateRequest
    | InitiateResponse
)
