"""Tokens: what is good goes through, and every attack that is known on such tokens does not."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError, SecurityError
from kwartier.who.oidc import MAX_GROUPS, MAX_KEYS, MAX_LIFETIME_S, MAX_TOKEN_BYTES, read_keys, verify
from tests.who.tokens import (
    ALGORITHMS,
    AUDIENCE,
    CLAIMS,
    ISSUER,
    NOW,
    b64,
    issuer,
    jwk,
    key_set,
    part,
    private,
    sign,
    token,
)


def refusal(text: str, *algorithms: str, at: float = NOW) -> SecurityError:
    with pytest.raises(SecurityError) as caught:
        verify(text, [issuer(*algorithms)], at=at)
    return caught.value


@pytest.mark.parametrize(
    ("kid", "algorithm"), [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA"), ("ed", "Ed25519")]
)
def test_a_good_token_of_each_algorithm_says_who(kid: str, algorithm: str) -> None:
    found = verify(token(kid=kid, algorithm=algorithm), [issuer(algorithm)], at=NOW)
    assert (found.name, found.via) == ("oidc:corp:u-123", "oidc")
    assert found.groups == {"group:corp:ops", "group:corp:audit"}


@pytest.mark.parametrize(
    "more",
    [
        {"aud": [AUDIENCE, "other"]},
        {"nbf": ...},
        {"exp": NOW + 0.5},
        {"iat": NOW + 59, "nbf": NOW + 59},
        {"iat": NOW - 900, "nbf": ..., "exp": NOW - 59},
        {"groups": "ops"},
        {"groups": ...},
        {"unknown": {"deep": [1, None]}},
    ],
)
def test_what_a_token_may_also_say(more: dict[str, object]) -> None:
    assert verify(token({**CLAIMS, **more}), [issuer()], at=NOW).name == "oidc:corp:u-123"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_kinds_that_are_taken(typ: str) -> None:
    header = {"alg": "RS256", "kid": "rsa", "typ": typ, "x5t": "abc"}
    assert verify(token(header=header), [issuer()], at=NOW).via == "oidc"
    assert verify(token(header={"alg": "RS256", "kid": "rsa"}), [issuer()], at=NOW).via == "oidc"


def test_no_groups_are_looked_at_unless_a_claim_is_configured() -> None:
    assert verify(token(), [issuer(roles_claim="")], at=NOW).groups == frozenset()


def unsigned(header: dict[str, object]) -> str:
    return f"{part(header)}.{part(CLAIMS)}."


def with_public_key_as_secret() -> str:
    """The old trick: the public key is known to all, and here it is the secret of an HMAC."""
    pem = private("rsa").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    message = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{part(CLAIMS)}"
    return f"{message}.{b64(hmac.digest(pem, message.encode(), hashlib.sha256))}"


def header(**more: object) -> dict[str, object]:
    return {"alg": "RS256", "kid": "rsa", "typ": "JWT", **more}


def of_another_key() -> str:
    """Signed by somebody else, with his own key in the header."""
    head = header(jwk=jwk("rsa other"))
    message = f"{part(head)}.{part(CLAIMS)}"
    return f"{message}.{b64(sign('rsa other', 'RS256', message.encode()))}"


def forged() -> str:
    message = f"{part(header())}.{part(CLAIMS)}"
    return f"{message}.{b64(sign('rsa other', 'RS256', message.encode()))}"


def spliced() -> str:
    good, other = token().split("."), token(sub="admin").split(".")
    return f"{good[0]}.{other[1]}.{good[2]}"


TWICE = json.dumps(dict(CLAIMS))[:-1].encode() + b', "sub": "admin"}'
ATTACKS: Final[dict[str, tuple[Callable[[], str], str]]] = {
    "alg none": (lambda: unsigned(header(alg="none")), "bad-token"),
    "alg None": (lambda: unsigned(header(alg="None")), "bad-token"),
    "alg none with a signature": (lambda: token(header=header(alg="none")), "bad-token"),
    "no alg": (lambda: token(header={"kid": "rsa"}), "bad-token"),
    "alg is a list": (lambda: token(header=header(alg=["RS256"])), "bad-token"),
    "HS256 under the public key": (with_public_key_as_secret, "bad-token"),
    "alg not pinned": (lambda: token(header=header(alg="RS512")), "bad-token"),
    "alg of another key": (lambda: token(kid="ec", algorithm="ES256", header=header(kid="ec")), "bad-token"),
    "unknown kid": (lambda: token(header=header(kid="other")), "bad-token"),
    "no kid": (lambda: token(header={"alg": "RS256"}), "bad-token"),
    "kid is a path": (lambda: token(header=header(kid="../../dev/null")), "bad-token"),
    "kid is an object": (lambda: token(header=header(kid={"a": 1})), "bad-token"),
    "key in the header": (of_another_key, "bad-token"),
    "address of keys in the header": (lambda: token(header=header(jku="https://evil.example/")), "bad-token"),
    "certificate in the header": (lambda: token(header=header(x5c=["AAAA"])), "bad-token"),
    "critical header": (lambda: token(header=header(crit=["exp"])), "bad-token"),
    "critical b64": (lambda: token(header=header(crit=["b64"], b64=False)), "bad-token"),
    "compressed": (lambda: token(header=header(zip="DEF")), "bad-token"),
    "nested": (lambda: token(header=header(cty="JWT")), "bad-token"),
    "JWE": (lambda: ".".join([part({"alg": "dir", "enc": "A256GCM"}), "", "AAAA", "AAAA", "AAAA"]), "bad-token"),
    "kind of another use": (lambda: token(header=header(typ="logout+jwt")), "bad-token"),
    "kind is no text": (lambda: token(header=header(typ=1)), "bad-token"),
    "header twice": (lambda: token(header=b'{"alg":"RS256","alg":"none","kid":"rsa"}'), "bad-token"),
    "forged signature": (forged, "bad-token"),
    "content of another token": (spliced, "bad-token"),
    "no signature": (lambda: token().rpartition(".")[0] + ".", "bad-token"),
    "signature cut": (lambda: token()[:-4], "bad-token"),
    "ECDSA of zeros": (
        lambda: ".".join([*token(kid="ec", algorithm="ES256").split(".")[:2], b64(bytes(64))]),
        "bad-token",
    ),
    "wrong issuer": (lambda: token(iss="https://evil.example/"), "unknown-issuer"),
    "issuer without its slash": (lambda: token(iss=ISSUER[:-1]), "unknown-issuer"),
    "no issuer": (lambda: token(iss=...), "unknown-issuer"),
    "issuer is a list": (lambda: token(iss=[ISSUER]), "unknown-issuer"),
    "wrong audience": (lambda: token(aud="other"), "bad-token"),
    "audience as a prefix": (lambda: token(aud=AUDIENCE + "2"), "bad-token"),
    "no audience": (lambda: token(aud=...), "bad-token"),
    "audience is an object": (lambda: token(aud={AUDIENCE: 1}), "bad-token"),
    "too many audiences": (lambda: token(aud=[AUDIENCE] * 17), "bad-token"),
    "expired": (lambda: token(iat=NOW - 900, nbf=..., exp=NOW - 60), "expired-token"),
    "no end": (lambda: token(exp=...), "bad-token"),
    "end is a text": (lambda: token(exp=str(NOW + 60)), "bad-token"),
    "end is true": (lambda: token(exp=True), "bad-token"),
    "end is endless": (
        lambda: token(json.dumps({**CLAIMS, "exp": 0}).replace('"exp": 0', '"exp": 1e999').encode()),
        "bad-token",
    ),
    "end is NaN": (lambda: token(json.dumps({**CLAIMS, "exp": float("nan")}).encode()), "bad-token"),
    "end has many digits": (
        lambda: token(json.dumps(dict(CLAIMS)).replace(str(NOW + 600), "9" * 5000).encode()),
        "bad-token",
    ),
    "not yet valid": (lambda: token(nbf=NOW + 61), "bad-token"),
    "made in the future": (lambda: token(iat=NOW + 61, nbf=...), "bad-token"),
    "not said when made": (lambda: token(iat=...), "bad-token"),
    "ends before it is made": (lambda: token(iat=NOW, exp=NOW - 1), "bad-token"),
    "good for too long": (lambda: token(iat=NOW, exp=NOW + MAX_LIFETIME_S + 1), "bad-token"),
    "claims twice": (lambda: token(TWICE), "bad-token"),
    "claims twice, deep": (
        lambda: token(json.dumps(dict(CLAIMS))[:-1].encode() + b', "x": {"a": 1, "a": 2}}'),
        "bad-token",
    ),
    "claims are a list": (lambda: token([1]), "bad-token"),
    "claims are no JSON": (lambda: token(b"{"), "bad-token"),
    "claims are no UTF-8": (lambda: token(b'{"iss": "\xff"}'), "bad-token"),
    "claims are very deep": (lambda: token(b"[" * 8000), "bad-token"),
    "no subject": (lambda: token(sub=...), "bad-token"),
    "empty subject": (lambda: token(sub=""), "bad-token"),
    "subject is a number": (lambda: token(sub=1), "bad-token"),
    "subject with a line end": (lambda: token(sub="a\nb"), "bad-token"),
    "subject not ASCII": (lambda: token(sub="аdmin"), "bad-token"),
    "subject too long": (lambda: token(sub="x" * 120), "bad-token"),
    "groups of numbers": (lambda: token(groups=[1]), "bad-token"),
    "too many groups": (lambda: token(groups=["a"] * (MAX_GROUPS + 1)), "bad-token"),
    "huge": (lambda: token(x="x" * MAX_TOKEN_BYTES), "bad-token"),
    "empty": (lambda: "", "bad-token"),
    "two parts": (lambda: "e30.e30", "bad-token"),
    "padded": (lambda: token().replace(".", "=.", 1), "bad-token"),
    "with a line end": (lambda: token() + "\n", "bad-token"),
    "with a blank before": (lambda: " " + token(), "bad-token"),
    "JSON form": (lambda: json.dumps({"payload": part(CLAIMS), "signatures": []}), "bad-token"),
    "letters of another script": (lambda: token()[:-1] + "é", "bad-token"),
    "half of a letter": (lambda: token()[:-1] + "\ud800", "bad-token"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_nothing_of_the_token_is_said(name: str) -> None:
    make, code = ATTACKS[name]
    text = make()
    error = refusal(text)
    assert error.code == code
    said = error.sentence() + repr(error)
    assert not [one for one in text.split(".") if len(one) > 8 and one in said]
    assert "u-123" not in said
    assert "admin" not in said
    assert "evil" not in said
    assert len(said) < 500


@pytest.mark.parametrize("other", [one for one in ALGORITHMS if one != "RS256"])
def test_only_the_pinned_algorithm_is_taken(other: str) -> None:
    assert refusal(token(), other).code == "bad-token"


def test_a_token_for_one_issuer_is_not_held_against_the_keys_of_another() -> None:
    theirs = issuer()
    assert verify(token(), [theirs], at=NOW).via == "oidc"
    with pytest.raises(SecurityError) as caught:
        verify(token(iss="https://two.example/"), [theirs], at=NOW)
    assert caught.value.code == "unknown-issuer"
    with pytest.raises(SecurityError):
        verify(token(), [], at=NOW)


@pytest.mark.parametrize(("at", "code"), [(NOW + 659, None), (NOW + 660, "expired-token"), (NOW - 71, "bad-token")])
def test_the_edges_of_its_time(at: int, code: str | None) -> None:
    if code is None:
        assert verify(token(), [issuer()], at=at).via == "oidc"
    else:
        assert refusal(token(), at=at).code == code


GOOD = token()


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_a_token_with_one_letter_changed_is_refused(place: int, letter: str) -> None:
    text = GOOD[:place] + letter + GOOD[place + 1 :]
    if text == GOOD:
        return
    assert refusal(text).code in ("bad-token", "unknown-issuer")


@given(
    st.text(max_size=300)
    | st.lists(st.binary(max_size=80), min_size=3, max_size=3).map(lambda p: ".".join(map(b64, p)))
)
def test_anything_else_is_refused(text: str) -> None:
    assert refusal(text).code == "bad-token"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), JSON, min_size=1))
def test_signed_claims_of_any_form_are_refused_or_give_a_name(changed: dict[str, object]) -> None:
    try:
        found = verify(token({**CLAIMS, **changed}), [issuer()], at=NOW)
    except SecurityError:
        return
    assert found.name.startswith("oidc:corp:")
    assert len(found.name) <= 128
    assert found.name.isprintable()


@given(JSON | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x5t"]), JSON))
def test_signed_headers_of_any_form_are_refused_unless_they_are_the_good_one(head: object) -> None:
    try:
        verify(token(header=head), [issuer()], at=NOW)
    except SecurityError:
        return
    assert isinstance(head, dict)
    assert (head["alg"], head["kid"]) == ("RS256", "rsa")


# Keys.


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"{}", "no list `keys`"),
        (b'{"keys": []}', "no list `keys`"),
        (b'{"keys": [1]}', "key 1 is no object"),
        (json.dumps({"keys": [jwk("rsa")] * (MAX_KEYS + 1)}).encode(), "no list `keys`"),
        (json.dumps({"keys": [jwk("rsa", d="AQAB")]}).encode(), "secret part"),
        (b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}', "secret part"),
        (b'{"keys": [{"kty": "oct", "kid": "a"}]}', "cannot be read"),
        (b'{"keys": [{"kty": "RSA", "kid": "a"}]}', "cannot be read"),
        (b'{"keys": [{"kty": ["RSA"], "kid": "a"}]}', "cannot be read"),
        (json.dumps({"keys": [jwk("rsa"), jwk("rsa")]}).encode(), "key 2 has no `kid`"),
        (json.dumps({"keys": [jwk("rsa", kid=None)]}).encode(), "key 1 has no `kid`"),
        (json.dumps({"keys": [jwk("rsa", use="enc")]}).encode(), "no key for signatures"),
        (json.dumps({"keys": [jwk("rsa", alg="RS512")]}).encode(), "belongs to none of"),
        (key_set("rsa weak"), "1024 bits"),
        (key_set("ec384"), "not on the curve P-256"),
        (key_set("rsa").replace(b'"kid"', b'"kid": "x", "kid"'), "no JSON object"),
    ],
)
def test_keys_that_cannot_be_pinned_are_refused(octets: bytes, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_keys(octets, "keys.json", ALGORITHMS)
    assert caught.value.code == "bad-jwks"
    assert said in caught.value.detail
    assert "keys.json" in caught.value.detail


def test_keys_for_other_uses_are_left_out_and_a_declared_algorithm_is_kept_to() -> None:
    listed = [jwk("rsa", alg="PS256", use="sig"), jwk("ec"), jwk("rsa enc", use="enc")]
    keys = read_keys(json.dumps({"keys": listed}).encode(), "keys.json", ALGORITHMS)
    assert sorted(keys) == ["ec", "rsa"]
    assert keys["rsa"].alg == "PS256"


def test_a_key_that_is_declared_for_another_algorithm_verifies_nothing() -> None:
    keys = read_keys(json.dumps({"keys": [jwk("rsa", alg="PS256")]}).encode(), "keys.json", ALGORITHMS)
    pinned = replace(issuer(), keys=keys)
    assert verify(token(algorithm="PS256"), [pinned], at=NOW).via == "oidc"
    with pytest.raises(SecurityError):
        verify(token(), [pinned], at=NOW)


def test_no_key_and_no_secret_is_in_a_repr() -> None:
    assert "keys" not in repr(issuer())


def test_a_token_for_a_sign_in_repeats_what_was_drawn_for_it() -> None:
    good = token(nonce="drawn")
    assert verify(good, [issuer()], at=NOW, nonce="drawn").name == "oidc:corp:u-123"
    assert verify(good, [issuer()], at=NOW).name == "oidc:corp:u-123"
    for given_token in (good, token(), token(nonce=["other"])):
        with pytest.raises(SecurityError, match="another sign-in"):
            verify(given_token, [issuer()], at=NOW, nonce="other")
