"""``kwartier decode``: what it takes, what it prints, how it ends, and that it needs neither home nor database."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from kwartier.decode.text import MAX_INPUT_BYTES
from tests.cli.command import Ran, run
from tests.decode.building import (
    AK,
    EK,
    METER_TITLE,
    captures,
    encrypted_only,
    frames,
    get_response,
    line,
    protect,
    push,
    telegram,
)

DONE, FELL_SHORT, WRONG_USAGE = 0, 1, 2
KEYS = ("--ek", EK.hex(), "--ak", AK.hex())
TELEGRAM = telegram("1-0:1.8.1(000004.426*kWh)")
FORBIDDEN = ("sqlalchemy", "alembic", "pyarrow", "numpy", "kwartier.database", "kwartier.fleet", "kwartier.keys")
VARIABLES = ("KWARTIER_EK", "KWARTIER_AK", "KWARTIER_DEDICATED_KEY", "KWARTIER_SYSTEM_TITLE", "KWARTIER_HOME")


class Decode(Protocol):
    """``kwartier decode`` with these words and this on stdin."""

    def __call__(self, *words: str, stdin: bytes = b"") -> Ran: ...


@pytest.fixture
def decode(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Decode:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def ran(*words: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return run("decode", *words, capsys=capsys, monkeypatch=monkeypatch)

    return ran


def table(ran: Ran) -> dict[str, Any]:
    assert ran.code == DONE, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def sentence(ran: Ran, code: str) -> str:
    """The one sentence of a failure, which ends with its code."""
    assert ran.err.startswith("kwartier: ")
    assert ran.err.endswith(f"[{code}]\n")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    return ran.err


# What it takes


def test_hex_a_file_and_stdin_are_the_same_capture(decode: Decode, tmp_path: Path) -> None:
    sent = line(*frames(push()))
    (tmp_path / "capture.bin").write_bytes(sent)
    (tmp_path / "capture.txt").write_text("# from the log\n" + sent.hex(" ") + "\n")
    expected = table(decode("--json", sent.hex()))
    assert expected["body"] == ["0x0000600100FF", "KWA1", 4711]
    for words in (("capture.bin",), ("capture.txt",), (sent.hex(":").upper(),)):
        assert table(decode("--json", *words)) == expected
    for given in (sent, sent.hex().encode(), b"0x" + sent.hex(" ").encode() + b"\r\n"):
        assert table(decode("--json", "-", stdin=given)) == expected
        assert table(decode("--json", stdin=given)) == expected


def test_a_name_of_nothing_but_hex_digits_is_hex_unless_it_is_given_as_a_path(decode: Decode, tmp_path: Path) -> None:
    (tmp_path / "1105").write_bytes(TELEGRAM)
    assert table(decode("--json", "1105"))["body"] == 5
    assert table(decode("--json", "./1105"))["message"]["service"] == "p1-telegram"


def test_a_telegram_is_taken_byte_for_byte(decode: Decode, tmp_path: Path) -> None:
    expected = {"objects": [["1-3:0.2.8", ["50"]], ["1-0:1.8.1", ["000004.426*kWh"]]]}
    (tmp_path / "p1.txt").write_bytes(TELEGRAM)
    assert table(decode("--json", "p1.txt"))["body"] == expected
    assert table(decode("--json", "-", stdin=TELEGRAM))["body"] == expected
    assert table(decode("--json", TELEGRAM.decode()))["body"] == expected
    assert table(decode("--json", TELEGRAM.hex()))["body"] == expected
    assert table(decode("--json", "p1.txt"))["message"]["objects"] == expected["objects"]


def test_a_remark_is_on_stderr_and_in_the_json(decode: Decode) -> None:
    ran = decode("--json", "-", stdin=TELEGRAM.replace(b"\r", b""))
    assert ran.err.startswith("note: ")
    assert "line ends" in ran.err
    assert table(ran)["remarks"]


# Keys


def test_keys_come_from_options_or_from_the_environment(decode: Decode, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = protect(get_response(2), general=False).hex()
    title = ("--system-title", METER_TITLE.hex())
    expected = table(decode("--json", sealed, *KEYS, *title))
    assert len(expected["body"]) == 2
    monkeypatch.setenv("KWARTIER_EK", EK.hex())
    monkeypatch.setenv("KWARTIER_AK", AK.hex().upper())
    monkeypatch.setenv("KWARTIER_SYSTEM_TITLE", METER_TITLE.hex())
    assert table(decode("--json", sealed)) == expected
    assert "unverified" not in expected


def test_without_keys_the_header_is_shown_and_that_is_enough(decode: Decode) -> None:
    found = table(decode("--json", protect(push()).hex()))
    assert found["layers"][0]["invocation_counter"] == 0x0123_4567
    assert found["layers"][0]["security_control"] == 0x30
    assert found["layers"][0]["system_title"] == METER_TITLE.hex().upper()
    assert found["body"] is None


def test_an_encryption_key_alone_needs_a_word_and_marks_what_it_shows(decode: Decode) -> None:
    sealed = protect(push()).hex()
    refused = decode("--json", sealed, "--ek", EK.hex())
    assert (refused.code, refused.out) == (WRONG_USAGE, "")
    assert "--unverified" in sentence(refused, "needs-unverified")
    found = table(decode("--json", sealed, "--ek", EK.hex(), "--unverified"))
    assert found["unverified"] is True
    assert found["message"]["unverified"] is True
    assert found["layers"][0]["verified"] is False
    shown = decode(sealed, "--ek", EK.hex(), "--unverified").out
    assert all("(unverified)" in text for text in shown.splitlines() if "4711" in text or "KWA1" in text)
    assert table(decode("--json", encrypted_only(push()).hex(), "--ek", EK.hex(), "--unverified"))["unverified"] is True


@pytest.mark.parametrize("option", ["--ek", "--ak", "--dedicated-key", "--system-title"])
@pytest.mark.parametrize("value", ["0102", "zz" * 16, EK.hex() + "00", "not a key at all"])
def test_a_bad_key_is_refused_without_being_repeated(decode: Decode, option: str, value: str) -> None:
    ran = decode(option, value, push().hex())
    assert (ran.code, ran.out) == (WRONG_USAGE, "")
    assert option in sentence(ran, "bad-option")
    assert value not in ran.err


def test_no_key_is_printed_by_help_or_failure(decode: Decode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWARTIER_EK", EK.hex())
    monkeypatch.setenv("KWARTIER_AK", AK.hex())
    for words in (("--help",), ("--json", protect(push()).hex()[:-2] + "00"), ("nowhere",)):
        ran = decode(*words)
        assert EK.hex() not in (ran.out + ran.err).lower()
        assert AK.hex() not in (ran.out + ran.err).lower()


# How it ends


@pytest.mark.parametrize(
    ("capture", "code"),
    [
        (TELEGRAM.replace(b"4.426", b"4.427"), "bad-p1-crc"),
        (line(*frames(push())).replace(b"KWA1", b"KWA2"), "bad-fcs"),
        (protect(push())[:-1] + b"\x00", "bad-tag"),
        (push()[:-1], "truncated"),
        (encrypted_only(push()), "no-tag"),
    ],
)
def test_what_fails_a_check_has_no_value_and_says_which_check(decode: Decode, capture: bytes, code: str) -> None:
    ran = decode("--json", capture.hex(), *KEYS)
    assert ran.code == FELL_SHORT
    sentence(ran, code)
    found = json.loads(ran.out)
    assert found["error"]["code"] == code
    assert found["error"]["detail"]
    assert found["body"] is None
    assert found["message"] is None
    plain = decode(capture.hex(), *KEYS)
    assert plain.code == FELL_SHORT
    sentence(plain, code)
    for secret in ("000004", "KWA1", "KWA2", "4711"):
        assert secret not in plain.out


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [
        (("7EA",), b"", "no-capture"),
        (("xyz",), b"", "no-capture"),
        (("no/such/file.hex",), b"", "no-capture"),
        (("",), b"", "no-capture"),
        (("a\0b",), b"", "no-capture"),
        (("7E" * 3000 + "G",), b"", "no-capture"),
        ((".",), b"", "no-capture"),
        (("-",), b"", "bad-hex"),
        (("-",), b"7E A0 0G", "bad-hex"),
        (("-",), b"hello, world\n", "bad-hex"),
        (("-",), bytes(MAX_INPUT_BYTES + 1), "capture-too-long"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(
    decode: Decode, words: tuple[str, ...], stdin: bytes, code: str
) -> None:
    for more in ((), ("--json",)):
        ran = decode(*words, *more, stdin=stdin)
        assert (ran.code, ran.out) == (WRONG_USAGE, "")
        assert len(sentence(ran, code)) < 500


def test_json_is_ascii_and_has_no_numbers_that_json_does_not_know(decode: Decode) -> None:
    ran = decode("--json", "0203 17 7FC00000 18 7FF0000000000000 0C02C3A9")
    assert ran.out.isascii()
    assert table(ran)["body"] == ["NaN", "Infinity", "é"]


# Lean


def child(*words: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, *words], input=given, capture_output=True, env={**kept, **environment}, check=False, timeout=60
    )


def test_it_starts_without_database_or_columns() -> None:
    script = (
        "import sys; from kwartier.cli import main\n"
        "sys.argv = ['kwartier', 'decode', '--json', '-']\n"
        "try: main()\n"
        "except SystemExit as leaving: assert not leaving.code\n"
        f"found = [name for name in {FORBIDDEN!r} if name in sys.modules]\n"
        "assert not found, found\n"
    )
    ran = child("-c", script, given=push())
    assert ran.returncode == DONE, ran.stderr.decode()
    assert json.loads(ran.stdout)["body"] == ["0x0000600100FF", "KWA1", 4711]


def test_it_makes_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = child("-m", "kwartier", "decode", push().hex(), KWARTIER_HOME=str(home), HOME=str(tmp_path))
    assert ran.returncode == DONE
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_knows_no_lines_still_gets_a_tree() -> None:
    ran = child("-m", "kwartier", "decode", push().hex(), PYTHONIOENCODING="ascii")
    assert ran.returncode == DONE
    assert ran.stdout.isascii()
    assert b"4711" in ran.stdout


def test_binary_on_stdin_with_a_broken_end_is_a_failure_and_no_traceback() -> None:
    ran = child("-m", "kwartier", "decode", "--json", "-", given=line(*frames(push()))[:-4])
    assert ran.returncode == FELL_SHORT
    assert b"Traceback" not in ran.stderr
    assert json.loads(ran.stdout)["error"]["code"] == "truncated"


def test_a_stdin_that_is_closed_is_wrong_usage() -> None:
    ran = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m kwartier decode - <&-"], capture_output=True, check=False, timeout=60
    )
    assert ran.returncode == WRONG_USAGE, ran.stderr
    assert b"[no-capture]" in ran.stderr


# The page about it


def test_the_page_shows_what_the_command_prints(decode: Decode) -> None:
    page = (Path(__file__).parents[2] / "docs" / "decode.md").read_text("utf-8")
    shown = re.findall(r"```console\n\$ kwartier decode (.*?)\n(.*?)```", page, re.DOTALL)
    assert len(shown) >= 3
    for words, expected in shown:
        assert decode(*shlex.split(words)).out == expected, words


def test_the_page_names_every_field_that_is_promised_to_programs(decode: Decode) -> None:
    page = (Path(__file__).parents[2] / "docs" / "decode.md").read_text("utf-8")
    documented = set(re.findall(r"`([a-z_0-9]+)`", page))
    for data in captures().values():
        found = table(decode("--json", data.hex(), *KEYS, "--unverified"))
        names = {name for layer in found["layers"] for name in layer} | set(found)
        names |= {name for one in found.get("messages", [found]) for name in one["message"]}
        assert {name.removesuffix("_hex") for name in names} <= documented
