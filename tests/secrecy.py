"""While the whole suite runs: no log record and no error of the program holds a key, a reading or, in logs, a connection.

From the first test on everything secret that the process handles is remembered: master keys, keys of sessions, whatever the
vault seals, and for each test the registers that were read. What could give it away is remembered as well: the text of every
error that is made, caught or not, and every log record. After each test the one is searched for the other.

The search begins at the texts, whose number is small: runs of hex, of base64, of escaped bytes and of numbers become bytes, and
each eight of them are looked up. So it takes no longer when millions of keys have been seen. Keys that are a pattern, such as
``bytes(range(16))``, are not looked for: system titles and challenges of tests are such patterns, too. They have a test of
their own (``test_secrets.py``). Processes that a test starts are not seen.

An error may name the connection that somebody asked about, to whom it answers; one that comes off the line may not.
"""

import base64
import binascii
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import pytest

from kwartier.dlms.protection import SessionKeys
from kwartier.errors import KwartierError, Who
from kwartier.fleet.ean import read_ean
from kwartier.keys.vault import Vault
from kwartier.model import Readings, Registers

PART: Final = 8
STEP: Final = 4
"""Secrets are cut into parts of eight bytes, one each four bytes: whatever shows eleven bytes in a row shows one of them."""
MAX_PARTS = 1_000_000
MAX_TEXTS = 5_000
"""Texts that are kept before they are searched, though the test is not over."""
MAX_REGISTERS = 512
"""Columns of registers that are remembered of a test; older ones give way."""
LEAST_REGISTER = 10_000_000
"""Below eight digits a number may be anything."""

_HEX = re.compile(r"[0-9A-Fa-f]{2}(?:[ :]?[0-9A-Fa-f]{2}){7,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{22,}")
_LIST = re.compile(r"\d{1,3}(?:, ?\d{1,3}){7,}")
_NUMBER = re.compile(r"(?<![0-9A-Za-z.])\d{8,17}(?![0-9A-Za-z])")
_EAN = re.compile(r"(?<!\d)\d{18}(?!\d)")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_KEY_IN_TEXT = re.compile(rb"[0-9a-fA-F]{32,}")


