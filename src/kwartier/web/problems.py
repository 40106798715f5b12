"""What went wrong, over HTTP: a problem (RFC 9457) with the code of the table of errors, and a status by the leaf of the error.

The type of a problem is an address of this server that explains its code. A mistake of ours says what kind it is and where,
and nothing of what it was about.
"""

from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb

from kwartier.errors import (
    Denied,
    InputError,
    KwartierError,
    LinkLost,
    Retry,
    SecurityError,
    StateError,
    WireError,
    explanations,
)

PROBLEM = "application/problem+json"
EXPLAINED = "/api/v1/errors/"
"""Where the codes are explained; the rest of the address is the code."""
RETRY_S = 5
"""What is said in ``Retry-After`` where the error itself knows nothing better."""
OF_LEAF: Mapping[type[KwartierError], int] = {
    InputError: 400,
    Denied: 403,
    StateError: 409,
    SecurityError: 500,
    WireError: 502,
    LinkLost: 504,
}
"""A check that failed is ours to look into, but for those below: who signs in is nobody yet."""
OF_CODE: Mapping[str, int] = {
    "not-signed-in": 401,
    "bad-login": 401,
    "bad-token": 401,
    "expired-token": 401,
    "unknown-issuer": 401,
    "no-such-page": 404,
    "no-such-night": 404,
    "no-such-version": 404,
    "unknown-connection": 404,
    "unknown-trace": 404,
    "unknown-meter": 404,
    "not-validated": 404,
    "bad-method": 405,
    "not-acceptable": 406,
    "body-too-slow": 408,
    "body-too-long": 413,
    "wrong-host": 421,
    "slow-down": 429,
    "internal-error": 500,
    "settlement-altered": 500,
    "database-failed": 500,
    "bad-settings": 500,
    "bad-jwks": 500,
    "bad-audit-key": 500,
    "bad-roles": 500,
    "no-database": 503,
    "lost-database": 503,
    "no-space": 503,
}
"""Codes whose status is another than that of their leaf."""


def status_of(error: KwartierError) -> int:
    """The status that an error is answered with."""
    status = OF_CODE.get(error.code) or next(code for leaf, code in OF_LEAF.items() if isinstance(error, leaf))
    return 503 if isinstance(error, StateError) and error.retry is Retry.LATER else status


def problem(error: KwartierError) -> dict[str, object]:
    """The fields of a problem."""
    row = explanations().get(error.code)
    return {
        "type": f"{EXPLAINED}{error.code}",
        "title": error.code if row is None else row.meaning,
        "status": status_of(error),
        "detail": error.detail,
        "code": error.code,
        "advice": "" if row is None else row.advice,
        "retry": error.retry.value,
    }


def headers_of(error: KwartierError) -> dict[str, str]:
    """What has to be said in headers besides: when to come again, and how to say who is asking."""
    status = status_of(error)
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="kwartier"'}
    return {"Retry-After": f"{RETRY_S}"} if status in (429, 503) else {}


def of_ours(error: Exception) -> StateError:
    """A mistake of this program, as far as it may be told: its kind and its place."""
    frames = extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"
    return StateError("internal-error", f"{type(error).__name__} in {where}")
