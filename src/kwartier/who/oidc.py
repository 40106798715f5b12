"""From an OIDC token (a signed JWT, RFC 7519) to a name: nothing in a token chooses how it is verified.

Issuer, audience, algorithms and keys are pinned in the configuration; nothing is fetched. A token may only say which of the
pinned keys it was signed with. It is taken apart here, strictly and within bounds, before the library sees it, so that both
look at the same thing: three parts, JSON objects without a name twice, headers from a short list. What is said of a token
that is refused never holds any of it.
"""

import base64
import binascii
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from kwartier.errors import InputError, SecurityError
from kwartier.who.actor import MAX_NAME, Identity, is_name

MAX_TOKEN_BYTES = 16_384
MAX_KEY_FILE_BYTES = 262_144
MAX_KEYS = 32
MAX_GROUPS = 256
MAX_AUDIENCES = 16
MAX_LIFETIME_S = 86_400
"""From its making to its end; a token that is good for longer is as bad as a password."""
MAX_MOMENT_S = 1 << 40
MIN_RSA_BITS = 2048
ALGORITHMS: Mapping[str, type[Key]] = {
    "RS256": RSAKey,
    "PS256": RSAKey,
    "ES256": ECKey,
    "EdDSA": OKPKey,
    "Ed25519": OKPKey,
}
"""What may be pinned, and the kind of key that belongs to it; Ed25519 is what RFC 9864 calls EdDSA with that curve."""
CURVES: Mapping[type[Key], str] = {ECKey: "P-256", OKPKey: "Ed25519"}
HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""All that a header may hold. The two thumbprints are not looked at; a key or the address of one is refused."""
KINDS = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_PART = re.compile(r"[A-Za-z0-9_-]+")
_NO_JSON = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer whose tokens are taken: its pinned keys by ``kid``, and what a token has to say."""

    alias: str
    issuer: str
    audience: str
    algorithms: frozenset[str]
    keys: Mapping[str, Key] = field(repr=False)
    skew_s: int = 60
    roles_claim: str = ""
    """The claim that holds the groups, a text or a list of texts; empty: none."""


class _Pinned(JWSRegistry):
    """The one algorithm that a key is used with."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms["Ed25519" if name == "EdDSA" else name]


def verify(token: str, issuers: Sequence[Issuer], *, at: float, nonce: str | None = None) -> Identity:
    """Who the token says its bearer is. ``at``: UTC seconds; ``nonce``: what a token for a sign-in has to repeat.

    Raises ``SecurityError`` bad-token, unknown-issuer, expired-token.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise _bad(f"it is longer than {MAX_TOKEN_BYTES} characters")
    parts = token.split(".")
    if len(parts) != 3:
        raise _bad("it is no signed token of three parts")
    header, claims = _object(parts[0], "its header"), _object(parts[1], "its content")
    if not header.keys() <= HEADERS:
        raise _bad("its header holds more than algorithm, key and kind")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in KINDS:
        raise _bad("it is of another kind than a token for access or identity")
    # Not verified yet: it only chooses among issuers that are pinned, each with keys of its own.
    issuer = next((one for one in issuers if one.issuer == claims.get("iss")), None)
    if issuer is None:
        raise SecurityError("unknown-issuer", "a token comes from an issuer that is not configured")
    _check_signature(token, header, issuer)
    _check_audience(claims, issuer)
    _check_times(claims, issuer, at)
    if nonce is not None and claims.get("nonce") != nonce:
        raise _bad("it answers another sign-in")
    return _identity(claims, issuer)


def _check_signature(token: str, header: Mapping[str, object], issuer: Issuer) -> None:
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise _bad(f"its algorithm is not pinned for {issuer.alias}")
    key = issuer.keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise _bad(f"it names no key that is pinned for {issuer.alias}")
    if not isinstance(key, ALGORITHMS[algorithm]) or key.alg not in (None, algorithm):
        raise _bad("its algorithm does not belong to its key")
    try:
        jws.deserialize_compact(token, key, registry=_Pinned(algorithms=[algorithm]))
    except (JoseError, ValueError, TypeError):
        raise _bad(f"its signature is not that of {issuer.alias}") from None


def _check_audience(claims: Mapping[str, object], issuer: Issuer) -> None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MAX_AUDIENCES or issuer.audience not in named:
        raise _bad("it is meant for somebody else")