@dataclass(slots=True)
class Watch:
    """What is secret, and what was said."""

    parts: set[bytes] = field(default_factory=set)
    texts: set[tuple[str, bool, bool]] = field(default_factory=set)
    """Text, whether it is a log record, whether it may name a connection."""
    registers: list[Registers] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def keep(self, secret: bytes | None) -> None:
        """A secret, unless it is a pattern."""
        if not secret or len(secret) < PART or secret[:PART] in self.parts:
            return
        if _is_pattern(secret) or len(self.parts) > MAX_PARTS:
            return
        for at in range(0, len(secret) - PART + 1, STEP):
            self.parts.add(secret[at : at + PART])

    def keep_all(self, secrets: Iterable[bytes | None]) -> None:
        """Several of them."""
        for secret in secrets:
            self.keep(secret)

    def read(self, readings: Readings) -> None:
        """Readings that this test has to do with."""
        self.registers.extend(readings.registers.values())
        if len(self.registers) > MAX_REGISTERS:
            del self.registers[: -MAX_REGISTERS // 2]

    def say(self, text: str, *, log: bool = False, may_name: bool = False) -> None:
        """Something that came out."""
        self.texts.add((text, log, may_name))
        if len(self.texts) > MAX_TEXTS:
            self.look()

    def look(self) -> None:
        """Search what was said since, and forget it."""
        texts, self.texts = self.texts, set()
        for text, log, may_name in texts:
            what = "a log record" if log else "an error"
            if any(part in self.parts for octets in _octets(text) for part in _parts(octets)):
                self.found.append(f"{what} holds key material: {len(text)} characters that begin {text[:12]!r}")
            if not may_name and any(_is_ean(digits) for digits in _EAN.findall(text)):
                self.found.append(f"{what} names a connection: {text[:200]!r}")
            numbers = {int(digits) for digits in _NUMBER.findall(text)}
            if any(number >= LEAST_REGISTER and self._is_register(number) for number in numbers):
                self.found.append(f"{what} holds a register: {text[:200]!r}")

    def _is_register(self, number: int) -> bool:
        return any(bool((np.asarray(column) == number).any()) for column in self.registers)

    def leaked(self) -> list[str]:
        """What was found of this test; the next one begins anew."""
        self.look()
        found, self.found = self.found, []
        self.registers.clear()
        return found


def _is_pattern(secret: bytes) -> bool:
    """Whether it is few bytes again and again, or counts up or down."""
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    return len(set(secret)) < PART or len(steps) < 3


def _parts(octets: bytes) -> Iterator[bytes]:
    for at in range(len(octets) - PART + 1):
        yield octets[at : at + PART]


def _octets(text: str) -> Iterator[bytes]:
    """The bytes that a text may stand for."""
    for run in _HEX.findall(text):
        digits = run.replace(" ", "").replace(":", "")
        yield bytes.fromhex(digits)
        yield bytes.fromhex(digits[1:-1])  # where another digit stood before it
    for run in _BASE64.findall(text):
        with_padding = run.replace("-", "+").replace("_", "/")[: len(run) // 4 * 4]
        try:
            yield base64.b64decode(with_padding)
        except binascii.Error:
            continue
    for run in _LIST.findall(text):
        yield bytes(int(number) & 0xFF for number in run.split(","))
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace("\\\\", "\\")
    if plain != text:
        yield plain.encode("latin-1", "replace")
    if not text.isascii():
        yield text.encode("latin-1", "replace")


def _is_ean(digits: str) -> bool:
    try:
        return bool(read_ean(digits))
    except ValueError:
        return False


class Listener(logging.Handler):
    """Takes every log record as it would be written."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.NOTSET)
        self._watch = watch
        self._format = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        # At this level, which only a test of secrets asks for, SQLAlchemy shows the rows that it reads, keys in them sealed.
        is_row = record.name == "sqlalchemy.engine.Engine" and record.levelno <= logging.DEBUG
        self._watch.say(self._format.format(record), log=True, may_name=is_row)


def listen() -> Watch:
    """From here on nothing that this process keeps or says escapes the watch."""
    watch, patch = Watch(), pytest.MonkeyPatch()
    _before(patch, SessionKeys, "__init__", lambda _self, **given: watch.keep_all(given.values()))
    _before(patch, Vault, "__init__", lambda _self, master_key: watch.keep(master_key))
    _before(patch, Vault, "seal", lambda _self, plain, *_: _keep_sealed(watch, plain))
    _before(patch, KwartierError, "__init__", lambda error, code, detail, **_: _say_error(watch, error, code, detail))
    _before(patch, Readings, "__init__", lambda _self, **given: None, watch.read)
    logging.getLogger().addHandler(Listener(watch))
    logging.getLogger("kwartier").setLevel(logging.DEBUG)
    return watch


def _keep_sealed(watch: Watch, plain: bytes) -> None:
    """What is sealed: a key, or a record that holds some in hex and is else no secret."""
    if not plain.startswith(b"{"):
        watch.keep(plain)
    for digits in _KEY_IN_TEXT.findall(plain):
        watch.keep(bytes.fromhex(digits[: len(digits) // 2 * 2].decode()))


def _say_error(watch: Watch, error: KwartierError, code: str, detail: str) -> None:
    watch.say(f"{code}: {detail}", may_name=error.who in (Who.USER, Who.KWARTIER))


def _before(
    patch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    told: Callable[..., object],
    after: Callable[..., object] | None = None,
) -> None:
    """``told`` hears of every call of ``owner.name`` first, and ``after`` of what it was called on when it is done."""
    method = getattr(owner, name)

    def listening(self: object, *given: object, **named: object) -> object:
        told(self, *given, **named)
        result = method(self, *given, **named)
        if after is not None:
            after(self)
        return result

    patch.setattr(owner, name, listening)
