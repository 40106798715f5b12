"""How companions are put together: extends, without, and a complaint that names file and key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kwartier.cosem import companion as companions
from kwartier.cosem.companion import MAX_EXTENDS, MAX_FILE_BYTES, load
from kwartier.cosem.quirks import Quirk
from kwartier.errors import InputError

CHILD = 'extends = "smr-5.0"\ntitle = "a kind of meter"\n'


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Folders differ from test to test, and what was loaded is remembered by folder."""
    load.cache_clear()
    yield
    load.cache_clear()


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def refusal(folder: Path, name: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load(name, folder)
    return caught.value


def test_the_ones_that_come_along() -> None:
    assert set(companions.companions()) == {"dsmr-4.2.2", "smr-5.0", "smr-5.5", "modular-1"}


def test_a_folder_adds_to_them_and_replaces_none(tmp_path: Path) -> None:
    write(tmp_path, "mine", CHILD)
    write(tmp_path, "smr-5.5", 'extends = "smr-5.0"\ntitle = "another"\n')
    assert set(companions.companions(tmp_path)) == {*companions.companions(), "mine"}
    assert load("mine", tmp_path).title == "a kind of meter"
    assert load("smr-5.5", tmp_path).title == "SMR 5.5"
    assert companions.companions(tmp_path / "nowhere") == companions.companions()


def test_tables_are_laid_over_key_by_key_and_lists_are_replaced(tmp_path: Path) -> None:
    write(
        tmp_path,
        "mine",
        CHILD
        + """
quirks = ["refuses-range", "refuses-entry"]
[profiles.quarter]
rows = 480
[alarms.register-1.bits]
5 = "five"
[security]
ciphering = "general-glo"
""",
    )
    write(tmp_path, "grandchild", 'extends = "mine"\nquirks = ["refuses-columns"]\n')
    mine, below, child = load("mine", tmp_path), load("smr-5.0"), load("grandchild", tmp_path)
    assert mine.quarter.rows == 480
    assert mine.quarter.columns == below.quarter.columns
    assert mine.alarms["register-1"].bits == {**below.alarms["register-1"].bits, 5: "five"}
    assert (mine.general_ciphering, mine.security.release) == (True, "protected")
    assert mine.quirks == {Quirk.REFUSES_RANGE, Quirk.REFUSES_ENTRY}
    assert child.quirks == {Quirk.REFUSES_COLUMNS}
    assert child.quarter.rows == 480
    assert below.quirks == frozenset()


def test_without_takes_away_what_the_other_has(tmp_path: Path) -> None:
    write(tmp_path, "mine", CHILD + 'without = ["profiles.gas-daily", "events.77"]\n')
    mine = load("mine", tmp_path)
    assert "gas-daily" not in mine.profiles
    assert "gas-monthly" in mine.profiles
    assert set(load("smr-5.0").events) - set(mine.events) == {77}
    # A grandchild does not inherit the taking away as a rule, only its outcome, and may bring it back.
    write(tmp_path, "back", 'extends = "mine"\n[events]\n77 = "again"\n')
    assert load("back", tmp_path).events[77] == "again"


@pytest.mark.parametrize("path", ["profiles.no-such", "nothing.at-all", "profiles", "title", "", "profiles."])
def test_without_what_is_not_there_is_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path, "mine", CHILD + f'without = ["{path}"]\n')
    error = refusal(tmp_path, "mine")
    assert error.code == "bad-companion"
    assert error.detail.startswith("mine.toml: without ")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("colour = 1\n", "mine.toml: colour is not known here"),
        ("[objects.clock]\nclas = 8\n", "mine.toml: objects.clock.clas is not known here"),
        ("[profiles.quarter]\nrow = 1\n", "mine.toml: profiles.quarter.row is not known here"),
        ("[security]\nkey = 1\n", "mine.toml: security.key is not known here"),
        ("[event_logs.standard]\nsize = 1\n", "mine.toml: event_logs.standard.size is not known here"),
        ("[alarms.register-1]\nbit = 1\n", "mine.toml: alarms.register-1.bit is not known here"),
        ("[status_bits]\n8 = 'x'\n", "mine.toml: status_bits.8 is no number from 0 to 7"),
        ("[events]\nx = 'x'\n", "mine.toml: events.x is no number from 0 to 65535"),
        ("[alarms.register-1.bits]\n32 = 'x'\n", "mine.toml: alarms.register-1.bits.32 is no number from 0 to 31"),
        ("quirks = ['no-such']\n", "mine.toml: quirks 'no-such' is none of "),
        ("quirks = 'refuses-range'\n", "mine.toml: quirks is no list of texts"),
        ("title = 5\n", "mine.toml: title is no text"),
        ("assumption = 'yes'\n", "mine.toml: assumption is neither true nor false"),
        ("assumption = true\n", "mine.toml: assumption_text is empty"),
        ("[objects.clock]\nobis = '1-0:1.8'\n", "mine.toml: objects.clock.obis is no OBIS code"),
        ("[objects.clock]\nclass = 3\n", "mine.toml: objects.clock.class is not 8"),
        ("[objects.clock]\nclass = true\n", "mine.toml: objects.clock.class is no whole number"),
        ("[objects.clock]\nattribute = 0\n", "mine.toml: objects.clock.attribute is no whole number from 1 to 127"),
        ("[objects.clock]\nsource = 'hearsay'\n", "mine.toml: objects.clock.source 'hearsay' is none of "),
        ("[objects.new]\nclass = 1\nsource = 'found'\n", "mine.toml: objects.new.obis is missing"),
        ("[profiles.quarter]\ncolumns = ['status']\n", "mine.toml: profiles.quarter.columns lack the clock"),
        (
            "[profiles.quarter]\ncolumns = ['clock', 'status']\n",
            "mine.toml: profiles.quarter.columns lack the clock or",
        ),
        ("[profiles.quarter]\ncolumns = ['clock', 'x']\n", "mine.toml: profiles.quarter.columns 'x' is no object"),
        ("[profiles.quarter]\nstatus = 'firmware'\n", "mine.toml: profiles.quarter.status 'firmware' is none of its"),
        ("[profiles.quarter]\nperiod_s = 3600\n", "mine.toml: profiles.quarter is not there, or its period is not 900"),
        ("[profiles.quarter]\nencoding = 'xml'\n", "mine.toml: profiles.quarter.encoding 'xml' is none of "),
        ("without = ['objects.invocation_counter']\n", "mine.toml: objects has no 'invocation_counter'"),
        ("without = ['profiles.quarter']\n", "mine.toml: profiles.quarter is not there"),
        ("without = ['associations.public']\n", "mine.toml: associations has no 'public'"),
        ("objects = 5\n", "mine.toml: objects is no table"),
        ("[objects]\nclock = 5\n", "mine.toml: objects.clock is no table"),
        ("[security]\nmechanism = 8\n", "mine.toml: security.mechanism is no whole number from 0 to 7"),
        ("extends = 'x'\n", "mine.toml: "),
        ("title = \n", "mine.toml: "),
        ("title = '" + "x" * 2001 + "'\n", "mine.toml: title is longer than 2000"),
    ],
    ids=lambda one: one[:30].replace("\n", " "),
)
def test_a_mistake_is_refused_with_its_file_and_key(tmp_path: Path, text: str, where: str) -> None:
    child = CHILD.splitlines()[0] + "\n" if text.startswith("title") else CHILD
    write(tmp_path, "mine", child + text)
    error = refusal(tmp_path, "mine")
    assert error.code == "bad-companion"
    assert error.detail.startswith(where)
    assert len(error.detail) < 1000


