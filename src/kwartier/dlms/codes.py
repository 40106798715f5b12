"""Codes of the Green Book and their names: what a meter's *no* means in words.

A code that stands in no table is still a value: :func:`name` prints it as ``unknown (77)``. Clauses are those of the Green
Book, edition 8: the results and errors of clause 9.5, the diagnostics of clause 9.4.2.
"""

from collections.abc import Mapping


def name(table: Mapping[int, str], code: int) -> str:
    """The Green Book name of ``code`` in ``table``, or ``unknown (77)``."""
    known = table.get(code)
    return f"unknown ({code})" if known is None else known


DATA_ACCESS_RESULT = {
    0: "success",
    1: "hardware-fault",
    2: "temporary-failure",
    3: "read-write-denied",
    4: "object-undefined",
    9: "object-class-inconsistent",
    11: "object-unavailable",
    12: "type-unmatched",
    13: "scope-of-access-violated",
    14: "data-block-unavailable",
    15: "long-get-aborted",
    16: "no-long-get-in-progress",
    17: "long-set-aborted",
    18: "no-long-set-in-progress",
    19: "data-block-number-invalid",
    250: "other-reason",
}

ACTION_RESULT = {
    0: "success",
    1: "hardware-fault",
    2: "temporary-failure",
    3: "read-write-denied",
    4: "object-undefined",
    9: "object-class-inconsistent",
    11: "object-unavailable",
    12: "type-unmatched",
    13: "scope-of-access-violated",
    14: "data-block-unavailable",
    15: "long-action-aborted",
    16: "no-long-action-in-progress",
    250: "other-reason",
}

# exception-response: two codes that together say what could not be done and why.

STATE_ERROR = {
    1: "service-not-allowed",
    2: "service-unknown",
}

SERVICE_ERROR = {
    1: "operation-not-possible",
    2: "service-not-supported",
    3: "other-reason",
    4: "pdu-too-long",
    5: "deciphering-error",
    6: "invocation-counter-error",
}

# confirmed-service-error: which service failed, in which respect, and why.

CONFIRMED_SERVICE = {
    1: "initiate-error",
    2: "get-status",
    3: "get-name-list",
    4: "get-variable-attribute",
    5: "read",
    6: "write",
    7: "get-data-set-attribute",
    8: "get-ti-attribute",
    9: "change-scope",
    10: "start",
    11: "stop",
    12: "resume",
    13: "make-usable",
    14: "initiate-load",
    15: "load-segment",
    16: "terminate-load",
    17: "initiate-up-load",
    18: "up-load-segment",
    19: "terminate-up-load",
}

SERVICE_ERROR_CHOICE = {
    0: "application-reference",
    1: "hardware-resource",
    2: "vde-state-error",
    3: "service",
    4: "definition",
    5: "access",
    6: "initiate",
    7: "load-data-set",
    8: "change-scope",
    9: "task",
    10: "other",
}

INITIATE_ERROR = {
    0: "other",
    1: "dlms-version-too-low",
    2: "incompatible-conformance",
    3: "pdu-size-too-short",
    4: "refused-by-the-vde-handler",
}

SERVICE_ERROR_VALUE: dict[int, dict[int, str]] = {
    0: {
        0: "other",
        1: "time-elapsed",
        2: "application-unreachable",
        3: "application-reference-invalid",
        4: "application-context-unsupported",
        5: "provider-communication-error",
        6: "deciphering-error",
    },
    1: {
        0: "other",
        1: "memory-unavailable",
        2: "processor-resource-unavailable",
        3: "mass-storage-unavailable",
        4: "other-resource-unavailable",
    },
    2: {
        0: "other",
        1: "no-dlms-context",
        2: "loading-data-set",
        3: "status-nochange",
        4: "status-inoperable",
    },
    3: {0: "other", 1: "pdu-size", 2: "service-unsupported"},
    4: {0: "other", 1: "object-undefined", 2: "object-class-inconsistent", 3: "object-attribute-inconsistent"},
    5: {
        0: "other",
        1: "scope-of-access-violated",
        2: "object-access-violated",
        3: "hardware-fault",
        4: "object-unavailable",
    },
    6: INITIATE_ERROR,
    7: {
        0: "other",
        1: "primitive-out-of-sequence",
        2: "not-loadable",
        3: "dataset-size-too-large",
        4: "not-awaited-segment",
        5: "interpretation-failure",
        6: "storage-failure",
        7: "data-set-not-ready",
    },
    8: {0: "other"},
    9: {0: "other", 1: "no-remote-control", 2: "ti-stopped", 3: "ti-running", 4: "ti-unusable"},
    10: {0: "other"},
}
"""Choice of the ServiceError -> its values."""

# The association: clause 9.4.2.

APPLICATION_CONTEXT = {
    1: "logical-name-referencing-no-ciphering",
    2: "short-name-referencing-no-ciphering",
    3: "logical-name-referencing-with-ciphering",
    4: "short-name-referencing-with-ciphering",
}
"""Last arc of 2.16.756.5.8.1.x."""

