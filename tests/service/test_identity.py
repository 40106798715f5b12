"""Who is asking, wired: roles from the settings, tokens and certificates, and the report for who decides on roles."""

import csv
import getpass
import io
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import insert

from kwartier.database import writing
from kwartier.errors import Denied, InputError, SecurityError
from kwartier.fleet.periods import OPEN
from kwartier.service import identity
from kwartier.service.home import Home, open_home
from kwartier.service.settings import FILE_NAME
from kwartier.tables import FOREVER, accesses, connections, modules
from kwartier.who.actor import Identity
from kwartier.who.roles import roles
from tests.fleet.test_registry import row, write
from tests.living import new_home
from tests.who.test_mtls import HOST, OURS
from tests.who.test_mtls import NOW as TODAY
from tests.who.tokens import AUDIENCE, ISSUER, NOW, key_set, token

DAY_S = 86_400
NOW_DAY = TODAY.date()
OIDC = f"""
[oidc.corp]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
algorithms = ["RS256"]
jwks = "corp.json"
roles_claim = "groups"
"""
ROLES = """
[roles]
"os:eva" = ["operator"]
"os:gone" = ["auditor"]
"group:corp:ops" = ["maintenance"]
"oidc:corp:u-123" = ["analyst"]
"mtls:export.example.org" = ["settlement"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    new_home(tmp_path / "home")
    return tmp_path / "home"


def opened(path: Path, *more: str) -> AbstractContextManager[Home]:
    """The home with these settings added."""
    with (path / FILE_NAME).open("a") as out:
        out.writelines(more)
    return open_home(path)


@pytest.fixture
def home(path: Path) -> Iterator[Home]:
    with opened(path) as found:
        yield found


def test_without_a_table_the_owner_has_all_but_the_roles_of_a_customer(home: Home) -> None:
    found = identity.actor(home)
    assert found.name == next(iter(identity.role_table(home)))
    assert set(roles()) - found.roles == {"customer", "mandate-holder"}
    assert identity.acting(home, Identity(name="os:somebody-else", via="os")).roles == frozenset()
    assert identity.acting(home, Identity(name="account:demo", via="account")).roles == frozenset()


def test_with_a_table_it_alone_counts(path: Path) -> None:
    with opened(path, ROLES) as home:
        assert identity.actor(home).roles == frozenset()
        assert identity.acting(home, Identity(name="os:eva", via="os")).roles == {"operator"}


def test_who_is_at_the_keyboard_is_not_what_the_environment_says(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity.actor(home).name
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "eva")
    assert getpass.getuser() == "eva", "which is why it is not asked"
    assert identity.actor(home).name == before


def test_a_token_and_a_certificate_lead_to_roles(path: Path) -> None:
    (path / "corp.json").write_bytes(key_set("rsa"))
    with opened(path, ROLES, OIDC) as home:
        found = identity.who_is(home, at=NOW, token=token())
        assert (found.name, found.via) == ("oidc:corp:u-123", "oidc")
        assert found.roles == {"analyst", "maintenance"}
        assert identity.who_is(home, at=NOW, token=token(sub="other", groups=[])).roles == frozenset()
        found = identity.who_is(home, at=TODAY.timestamp(), certificate=OURS.der(HOST))
        assert found.name == "mtls:export.example.org"
        assert found.roles == {"settlement"}
        with pytest.raises(SecurityError):
            identity.who_is(home, at=NOW, token="", certificate=OURS.der(HOST))
        with pytest.raises(InputError):
            identity.who_is(home, at=NOW)


def test_a_file_of_keys_that_is_not_there_is_named(path: Path) -> None:
    with opened(path, OIDC) as home, pytest.raises(InputError) as caught:
        identity.who_is(home, at=NOW, token=token())
    assert caught.value.code == "bad-jwks"
    assert "corp.json: No such file" in caught.value.detail


def connection(home: Home, ean: str) -> None:
    texts = dict.fromkeys(("dso", "grid_area", "brp", "supplier", "transformer", "capacity", "timezone"), "x")
    dates = dict.fromkeys(("valid_from", "valid_to"), NOW_DAY)
    with writing(home.engine) as database:
        database.execute(insert(connections), [{"ean": ean, **texts, **dates, "known_at": 1, "known_until": FOREVER}])


@pytest.mark.parametrize(
    "ean", ["100000000000000009", "199999999999999999", "210000000000000000", "871000000000000001"]
)
def test_a_connection_before_or_after_those_of_nobody_is_found(home: Home, ean: str) -> None:
    assert identity.is_simulated(home), "there is none at all"
    for number in range(3):
        connection(home, f"20000000000000000{number}")
    assert identity.is_simulated(home)
    connection(home, ean)
    assert not identity.is_simulated(home)


def test_accounts_end_with_the_first_connection_that_is_somebodys(home: Home, tmp_path: Path) -> None:
    identity.accounts(home).add("demo", "correct horse battery", by="os:eva", at=NOW)
    home.registry.import_file(write(tmp_path / "fleet.csv", row("A", ean="200000000000000004")), at=NOW)
    assert identity.is_simulated(home)
    assert identity.log_in(home, "demo", "correct horse battery", at=NOW).name == "account:demo"
    connection(home, "871000000000000001")
    assert not identity.is_simulated(home)
    with pytest.raises(Denied) as caught:
        identity.log_in(home, "demo", "correct horse battery", at=NOW)
    assert caught.value.code == "no-accounts"


def test_persons_of_the_settings_are_no_pairs(path: Path) -> None:
    table = '[roles]\n"os:*" = ["operator"]\n[persons]\neva = ["os:eva", "os:eva2"]\n'
    with opened(path, table) as home:
        actors = [identity.acting(home, Identity(name=f"os:{name}", via="os")) for name in ("eva", "eva2", "piet")]
        pairs = identity.pairs(home)
        name = pairs.request("bulk-export", "ab" * 32, actors[0], text="", at=NOW)
        with pytest.raises(Denied):
            pairs.approve(name, actors[1], at=NOW)
        pairs.approve(name, actors[2], at=NOW)


# The report.


def used(home: Home, *uses: tuple[str, int]) -> None:
    rows = [
        {"id": f"{number:032x}", "at": at, "actor": actor, "purpose": "test", "reason": "", "scope": "{}"}
        for number, (actor, at) in enumerate(uses)
    ]
    with writing(home.engine) as database:
        database.execute(insert(accesses), rows)


def supplied(home: Home, *suppliers: str) -> None:
    facts = {"type": "t", "serial": "s", "hardware": "h", "firmware": "f", "kind": "metering"}
    dates = {"valid_from": NOW_DAY, "valid_to": OPEN, "known_at": 1, "known_until": FOREVER}
    rows = [{**facts, **dates, "meter": f"M{number}", "supplier": one} for number, one in enumerate(suppliers)]
    with writing(home.engine) as database:
        database.execute(insert(modules), rows)


def test_the_report_names_who_used_what_and_who_did_not(path: Path) -> None:
    with opened(path, ROLES) as home:
        supplied(home, "Kaifa Technology", "Sagemcom")
        used(
            home,
            ("os:eva", NOW - 5),
            ("os:eva", NOW - 9 * DAY_S),
            ("os:eva", NOW - 99 * DAY_S),
            ("os:gone", NOW - 100 * DAY_S),
            ("os:intruder", NOW - 7),
            ("os:long-ago", NOW - 100 * DAY_S),
            ("oidc:corp:u-9", NOW - 3),
        )
        report = identity.recertification(home, NOW - 90 * DAY_S, at=NOW)
    told = [(one.state, one.pattern, one.actor, one.uses, one.last_used) for one in report.lines]
    assert told == [
        ("not-recorded", "", "oidc:corp:u-9", 1, NOW - 3),
        ("not-recorded", "group:corp:ops", "", 0, None),
        ("unmapped", "", "os:intruder", 1, NOW - 7),
        ("unused", "mtls:export.example.org", "", 0, None),
        ("unused", "oidc:corp:u-123", "", 0, None),
        ("unused", "os:gone", "", 0, NOW - 100 * DAY_S),
        ("used", "os:eva", "os:eva", 2, NOW - 5),
    ]
    assert report.unmapped == ("os:intruder",)
    assert (report.vendor_principals, report.suppliers) == ((), ("Kaifa Technology", "Sagemcom"))
    table = json.loads(json.dumps(report.table()))
    assert table["vendor_principals"] == 0
    assert table["lines"][6]["last_used"] == "2026-05-28T20:26:35Z"
    rows = list(csv.reader(io.StringIO(report.csv())))
    assert rows[0] == ["pattern", "actor", "roles", "uses", "last_used", "state"]
    assert len(rows) == 8


@pytest.mark.parametrize("name", ["os:kaifa", "mtls:*.kaifa.example", "oidc:corp:svc-KAIFA_2", "group:corp:kaifa"])
def test_a_principal_of_a_supplier_is_found(name: str, path: Path) -> None:
    with opened(path, f'[roles]\n"os:kaifas" = ["test"]\n"{name}" = ["analyst"]\n') as home:
        supplied(home, "Kaifa Technology", "X1")
        assert identity.recertification(home, 0, at=NOW).vendor_principals == (name,)


def test_a_supplier_that_used_a_grant_or_has_an_account_is_found(home: Home) -> None:
    supplied(home, "Kaifa")
    used(home, ("oidc:corp:kaifa", NOW))
    identity.accounts(home).add("kaifa", "correct horse battery", by="os:eva", at=NOW)
    assert identity.recertification(home, 0, at=NOW).vendor_principals == ("account:kaifa", "oidc:corp:kaifa")
