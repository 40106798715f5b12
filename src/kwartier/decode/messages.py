"""Messages as fields with names, for people and for JSON.

One function a message, in one table. Each gives the fields and, where the message carries a value, where its A-XDR
bytes stand. Names of classes, attributes and methods come along for people; numbers stay beside them, because a program
asks by number. What is secret in itself - a dedicated key - is only said to be there.
"""

from collections.abc import Callable
from typing import NamedTuple

from kwartier.cosem.classes import attribute_name, class_name, method_name
from kwartier.decode.layers import Fields, Shown, hexed
from kwartier.dlms import axdr, registry, services
from kwartier.dlms.association import NO_SOURCE, SERVICE_PROVIDER, Aare, Aarq, Rlre, Rlrq
from kwartier.dlms.codes import APPLICATION_CONTEXT, MECHANISM, name
from kwartier.dlms.obis import dotted
from kwartier.dlms.stamps import DATE_TIME_BYTES, DateTime


class Parts(NamedTuple):
    """A message taken apart. ``values``: the A-XDR bytes of its values, None for one that was refused."""

    fields: Fields
    values: tuple[bytes | None, ...] = ()
    listed: bool = False
    """Whether the body is the list of the values, and not the only one."""


def parts(message: registry.Apdu) -> Parts:
    """The fields and values of ``message``."""
    found = _TABLE[type(message)](message)
    return found._replace(fields={"service": registry.service_name(message), **found.fields})


def body(values: tuple[bytes | None, ...], *, listed: bool) -> axdr.Plain:
    """The values without their tags; what was refused is ``null``."""
    plain = [None if value is None else axdr.plain(axdr.decode(value)) for value in values]
    if listed:
        return plain
    return plain[0] if plain else None


def text_or_hex(data: bytes | None) -> str | None:
    """Text where every byte is a printable one of ASCII, else bare hex digits."""
    if data is None:
        return None
    return data.decode("ascii") if data.isascii() and data.decode("ascii").isprintable() else hexed(data)


def time_fields(stamp: bytes) -> Fields:
    """The bytes of a date-time, and what they mean."""
    fields: Fields = {"date_time": "0x" + hexed(stamp) if stamp else None}
    if len(stamp) == DATE_TIME_BYTES:
        fields["time"] = str(DateTime.decode(stamp))
    return fields


def _code(label: str, text: str, code: int) -> Fields:
    """A result or error by name and in hex."""
    return {label: text, f"{label}_hex": f"0x{code & 0xFFFF_FFFF:02X}"}


def _result(table: dict[int, str], code: int | None) -> Fields:
    return _code("result", name(table, code or 0), code or 0)


def _target(class_id: int, obis: bytes) -> Fields:
    return {"class_id": class_id, "class_name": class_name(class_id), "obis": dotted(obis)}


def _attribute(class_id: int, obis: bytes, attribute: int, access: bytes | None = None) -> Fields:
    fields = {
        **_target(class_id, obis),
        "attribute": attribute,
        "attribute_name": attribute_name(class_id, attribute),
    }
    if access is not None:
        fields["access_selector"] = access[0]
        fields["access_parameters"] = axdr.plain(axdr.decode(access[1:]))
    return fields


def _invoke(number: int) -> Fields:
    return {"invoke_id_and_priority": number}


# Initiate and association


def _conformance(message: services.InitiateRequest | services.InitiateResponse) -> Fields:
    return {
        "conformance": f"{message.conformance:06X}",
        "conformance_names": list(services.conformance_names(message.conformance)),
        "max_pdu": message.max_pdu,
        "dlms_version": message.version,
        "quality_of_service": message.quality_of_service,
    }


def _initiate_request(message: services.InitiateRequest) -> Parts:
    return Parts(
        {
            **_conformance(message),
            "response_allowed": message.response_allowed,
            "dedicated_key": "present" if message.dedicated_key is not None else None,
        }
    )


def _initiate_response(message: services.InitiateResponse) -> Parts:
    return Parts({**_conformance(message), "vaa_name": f"{message.vaa_name:04X}"})


def _optional(fields: Fields) -> Fields:
    return {label: value for label, value in fields.items() if value is not None}


def _hex(data: bytes | None) -> str | None:
    return None if data is None else hexed(data)


def _aarq(message: Aarq) -> Parts:
    return Parts(
        _optional(
            {
                "application_context": name(APPLICATION_CONTEXT, message.application_context),
                "mechanism": None if message.mechanism is None else name(MECHANISM, message.mechanism),
                "calling_system_title": _hex(message.calling_title),
                "calling_authentication_value": text_or_hex(message.calling_authentication_value),
                "calling_ae_qualifier": _hex(message.calling_ae_qualifier),
                "calling_ae_invocation_id": message.calling_ae_invocation_id,
                "called_system_title": _hex(message.called_title),
                "user_information": _hex(message.user_information),
            }
        )
    )


def _aare(message: Aare) -> Parts:
    context = message.application_context
    fields: Fields = _code("result", message.result_name, message.result)
    fields |= _code("diagnostic", message.diagnostic_name, message.diagnostic)
    if message.diagnostic_source != NO_SOURCE:
        provider = message.diagnostic_source == SERVICE_PROVIDER
        fields["diagnostic_source"] = "service-provider" if provider else "service-user"
    fields |= _optional(
        {
            "application_context": None if context is None else name(APPLICATION_CONTEXT, context),
            "mechanism": None if message.mechanism is None else name(MECHANISM, message.mechanism),
            "responding_system_title": _hex(message.responding_title),
            "responding_authentication_value": text_or_hex(message.responding_authentication_value),
            "user_information": _hex(message.user_information),
        }
    )
    return Parts(fields)


