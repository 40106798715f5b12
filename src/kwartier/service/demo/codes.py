"""Codes for simulated parties and areas, so that a demonstration writes messages: of a range that no company is given."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from kwartier.disk import write_whole
from kwartier.errors import InputError
from kwartier.fleet.ean import EAN_DIGITS, check_digit
from kwartier.service.exporting.parties import GLN_DIGITS
from kwartier.service.settings import FILE_NAME
from kwartier.simulate.world import ENERGY_SUPPLIERS, GRID_AREAS, RESPONSIBLE

TABLES = ("market", "parties", "areas")
PREFIX = "29"
"""GS1 keeps these for use inside one organisation. Simulated connections begin with 20, which it keeps, too."""


def with_codes(text: str) -> str:
    """The settings in ``text`` with codes at their end; as they are, where they have codes already.

    Raises ``InputError`` bad-settings where ``text`` is no TOML.
    """
    try:
        present = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError("bad-settings", f"{error}") from None
    if any(name in present for name in TABLES):
        return text
    glns = _codes(GLN_DIGITS, 2 + len(RESPONSIBLE) + len(ENERGY_SUPPLIERS))
    own, parties = glns[:2], [*RESPONSIBLE, *ENERGY_SUPPLIERS]
    lines = [
        "# Codes for messages about simulated meters, of a range that no company is given.",
        "[market]",
        f'sender = "{own[0]}"',
        f'tso = "{own[1]}"',
        "[parties]",
        *_lines(parties, glns[2:]),
        "[areas]",
        *_lines(GRID_AREAS, _codes(EAN_DIGITS, len(GRID_AREAS))),
    ]
    return f"{text.rstrip()}\n\n" + "\n".join(lines) + "\n"


def write_codes(home: Path) -> bool:
    """Give the settings of ``home`` codes where they have none; whether they were written. Raises as :func:`with_codes`."""
    path = home / FILE_NAME
    before = path.read_text("utf-8")
    after = with_codes(before)
    if after != before:
        write_whole(path, after.encode())
    return after != before


def _codes(digits: int, count: int) -> list[str]:
    bodies = [f"{PREFIX}{number:0{digits - 1 - len(PREFIX)}d}" for number in range(1, count + 1)]
    return [body + str(check_digit(body)) for body in bodies]


def _lines(names: Sequence[str], codes: Sequence[str]) -> list[str]:
    return [f'"{name}" = "{code}"' for name, code in zip(names, codes, strict=True)]
