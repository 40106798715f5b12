"""The watch over the suite sees what it is there for: each way of giving a secret away turns a test red."""

import base64
import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kwartier.errors import Denied, InputError, WireError
from kwartier.fleet.ean import check_digit
from kwartier.model import Readings
from tests.conftest import ROOT
from tests.secrecy import Watch, _say_error

KEY = bytes.fromhex("8f3ac15e0b774d92a6e01c5d48f9b237")
OTHER = bytes.fromhex("d0e1457b2c9f8e6a31b47d05f3c8a992")
REGISTER = 32_071_521
EAN = "20" + "0000000000000" + "42"
EAN += f"{check_digit(EAN)}"

FORMS = {
    "hex": KEY.hex(),
    "hex in capitals": KEY.hex().upper(),
    "hex with spaces": KEY.hex(" "),
    "hex with colons": KEY.hex(":"),
    "a part": KEY[3:14].hex(),
    "after a digit": "0" + KEY.hex(),
    "repr": repr(KEY),
    "a list": repr(list(KEY)),
    "base64": base64.b64encode(KEY).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(KEY).decode().rstrip("="),
    "as letters": KEY.decode("latin-1"),
}


def watch() -> Watch:
    made = Watch()
    made.keep(KEY)
    return made


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_key_is_found_in_each_form_and_is_not_shown_again(form: str) -> None:
    made = watch()
    made.say(f"it was {form} and nothing else")
    (found,) = made.leaked()
    assert found.startswith("an error holds key material")
    assert KEY.hex()[:8] not in found
    assert made.leaked() == []


def test_what_is_no_secret_is_not_found() -> None:
    made = watch()
    made.keep(bytes(range(16)))
    made.keep(bytes(16))
    made.keep(b"C" * 16)
    for text in (OTHER.hex(), bytes(range(16)).hex(), "00" * 16, base64.b64encode(OTHER).decode(), repr(OTHER), ""):
        made.say(text)
        made.say(text, log=True)
    assert made.leaked() == []


def readings() -> Readings:
    times = np.array([1_772_578_800, 1_772_579_700], np.int64)
    nothing = np.zeros(2, np.uint8)
    return Readings(
        meter="m-1",
        start=date(2026, 3, 4),
        end=date(2026, 3, 5),
        times=times,
        registers={"import_wh": np.array([REGISTER, REGISTER + 7], np.int64)},
        missing={"import_wh": nothing},
        status=nothing,
        clock_status=nothing,
    )


def test_a_register_is_found_in_the_test_that_read_it_and_not_in_the_next() -> None:
    made = watch()
    made.read(readings())
    made.say(f"the last value was {REGISTER} Wh")
    made.say(f"{REGISTER}", log=True)
    assert len(made.leaked()) == 2
    made.say(f"the last value was {REGISTER} Wh")
    assert made.leaked() == []


def test_a_connection_is_named_to_whoever_asks_about_it_and_nowhere_else() -> None:
    for error in (WireError("truncated", EAN), InputError("unknown-connection", EAN), Denied("out-of-scope", EAN)):
        made = watch()
        _say_error(made, error, error.code, error.detail)
        assert bool(made.leaked()) == isinstance(error, WireError)
    made = watch()
    made.say(f"connection {EAN} was read", log=True)
    made.say("connection 200000000000000000 was read", log=True)
    assert [found.split(":")[0] for found in made.leaked()] == ["a log record names a connection"]
    # The one above was seen by the watch over the suite as well, as it should be.
    from tests.conftest import WATCH

    assert [found.split(":")[0] for found in WATCH.leaked()] == ["an error names a connection"]


def test_texts_are_searched_before_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.secrecy.MAX_TEXTS", 10)
    made = watch()
    for number in range(25):
        made.say(f"{number} {KEY.hex()}")
        assert len(made.texts) <= 10
    assert len(made.leaked()) == 25


LEAKING = """
import logging
from datetime import date

import pytest
from kwartier.dlms.protection import SessionKeys
from kwartier.errors import InputError, WireError
from kwartier.keys.vault import Vault
from tests.conftest import _no_settings_of_the_developer, _nothing_secret_comes_out
from tests.test_secrecy import EAN, KEY, OTHER, REGISTER, readings

QUIET = logging.getLogger("kwartier.collect")


def test_a_session_key_in_an_error_that_is_caught():
    SessionKeys(ek=KEY, ak=OTHER)
    with pytest.raises(InputError):
        raise InputError("bad-argument", f"the key {OTHER.hex()} does not fit")


def test_a_sealed_key_in_a_log():
    Vault(bytes(range(32))).seal(KEY, "m-1")
    QUIET.debug("unwrapped %s", KEY)


def test_a_master_key_in_a_log():
    Vault(KEY + OTHER)
    QUIET.info("opened with %s", (KEY + OTHER).hex())


def test_a_register_in_an_error():
    readings()
    str(WireError("bad-register", f"{REGISTER} is less than before"))


def test_a_connection_in_a_log():
    QUIET.warning("visit of %s failed", EAN)


def test_a_connection_in_an_error_off_the_line():
    str(WireError("truncated", f"the answer of {EAN} ends early"))


def test_nothing():
    SessionKeys(ek=KEY, ak=OTHER)
    QUIET.debug("all is well")
    str(InputError("unknown-connection", f"there is no connection {EAN}"))
"""


def test_each_way_turns_a_test_of_the_suite_red(tmp_path: Path) -> None:
    (tmp_path / "test_leaking.py").write_text(LEAKING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rE", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", f"{tmp_path}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env=environment,
    )
    red = [line.split("::")[1].split(" ")[0] for line in ran.stdout.splitlines() if line.startswith("ERROR ")]
    wanted = [line[4:-3] for line in LEAKING.splitlines() if line.startswith("def test_a_")]
    assert red == wanted, ran.stdout + ran.stderr
    assert KEY.hex() not in "".join(line for line in ran.stdout.splitlines() if line.startswith("E  "))


def test_the_suite_is_watched() -> None:
    from tests.conftest import WATCH

    logging.getLogger("kwartier.something").debug("nothing much")
    assert ("kwartier.something nothing much", True, False) in WATCH.texts
