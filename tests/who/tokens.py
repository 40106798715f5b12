"""Tokens and keys for the tests, made with ``cryptography`` and by hand, so that what is tested is not its own judge."""

import base64
import json
from collections.abc import Mapping
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from kwartier.who.oidc import Issuer, read_keys

NOW = 1_780_000_000
ISSUER, AUDIENCE = "https://login.example.org/", "kwartier"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
CLAIMS: Mapping[str, object] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "u-123",
    "iat": NOW - 10,
    "nbf": NOW - 10,
    "exp": NOW + 600,
    "groups": ["ops", "audit"],
}
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def part(value: object) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


@cache
def private(kid: str) -> PrivateKey:
    """The key of that name: rsa..., ec..., ed...; drawn once a run."""
    if kid.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=1024 if "weak" in kid else 2048)
    if kid.startswith("ec"):
        return ec.generate_private_key(ec.SECP384R1() if "384" in kid else ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def jwk(kid: str, /, **more: object) -> dict[str, object]:
    """The public key of that name."""
    key = private(kid)
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        parts = {"kty": "RSA", "n": b64(numbers.n.to_bytes(key.key_size // 8, "big")), "e": "AQAB"}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384"}[key.curve.key_size]
        x, y = (b64(number.to_bytes(size, "big")) for number in (point.x, point.y))
        parts = {"kty": "EC", "crv": curve, "x": x, "y": y}
    else:
        parts = {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}
    return {**parts, "kid": kid, **more}


def key_set(*kids: str) -> bytes:
    return json.dumps({"keys": [jwk(kid) for kid in kids]}).encode()


def sign(kid: str, algorithm: str, message: bytes) -> bytes:
    key = private(kid)
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return key.sign(message, pss if algorithm == "PS256" else padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.sign(message)


def token(
    claims: object = CLAIMS, *, kid: str = "rsa", algorithm: str = "RS256", header: object = ..., **more: object
) -> str:
    """A token that is signed with the key ``kid``; ``more`` changes its claims, ``header`` is in the place of its own."""
    if isinstance(claims, Mapping):
        claims = {name: value for name, value in {**claims, **more}.items() if value is not ...}
    head = {"alg": algorithm, "kid": kid, "typ": "JWT"} if header is ... else header
    message = f"{part(head)}.{part(claims)}"
    return f"{message}.{b64(sign(kid, algorithm, message.encode()))}"


@cache
def issuer(*algorithms: str, skew_s: int = 60, roles_claim: str = "groups") -> Issuer:
    """The issuer whose tokens these are, with a key of each kind."""
    pinned = algorithms or ALGORITHMS
    return Issuer(
        alias="corp",
        issuer=ISSUER,
        audience=AUDIENCE,
        algorithms=frozenset(pinned),
        keys=read_keys(key_set("rsa", "ec", "ed"), "keys.json", ALGORITHMS),
        skew_s=skew_s,
        roles_claim=roles_claim,
    )