def test_a_mistake_in_what_is_extended_names_the_child_that_shows_it(tmp_path: Path) -> None:
    write(tmp_path, "base", CHILD + "colour = 1\n")
    write(tmp_path, "mine", 'extends = "base"\n')
    assert "colour is not known here" in refusal(tmp_path, "mine").detail


def test_an_unknown_companion_is_refused_and_says_who_wants_it(tmp_path: Path) -> None:
    assert refusal(tmp_path, "no-such").code == "unknown-companion"
    write(tmp_path, "mine", 'extends = "no-such"\n')
    error = refusal(tmp_path, "mine")
    assert error.code == "unknown-companion"
    assert error.detail.startswith("mine.toml: extends: 'no-such' is none of ")
    assert refusal(tmp_path, "../smr-5.0").code == "unknown-companion"


def test_a_companion_that_extends_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "alone", 'extends = "alone"\n')
    write(tmp_path, "one", 'extends = "other"\n')
    write(tmp_path, "other", 'extends = "one"\n')
    assert refusal(tmp_path, "alone").code == "companion-cycle"
    error = refusal(tmp_path, "one")
    assert error.code == "companion-cycle"
    assert "one > other > one" in error.detail


def test_a_chain_has_an_end(tmp_path: Path) -> None:
    write(tmp_path, "link-0", CHILD)
    for number in range(1, MAX_EXTENDS):
        write(tmp_path, f"link-{number}", f'extends = "link-{number - 1}"\n')
    # The chain below CHILD is smr-5.0 and dsmr-4.2.2.
    assert load(f"link-{MAX_EXTENDS - 3}", tmp_path).title == "a kind of meter"
    assert refusal(tmp_path, f"link-{MAX_EXTENDS - 2}").code == "companion-cycle"


def test_a_file_that_is_no_companion_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "deep.toml").write_text("x = " + "[" * 20_000, encoding="utf-8")
    (tmp_path / "long.toml").write_text("#" * (MAX_FILE_BYTES + 1), encoding="utf-8")
    (tmp_path / "folder.toml").mkdir()
    for name in ("bytes", "deep", "long", "folder"):
        error = refusal(tmp_path, name)
        assert error.code == "bad-companion"
        assert error.detail.startswith(f"{name}.toml: ")


def test_a_companion_cannot_be_changed() -> None:
    made = load("smr-5.5")
    for table in (made.objects, made.profiles, made.events, made.alarms, made.event_logs, made.status_bits):
        assert not hasattr(table, "__setitem__")
    assert not hasattr(made.associations, "__setitem__")