def _check_times(claims: Mapping[str, object], issuer: Issuer, at: float) -> None:
    """Made in the past, begun, not over, and never good for longer than a day; each by a clock that may be off."""
    made, ends = _moment(claims, "iat"), _moment(claims, "exp")
    begins = _moment(claims, "nbf") if "nbf" in claims else made
    if not 0 <= ends - made <= MAX_LIFETIME_S:
        raise _bad(f"it is good for longer than {MAX_LIFETIME_S} s")
    if max(made, begins) > at + issuer.skew_s:
        raise _bad("it is not valid yet")
    if at >= ends + issuer.skew_s:
        raise SecurityError("expired-token", f"a token of {issuer.alias} ended {int(at - ends)} s ago")


def _moment(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_MOMENT_S:
        raise _bad(f"its {name} is no moment")
    return value


def _identity(claims: Mapping[str, object], issuer: Issuer) -> Identity:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_name(subject):
        raise _bad("its subject is no name of visible characters")
    name = f"oidc:{issuer.alias}:{subject}"
    if len(name) > MAX_NAME:
        raise _bad(f"its subject is too long for a name of {MAX_NAME} characters")
    groups = claims.get(issuer.roles_claim, []) if issuer.roles_claim else []
    listed = groups if isinstance(groups, list) else [groups]
    if len(listed) > MAX_GROUPS or not all(isinstance(one, str) for one in listed):
        raise _bad(f"its groups are no list of at most {MAX_GROUPS} texts")
    return Identity(name=name, via="oidc", groups=frozenset(f"group:{issuer.alias}:{one}" for one in listed))


def _object(part: str, where: str) -> dict[str, object]:
    """A part of a token as the JSON object that it has to be."""
    if not _PART.fullmatch(part):
        raise _bad(f"{where} is not base64url")
    try:
        octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return _json_object(octets)
    except (*_NO_JSON, binascii.Error):
        raise _bad(f"{where} is no JSON object") from None


def _json_object(octets: bytes) -> dict[str, object]:
    """A JSON object without a name twice, at any depth, and without numbers that are none."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name comes twice")
        return found

    def refuse(_name: str) -> object:
        raise ValueError("no number")

    value = json.loads(octets.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _bad(why: str) -> SecurityError:
    return SecurityError("bad-token", f"a token is refused: {why}")


def read_keys(octets: bytes, where: str, algorithms: Sequence[str]) -> dict[str, Key]:
    """The public keys of a JWK set (RFC 7517) by their ``kid``. Raises ``InputError`` bad-jwks, naming ``where``.

    Keys for other uses are left out; what is a secret, too weak or without a name of its own is refused.
    """
    try:
        listed = _json_object(octets[: MAX_KEY_FILE_BYTES + 1]).get("keys")
    except _NO_JSON:
        raise InputError("bad-jwks", f"{where} is no JSON object") from None
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise InputError("bad-jwks", f"{where} has no list `keys` of 1 to {MAX_KEYS}")
    found: dict[str, Key] = {}
    for number, one in enumerate(listed, 1):
        place = f"{where}, key {number}"
        if not isinstance(one, dict):
            raise InputError("bad-jwks", f"{place} is no object")
        if {"d", "k", "p", "q", "oth"} & one.keys():
            raise InputError("bad-jwks", f"{place} holds a secret part; only public keys belong there")
        if one.get("use", "sig") != "sig":
            continue
        kid = one.get("kid")
        if not isinstance(kid, str) or not kid or kid in found:
            raise InputError("bad-jwks", f"{place} has no `kid` of its own")
        found[kid] = _key(one, place, algorithms)
    if not found:
        raise InputError("bad-jwks", f"{where} has no key for signatures")
    return found


def _key(table: dict[str, str | list[str]], place: str, algorithms: Sequence[str]) -> Key:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of a weak key, which is refused below
            key = import_key(table)
    except (JoseError, ValueError, TypeError, KeyError):
        raise InputError("bad-jwks", f"{place} cannot be read") from None
    fitting = [one for one in algorithms if isinstance(key, ALGORITHMS[one]) and key.alg in (None, one)]
    if not fitting:
        raise InputError("bad-jwks", f"{place} belongs to none of {', '.join(algorithms)}")
    if isinstance(key, RSAKey):
        bits = key.raw_value.key_size
        if bits < MIN_RSA_BITS:
            raise InputError("bad-jwks", f"{place} has {bits} bits, at least {MIN_RSA_BITS} are wanted")
    elif table.get("crv") != CURVES[type(key)]:
        raise InputError("bad-jwks", f"{place} is not on the curve {CURVES[type(key)]}")
    return key
