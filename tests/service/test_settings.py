"""The settings: made once, checked when read, overridden by the environment."""

import re
import stat
from pathlib import Path

import pytest

from kwartier.errors import InputError
from kwartier.service import settings
from kwartier.service.settings import FILE_NAME

TITLE = "4B57540000000001"


def write(home: Path, text: str) -> None:
    (home / FILE_NAME).write_text(text)


def refusal(home: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        settings.load(home)
    return caught.value


def test_a_title_is_drawn_once_for_each_installation(tmp_path: Path) -> None:
    titles = set()
    for number in range(20):
        home = tmp_path / str(number)
        home.mkdir()
        assert settings.create(home)
        assert not settings.create(home)
        title = settings.load(home).client_system_title
        assert re.fullmatch("4B5754[0-9A-F]{10}", title)
        assert settings.load(home).own_title == bytes.fromhex(title)
        titles.add(title)
    assert len(titles) == 20


def test_settings_are_private_since_they_may_hold_a_password(tmp_path: Path) -> None:
    settings.create(tmp_path)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, f'client_system_title = "{TITLE}"\nread_deadline_s = 30\n')
    assert settings.load(tmp_path).read_deadline_s == 30
    monkeypatch.setenv("KWARTIER_READ_DEADLINE_S", "90")
    assert settings.load(tmp_path).read_deadline_s == 90


def test_a_bad_value_of_the_environment_is_not_looked_for_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, f'client_system_title = "{TITLE}"\n')
    monkeypatch.setenv("KWARTIER_MAX_PDU", "12")
    detail = refusal(tmp_path).detail
    assert detail.startswith("KWARTIER_MAX_PDU in the environment: ")
    assert FILE_NAME not in detail


def test_before_there_is_a_file_the_environment_says_where_the_database_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.defaults().database == ""
    monkeypatch.setenv("KWARTIER_DATABASE", "postgresql://host/name")
    assert settings.defaults().database == "postgresql://host/name"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "client_system_title: Field required"),
        ('client_system_title = "4B5754"', "client_system_title: "),
        (f'client_system_title = "{TITLE}"\nsize = 3', "size: there is no such setting"),
        (f'client_system_title = "{TITLE}"\nread_deadline_s = 0', "read_deadline_s: "),
        (f'client_system_title = "{TITLE}"\nmax_pdu = 10', "max_pdu: "),
        (f'client_system_title = "{TITLE}"\ndatabase = 3', "database: "),
        ("client_system_title = x\n", "line 1"),
        ("\x00", "kwartier.toml"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_with_its_file(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, text)
    error = refusal(tmp_path)
    assert error.code == "bad-settings"
    assert FILE_NAME in error.detail
    assert said in error.detail


def test_what_stands_in_a_bad_setting_is_not_repeated(tmp_path: Path) -> None:
    write(tmp_path, f'client_system_title = "{TITLE}"\npassword = "SECRET"\n')
    assert "SECRET" not in refusal(tmp_path).sentence()


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_is_no_text_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / FILE_NAME).mkdir()
    else:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert refusal(tmp_path).code == "bad-settings"


def test_a_folder_without_settings_is_no_home(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "no-home"
    file = tmp_path / "file"
    file.touch()
    assert refusal(file).code == "no-home"


# Who may do what.

OIDC = """
[oidc.corp]
issuer = "https://login.example.org/"
audience = "kwartier"
algorithms = ["RS256", "EdDSA"]
jwks = "corp.json"
"""


def test_roles_persons_and_issuers_are_tables(tmp_path: Path) -> None:
    tables = '[roles]\n"os:eva" = ["operator", "test"]\n[persons]\neva = ["os:eva", "oidc:corp:1"]\n'
    write(tmp_path, f'client_system_title = "{TITLE}"\n{tables}{OIDC}')
    found = settings.load(tmp_path)
    assert found.roles == {"os:eva": ("operator", "test")}
    assert found.persons == {"eva": ("os:eva", "oidc:corp:1")}
    corp = found.oidc["corp"]
    assert (corp.algorithms, corp.skew_s, corp.roles_claim) == (("RS256", "EdDSA"), 60, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('timezone = "Europe/Atlantis"', "timezone: 'Europe/Atlantis' is no time zone"),
        ('[roles]\n"os:eva" = ["vendor"]', "roles: os:eva has 'vendor'; the roles are registry"),
        ('[roles]\n"eva" = ["test"]', "roles: 'eva' does not begin with one of os:"),
        ('[roles]\n"os:eva" = "test"', "roles.os:eva: "),
        ('[persons]\neva = ["eva"]', "persons: "),
        ('[persons]\n"os:eva" = ["os:piet"]', "persons: "),
        ('[persons]\na = ["os:eva"]\nb = ["os:eva"]', "persons: a name belongs to two persons"),
        (OIDC.replace("RS256", "HS256"), "oidc.corp.algorithms"),
        (OIDC.replace("RS256", "none"), "oidc.corp.algorithms"),
        (OIDC.replace('["RS256", "EdDSA"]', "[]"), "oidc.corp.algorithms"),
        (OIDC.replace("https:", "http:"), "oidc.corp.issuer"),
        (OIDC + "skew_s = 301", "oidc.corp.skew_s"),
        (OIDC + "secret = 1", "oidc.corp.secret: there is no such setting"),
        (OIDC.replace("corp]", "Corp]"), "oidc: an alias is"),
        (OIDC + OIDC.replace("corp]", "two]"), "oidc: two aliases are for one issuer"),
        (OIDC.replace('jwks = "corp.json"', ""), "oidc.corp.jwks: Field required"),
    ],
)
def test_a_table_that_makes_no_sense_is_named(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, f'client_system_title = "{TITLE}"\n{text}\n')
    assert said in refusal(tmp_path).detail


@pytest.mark.parametrize("name", ["KWARTIER_ROLES", "kwartier_roles", "KWARTIER_PERSONS", "KWARTIER_OIDC"])
def test_who_may_do_what_is_not_said_by_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, f'client_system_title = "{TITLE}"\n')
    monkeypatch.setenv(name, '{"os:eva": ["operator"]}')
    detail = refusal(tmp_path).detail
    assert detail == f"{name.upper()} in the environment: only {FILE_NAME} says who may do what"


def test_another_database_goes_where_no_table_has_begun(tmp_path: Path) -> None:
    before = f'client_system_title = "{TITLE}"\ndatabase = "sqlite:///old.db"\n[roles]\n"os:eva" = ["test"]\n'
    write(tmp_path, settings.with_database(before, "sqlite:///new.db"))
    found = settings.load(tmp_path)
    assert (found.database, found.roles) == ("sqlite:///new.db", {"os:eva": ("test",)})
