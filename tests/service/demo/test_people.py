"""Who may sign in at a demonstration: one account for each role, whose password is new each time and told once."""

import time
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from kwartier.database import reading
from kwartier.errors import Denied, InputError
from kwartier.gate import permissions
from kwartier.gate.policy import Scope
from kwartier.service.demo import people
from kwartier.service.demo.people import PEOPLE, let_in, write_roles
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.home import actor as os_name
from kwartier.service.identity import actor, log_in
from kwartier.service.settings import FILE_NAME
from kwartier.who.roles import roles

HEAD = "ean,meter,system_title,host,port,companion,valid_from\n"


def installed(folder: Path, ean: str) -> Path:
    create_home(folder / "home")
    fleet = folder / "fleet.csv"
    fleet.write_text(f"{HEAD}{ean},m-1,4E52440000000001,127.0.0.1,4059,smr-5.5,2026-01-01\n", "utf-8")
    with open_home(folder / "home") as home:
        home.registry.import_file(fleet, at=int(time.time()))
    return folder / "home"


@pytest.fixture
def home(tmp_path: Path, simulated_ean: str) -> Iterator[Home]:
    path = installed(tmp_path, simulated_ean)
    write_roles(path)
    with open_home(path) as opened:
        yield opened


@pytest.fixture
def simulated_ean() -> str:
    return "201212424800002714"


def test_each_has_one_role_and_the_owner_what_he_had(home: Home, simulated_ean: str) -> None:
    now = int(time.time())
    found = {one.name: one for one in let_in(home, simulated_ean, at=now)}
    assert found.keys() == PEOPLE.keys()
    for one in found.values():
        assert log_in(home, one.name, one.password, at=now).roles == frozenset(one.roles)
        assert one.password not in repr(one)
    assert actor(home).roles == {name for name, role in roles().items() if not role.self}


def test_the_customer_sees_the_own_connection_and_no_other(home: Home, simulated_ean: str) -> None:
    now = int(time.time())
    customer = next(one for one in let_in(home, simulated_ean, at=now) if one.name == "customer")
    assert customer.ean == simulated_ean
    who = log_in(home, customer.name, customer.password, at=now)
    yesterday = date.fromtimestamp(now) - timedelta(days=1)

    def look(ean: str) -> None:
        scope = Scope(start=yesterday, end=yesterday + timedelta(days=1), eans=(ean,))
        home.gate.open(actor=who, purpose="customer", scope=scope, reason="mine")

    look(simulated_ean)
    with pytest.raises(Denied) as caught:
        look("201212424800002715")
    assert caught.value.code == "not-own-connection"


def test_the_customer_of_another_time_sees_nothing_more(home: Home, simulated_ean: str) -> None:
    now = int(time.time())
    for _ in range(2):
        let_in(home, simulated_ean, at=now)
    with reading(home.engine) as connection:
        held = permissions.mandates_of(connection, [simulated_ean])
    assert [one.holder for one in held[simulated_ean]] == ["account:customer"]


def test_an_owner_whose_name_has_a_backslash_keeps_a_home_that_loads(
    tmp_path: Path, simulated_ean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = installed(tmp_path, simulated_ean)
    monkeypatch.setattr(people, "os_name", lambda *_: "os:DOMAIN\\user")
    write_roles(path)
    assert "os:DOMAIN\\user" in tomllib.loads((path / FILE_NAME).read_text("utf-8"))["roles"]
    with open_home(path) as home:
        assert "os:DOMAIN\\user" in home.settings.roles


def test_a_second_time_passwords_are_new_and_roles_stay(home: Home, simulated_ean: str) -> None:
    now = int(time.time())
    first, second = (let_in(home, simulated_ean, at=now) for _ in range(2))
    assert not {one.password for one in first} & {one.password for one in second}
    assert not write_roles(home.path)
    assert log_in(home, "operator", second[0].password, at=now).name == "account:operator"


def test_a_table_of_roles_that_is_there_is_left_alone(tmp_path: Path, simulated_ean: str) -> None:
    path = installed(tmp_path, simulated_ean)
    settings = path / FILE_NAME
    mine = f'{settings.read_text("utf-8")}\n[roles]\n"{os_name()}" = ["auditor"]\n'
    settings.write_text(mine, "utf-8")
    assert not write_roles(path)
    assert tomllib.loads(settings.read_text("utf-8"))["roles"] == {os_name(): ["auditor"]}
    settings.write_text("roles = [", "utf-8")
    with pytest.raises(InputError) as caught:
        write_roles(path)
    assert caught.value.code == "bad-settings"


def test_where_a_connection_may_be_somebodys_there_are_no_accounts(tmp_path: Path) -> None:
    path = installed(tmp_path, "871687400001234500")
    with open_home(path) as home, pytest.raises(Denied) as caught:
        let_in(home, "871687400001234500", at=int(time.time()))
    assert caught.value.code == "no-accounts"
