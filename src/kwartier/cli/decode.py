"""``kwartier decode``: what is in these bytes.

An argument that is hexadecimal, blanks and separators left aside, is the capture itself; anything else is the name of a
file. So the rare file whose name is nothing but hex digits is given as ``./BADC0DE``. Keys come from options or,
better, from the environment: what is typed stays in the shell's history. No key is ever printed, only what it
deciphers.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import JsonOption, say
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.decode import Decoded

STDIN = "-"
KEY_BYTES = 16
TITLE_BYTES = 8
MAX_NAME_SHOWN = 60

CaptureArgument = Annotated[
    str, typer.Argument(metavar="HEX|FILE|-", help="Hex digits, a file (hex, binary or P1 text), or - for stdin.")
]
EkOption = Annotated[str | None, typer.Option("--ek", envvar="KWARTIER_EK", help="Encryption key, 32 hex digits.")]
AkOption = Annotated[str | None, typer.Option("--ak", envvar="KWARTIER_AK", help="Authentication key, 32 hex digits.")]
TitleOption = Annotated[
    str | None,
    typer.Option(envvar="KWARTIER_SYSTEM_TITLE", help="The sender's system title, 16 hex digits, where none is sent."),
]
DedicatedOption = Annotated[
    str | None, typer.Option(envvar="KWARTIER_DEDICATED_KEY", help="Dedicated key of the association, 32 hex digits.")
]
UnverifiedOption = Annotated[
    bool, typer.Option("--unverified", help="Decipher also what no authentication tag vouches for; it is marked.")
]


def decode(
    capture: CaptureArgument = STDIN,
    ek: EkOption = None,
    ak: AkOption = None,
    system_title: TitleOption = None,
    dedicated_key: DedicatedOption = None,
    unverified: UnverifiedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take apart frames, APDUs, COSEM data and P1 telegrams, layer by layer. Needs no home."""
    from kwartier import decode as room

    keys = room.Keys(
        ek=_option("--ek", ek, KEY_BYTES),
        ak=_option("--ak", ak, KEY_BYTES),
        dedicated=_option("--dedicated-key", dedicated_key, KEY_BYTES),
        system_title=_option("--system-title", system_title, TITLE_BYTES),
        unverified=unverified,
    )
    found = room.decode(_capture(capture), keys)
    if as_json:
        _print_json(found)
    else:
        from kwartier.decode.show import lines

        for line in lines(found):
            _print(line)
    for remark in found.remarks if as_json else ():
        say(f"note: {remark}")
    if found.error is not None:
        raise found.error


def _option(name: str, text: str | None, size: int) -> bytes | None:
    """The bytes of an option; what is wrong with it is said without repeating it."""
    if text is None or text == "":
        return None
    try:
        value = bytes.fromhex(text.strip())
    except ValueError:
        raise InputError("bad-option", f"{name} is not hexadecimal") from None
    if len(value) != size:
        raise InputError("bad-option", f"{name} has {len(value)} bytes, {size} needed")
    return value


def _capture(given: str) -> bytes:
    """The capture: from stdin, from the argument itself, or from the file that it names."""
    from kwartier.decode.text import MAX_INPUT_BYTES, capture_of, hex_of, why_no_hex

    if given == STDIN:
        return capture_of(_stdin(MAX_INPUT_BYTES + 1), "stdin")
    if not given.strip():
        raise InputError("no-capture", "there is nothing to decode")
    found = hex_of(given)
    if found is not None:
        return found
    if given.startswith("/") and "\n" in given:
        return capture_of(os.fsencode(given), "the argument")
    try:
        with Path(given).open("rb") as file:
            return capture_of(file.read(MAX_INPUT_BYTES + 1), Path(given).name)
    except (OSError, ValueError) as error:
        # A name that no file has may have been meant as hex: say where it is none.
        shown = ascii(given[:MAX_NAME_SHOWN])
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise InputError("no-capture", f"{shown} is no hex ({why_no_hex(given)}) and no file ({reason})") from None


def _stdin(most: int) -> bytes:
    if sys.stdin is None:
        raise InputError("no-capture", "stdin is closed")
    if sys.stdin.isatty():
        say("reading from the terminal; a line of its own with Ctrl-D ends the capture")
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise InputError("no-capture", f"stdin cannot be read ({error.strerror})") from None


def _print_json(found: "Decoded") -> None:
    """One line of JSON, in ASCII; numbers that JSON does not have, as texts."""
    table = found.as_json()
    try:
        text = json.dumps(table, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(table), parse_constant=str))
    print(text)


def _print(line: str) -> None:
    """A line, on a terminal of whatever encoding."""
    encoding = sys.stdout.encoding or "ascii"
    print(line.encode(encoding, "backslashreplace").decode(encoding))