def _release(message: Rlrq | Rlre) -> Parts:
    reason = {} if message.reason is None else _code("reason", message.reason_name, message.reason)
    return Parts({**reason, **_optional({"user_information": _hex(message.user_information)})})


# GET, SET and ACTION


def _get_request(message: services.GetRequestNormal) -> Parts:
    target = _attribute(message.class_id, message.obis, message.attribute, message.access)
    return Parts({**_invoke(message.invoke_id_and_priority), **target})


def _get_next(message: services.GetRequestNext) -> Parts:
    return Parts({**_invoke(message.invoke_id_and_priority), "block_number": message.block_number})


def _get_list(message: services.GetRequestWithList) -> Parts:
    items: list[Shown] = [_attribute(item.class_id, item.obis, item.attribute, item.access) for item in message.items]
    return Parts({**_invoke(message.invoke_id_and_priority), "items": items})


def _get_response(message: services.GetResponseNormal) -> Parts:
    fields = {**_invoke(message.invoke_id_and_priority), **_result(services.DATA_ACCESS_RESULT, message.result)}
    return Parts(fields, () if message.data is None else (message.data,))


def _get_block(message: services.GetResponseBlock) -> Parts:
    fields: Fields = {
        **_invoke(message.invoke_id_and_priority),
        "last_block": message.last_block,
        "block_number": message.block_number,
        **_result(services.DATA_ACCESS_RESULT, message.result),
    }
    if message.raw is not None:
        fields["raw_data_length"], fields["raw_data"] = len(message.raw), hexed(message.raw)
    return Parts(fields)


def _get_results(message: services.GetResponseWithList) -> Parts:
    codes = [0 if isinstance(result, bytes) else result for result in message.results]
    fields: Fields = {
        **_invoke(message.invoke_id_and_priority),
        "results": [name(services.DATA_ACCESS_RESULT, code) for code in codes],
        "results_hex": [f"0x{code:02X}" for code in codes],
    }
    return Parts(fields, tuple(one if isinstance(one, bytes) else None for one in message.results), listed=True)


def _set_request(message: services.SetRequestNormal) -> Parts:
    target = _attribute(message.class_id, message.obis, message.attribute, message.access)
    return Parts({**_invoke(message.invoke_id_and_priority), **target}, (message.value,))


def _set_response(message: services.SetResponseNormal) -> Parts:
    return Parts({**_invoke(message.invoke_id_and_priority), **_result(services.DATA_ACCESS_RESULT, message.result)})


def _action_request(message: services.ActionRequestNormal) -> Parts:
    fields: Fields = {
        **_invoke(message.invoke_id_and_priority),
        **_target(message.class_id, message.obis),
        "method": message.method,
        "method_name": method_name(message.class_id, message.method),
    }
    return Parts(fields, () if message.value is None else (message.value,))


def _action_response(message: services.ActionResponseNormal) -> Parts:
    fields = {**_invoke(message.invoke_id_and_priority), **_result(services.ACTION_RESULT, message.result)}
    if message.value_result is not None:
        fields |= _code("value_result", name(services.DATA_ACCESS_RESULT, message.value_result), message.value_result)
    return Parts(fields, () if message.value is None else (message.value,))


# What a meter sends unasked, and how it refuses


def _data_notification(message: services.DataNotification) -> Parts:
    return Parts(
        {**_invoke(message.long_invoke_id_and_priority), **time_fields(message.date_time)},
        (message.body,),
    )


def _event(message: services.EventNotification) -> Parts:
    target = _attribute(message.class_id, message.obis, message.attribute)
    return Parts({**time_fields(message.time or b""), **target}, (message.value,))


def _exception(message: services.ExceptionResponse) -> Parts:
    fields = _code("state_error", message.state_error_name, message.state_error)
    fields |= _code("service_error", message.service_error_name, message.service_error)
    if message.invocation_counter is not None:
        fields["invocation_counter"] = message.invocation_counter
    return Parts(fields)


def _service_error(message: services.ConfirmedServiceError) -> Parts:
    fields = _code("failed_service", message.service_name, message.service)
    error = f"0x{message.choice:02X}{message.value:02X}"
    return Parts({**fields, "error": message.error_name, "error_hex": error})


# A table from type to function is what mypy cannot follow: each function takes exactly the type that stands before it.
_TABLE: dict[type[registry.Apdu], Callable[..., Parts]] = {
    services.InitiateRequest: _initiate_request,
    services.InitiateResponse: _initiate_response,
    Aarq: _aarq,
    Aare: _aare,
    Rlrq: _release,
    Rlre: _release,
    services.GetRequestNormal: _get_request,
    services.GetRequestNext: _get_next,
    services.GetRequestWithList: _get_list,
    services.GetResponseNormal: _get_response,
    services.GetResponseBlock: _get_block,
    services.GetResponseWithList: _get_results,
    services.SetRequestNormal: _set_request,
    services.SetResponseNormal: _set_response,
    services.ActionRequestNormal: _action_request,
    services.ActionResponseNormal: _action_response,
    services.DataNotification: _data_notification,
    services.EventNotification: _event,
    services.ExceptionResponse: _exception,
    services.ConfirmedServiceError: _service_error,
}
