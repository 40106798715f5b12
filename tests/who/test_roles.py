"""Roles: a closed list without suppliers, and a table whose lines fit exactly whom they say."""

import pytest

from kwartier.errors import Denied, InputError
from kwartier.who.actor import Actor
from kwartier.who.roles import MAX_LINES, check, roles, roles_of
from tests.conftest import ROOT


def test_no_role_is_a_suppliers() -> None:
    refused = ("vendor", "supplier", "leverancier", "manufacturer", "fabrikant", "maker", "producer", "oem")
    for role in roles().values():
        texts = (role.name, role.en, role.nl, role.what)
        assert not [word for word in refused for text in texts if word in text.lower()], role.name
    assert len(roles()) == 15


def test_every_role_has_both_languages_and_stands_in_the_documentation() -> None:
    page = (ROOT / "docs" / "identity.md").read_text("utf-8")
    for role in roles().values():
        assert "" not in (role.en, role.nl, role.what)
        assert f"`{role.name}`" in page
    assert [one.name for one in roles().values() if one.self] == ["customer", "mandate-holder"]


TABLE = {
    "os:*": ("test",),
    "os:eva": ("operator",),
    "oidc:corp:123": ("auditor",),
    "group:corp:ops": ("operator", "maintenance"),
    "mtls:spiffe://example.org/export": ("settlement",),
    "mtls:*.example.org": ("analyst",),
    "account:demo": ("registry",),
}


@pytest.mark.parametrize(
    ("name", "groups", "expected"),
    [
        ("os:eva", (), {"test", "operator"}),
        ("os:piet", (), {"test"}),
        ("oidc:corp:123", (), {"auditor"}),
        ("oidc:corp:123", ("group:corp:ops",), {"auditor", "operator", "maintenance"}),
        ("oidc:corp:124", ("group:other:ops",), set()),
        ("oidc:other:123", (), set()),
        ("oidc:corp:group:corp:ops", (), set()),
        ("oidc:corp:os:eva", (), set()),
        ("mtls:spiffe://example.org/export", (), {"settlement"}),
        ("mtls:a.example.org", (), {"analyst"}),
        ("mtls:a.b.example.org", (), set()),
        ("mtls:example.org", (), set()),
        ("mtls:.example.org", (), set()),
        ("mtls:https://a.example.org", (), set()),
        ("mtls:urn:a.example.org", (), set()),
        ("mtls:aexample.org", (), set()),
        ("account:demo", (), {"registry"}),
        ("account:Demo", (), set()),
        ("", (), set()),
        ("nobody", (), set()),
    ],
)
def test_a_line_fits_whom_it_names_and_nobody_else(name: str, groups: tuple[str, ...], expected: set[str]) -> None:
    check(TABLE)
    assert roles_of(name, TABLE, groups) == expected


def test_without_a_table_nobody_has_a_role() -> None:
    assert roles_of("os:root", {}) == frozenset()


@pytest.mark.parametrize(
    ("pattern", "given", "said"),
    [
        ("os:eva", ("operator", "vendor"), "'vendor'"),
        ("os:eva", ("supplier", "kaifa"), "'kaifa', 'supplier'"),
        ("eva", ("operator",), "does not begin with one of"),
        ("ldap:eva", ("operator",), "does not begin with one of"),
        ("os:", ("operator",), "visible characters"),
        ("os:e va", ("operator",), "visible characters"),
        ("os:" + "x" * 200, ("operator",), "visible characters"),
        ("os:e*", ("operator",), "has a star"),
        ("account:*", ("operator",), "has a star"),
        ("mtls:*", ("operator",), "has a star"),
        ("mtls:*.org", ("operator",), "has a star"),
        ("mtls:*.*.example.org", ("operator",), "has a star"),
        ("mtls:a.*.org", ("operator",), "has a star"),
        ("oidc:corp", ("operator",), "alias of the issuer"),
        ("group:corp:", ("operator",), "alias of the issuer"),
    ],
)
def test_a_line_that_cannot_be_is_refused_and_named(pattern: str, given: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as caught:
        check({pattern: given})
    assert caught.value.code == "bad-roles"
    assert said in caught.value.detail


def test_a_table_has_an_end() -> None:
    with pytest.raises(InputError):
        check({f"os:u{number}": ("test",) for number in range(MAX_LINES + 1)})


def test_who_has_none_of_the_roles_is_told_which() -> None:
    actor = Actor(name="os:eva", roles=frozenset({"test"}), via="os")
    actor.require(("operator", "test"), "to look")
    with pytest.raises(Denied) as caught:
        actor.require(("operator", "auditor"), "to look")
    assert caught.value.code == "no-role"
    assert caught.value.detail == "to look needs one of auditor, operator, and os:eva has none of them"