MECHANISM = {
    0: "lowest-level-security",
    1: "low-level-security",
    2: "high-level-security",
    3: "high-level-security-using-md5",
    4: "high-level-security-using-sha-1",
    5: "high-level-security-using-gmac",
    6: "high-level-security-using-sha-256",
    7: "high-level-security-using-ecdsa",
}
"""Last arc of 2.16.756.5.8.2.x."""

ASSOCIATION_RESULT = {
    0: "accepted",
    1: "rejected-permanent",
    2: "rejected-transient",
}

ACSE_SERVICE_USER = {
    0: "null",
    1: "no-reason-given",
    2: "application-context-name-not-supported",
    3: "calling-ap-title-not-recognized",
    4: "calling-ap-invocation-identifier-not-recognized",
    5: "calling-ae-qualifier-not-recognized",
    6: "calling-ae-invocation-identifier-not-recognized",
    7: "called-ap-title-not-recognized",
    8: "called-ap-invocation-identifier-not-recognized",
    9: "called-ae-qualifier-not-recognized",
    10: "called-ae-invocation-identifier-not-recognized",
    11: "authentication-mechanism-name-not-recognized",
    12: "authentication-mechanism-name-required",
    13: "authentication-failure",
    14: "authentication-required",
}
"""Diagnostics whose source is the ACSE service user."""

ACSE_SERVICE_PROVIDER = {
    0: "null",
    1: "no-reason-given",
    2: "no-common-acse-version",
}
"""Diagnostics whose source is the ACSE service provider."""

RELEASE_REQUEST_REASON = {0: "normal", 1: "urgent", 30: "user-defined"}

RELEASE_RESPONSE_REASON = {0: "normal", 1: "not-finished", 30: "user-defined"}

# Every APDU tag of clause 9.5 and 9.4.2, those that this package does not speak included.

_PLAIN = {
    0x01: "initiate-request",
    0x05: "read-request",
    0x06: "write-request",
    0x08: "initiate-response",
    0x0C: "read-response",
    0x0D: "write-response",
    0x0E: "confirmed-service-error",
    0x16: "unconfirmed-write-request",
    0x18: "information-report-request",
    0xC0: "get-request",
    0xC1: "set-request",
    0xC2: "event-notification-request",
    0xC3: "action-request",
    0xC4: "get-response",
    0xC5: "set-response",
    0xC7: "action-response",
}
"""The services that also have a tag under global and one under dedicated ciphering."""

_OLD_SERVICES_END = 0x80
"""Below it the ciphered tags are 0x20 and 0x40 higher, above it 8 and 16."""

APDU_TAG = {
    **_PLAIN,
    **{tag + (0x20 if tag < _OLD_SERVICES_END else 0x08): f"glo-{service}" for tag, service in _PLAIN.items()},
    **{tag + (0x40 if tag < _OLD_SERVICES_END else 0x10): f"ded-{service}" for tag, service in _PLAIN.items()},
    0x0F: "data-notification",
    0x10: "data-notification-confirm",
    0x60: "aarq",
    0x61: "aare",
    0x62: "rlrq",
    0x63: "rlre",
    0xD8: "exception-response",
    0xD9: "access-request",
    0xDA: "access-response",
    0xDB: "general-glo-ciphering",
    0xDC: "general-ded-ciphering",
    0xDD: "general-ciphering",
    0xDF: "general-signing",
    0xE0: "general-block-transfer",
}

APDU_CHOICE = {
    (0xC0, 1): "get-request-normal",
    (0xC0, 2): "get-request-next",
    (0xC0, 3): "get-request-with-list",
    (0xC1, 1): "set-request-normal",
    (0xC1, 2): "set-request-with-first-datablock",
    (0xC1, 3): "set-request-with-datablock",
    (0xC1, 4): "set-request-with-list",
    (0xC1, 5): "set-request-with-list-and-first-datablock",
    (0xC3, 1): "action-request-normal",
    (0xC3, 2): "action-request-next-pblock",
    (0xC3, 3): "action-request-with-list",
    (0xC3, 4): "action-request-with-first-pblock",
    (0xC3, 5): "action-request-with-list-and-first-pblock",
    (0xC3, 6): "action-request-with-pblock",
    (0xC4, 1): "get-response-normal",
    (0xC4, 2): "get-response-with-datablock",
    (0xC4, 3): "get-response-with-list",
    (0xC5, 1): "set-response-normal",
    (0xC5, 2): "set-response-datablock",
    (0xC5, 3): "set-response-last-datablock",
    (0xC5, 4): "set-response-last-datablock-with-list",
    (0xC5, 5): "set-response-with-list",
    (0xC7, 1): "action-response-normal",
    (0xC7, 2): "action-response-with-pblock",
    (0xC7, 3): "action-response-with-list",
    (0xC7, 4): "action-response-next-pblock",
}
"""(tag, choice) of the services that have a second byte which tells their form."""
