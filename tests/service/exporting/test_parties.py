"""Codes of parties and areas: checked when the settings are read, and made for a demonstration."""

from pathlib import Path

import pytest

from kwartier.errors import InputError
from kwartier.export.codes import Code
from kwartier.service import settings
from kwartier.service.demo.codes import with_codes
from kwartier.service.exporting.parties import is_eic, is_gln
from kwartier.service.settings import FILE_NAME
from kwartier.simulate.world import ENERGY_SUPPLIERS, GRID_AREAS, RESPONSIBLE

TITLE = 'client_system_title = "4B57540000000001"\n'
GLN, EIC, AREA = "8716867999983", "10YNL----------L", "871687910000500037"


def loaded(home: Path, text: str) -> settings.Settings:
    (home / FILE_NAME).write_text(TITLE + text)
    return settings.load(home)


def test_codes_are_known_by_name_and_by_their_form(tmp_path: Path) -> None:
    text = f"""
        [market]
        sender = "{GLN}"
        tso = "{EIC}"
        answer_within_h = 6
        [parties]
        "BRP <&>" = "8719333027500"
        [areas]
        west = "{AREA}"
        oost = "{EIC}"
    """
    found = loaded(tmp_path, text)
    assert found.market.answer_within_h == 6
    codes = found.codes
    assert codes.own() == Code(GLN, "A10")
    assert codes.recipient("tso") == Code(EIC, "A01")
    assert codes.party("BRP <&>") == Code("8719333027500", "A10")
    assert codes.area("west") == Code(AREA, "A10")
    assert codes.area("oost") == Code(EIC, "A01")


def test_an_installation_that_exports_nothing_needs_no_codes(tmp_path: Path) -> None:
    codes = loaded(tmp_path, "").codes
    for ask, named in (
        (codes.own, "`sender` under [market]"),
        (lambda: codes.recipient("tso"), "`tso` under [market]"),
        (lambda: codes.recipient("Zon"), "'Zon' under [parties]"),
        (lambda: codes.area("west"), "'west' under [areas]"),
    ):
        with pytest.raises(InputError) as caught:
            ask()
        assert caught.value.code == "no-code"
        assert named in caught.value.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[market]\nsender = "8716867999984"', "market.sender: is no GLN"),
        ('[market]\ntso = "10YNL----------M"', "market.tso: is no GLN"),
        ("[market]\nanswer_within_h = 0", "market.answer_within_h"),
        ('[market]\nother = "x"', "market.other: there is no such setting"),
        (f'[parties]\nZon = "{AREA}"', "parties.Zon: is no GLN"),
        ('[parties]\nZon = ""', "parties.Zon: is no GLN"),
        (f'[areas]\nwest = "{GLN}"', "areas.west: is no EAN of 18 digits"),
        ('[areas]\nwest = "871687910000500038"', "areas.west: is no EAN of 18 digits"),
        ('[areas]\nwest = "10yNL----------L"', "areas.west: is no EAN of 18 digits"),
    ],
)
def test_a_code_that_is_wrong_is_named(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == "bad-settings"
    assert said in caught.value.detail


@pytest.mark.parametrize("code", ["10YNL----------L", "10X1001A1001A264", "10YLT-1001A0008Q", "10YFI-1--------U"])
def test_an_eic_is_checked_by_its_last_character(code: str) -> None:
    assert is_eic(code)
    wrong = [code[:place] + other + code[place + 1 :] for place in range(16) for other in "7Z-" if other != code[place]]
    assert not any(is_eic(one) for one in wrong)
    assert not is_eic(code[:-1])
    assert not is_gln(code)


def test_a_demonstration_has_codes_for_everybody_in_it(tmp_path: Path) -> None:
    text = with_codes("")
    codes = loaded(tmp_path, text).codes
    parties = [codes.party(name) for name in (*RESPONSIBLE, *ENERGY_SUPPLIERS)]
    everybody = [codes.own(), codes.recipient("tso"), *parties, *(codes.area(name) for name in GRID_AREAS)]
    assert len({one.value for one in everybody}) == len(everybody)
    assert all(one.value.startswith("29") and one.scheme == "A10" for one in everybody)


def test_codes_that_are_there_are_left_alone() -> None:
    once = with_codes(TITLE)
    assert once.startswith(TITLE.rstrip())
    assert with_codes(once) == once
    own = f'{TITLE}[parties]\nZon = "{GLN}"\n'
    assert with_codes(own) == own
    with pytest.raises(InputError):
        with_codes("no = toml = at all")
