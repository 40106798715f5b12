"""Logs for tests: keys out of seeds, records out of numbers, a timer that is wound by hand, and the second opinion."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kwartier.audit.log import Log
from kwartier.audit.note import COSIGNATURE, ED25519, Signer, VerifierKey

PROGRAM = Path(__file__).with_name("independent.py")
SECOND_OPINION_S = 60


def signer(name: str = "kwartier/0123456789abcdef", kind: int = ED25519) -> Signer:
    """A key that is the same on each run."""
    seed = hashlib.sha256(f"{name} {kind}".encode()).digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key = VerifierKey(name=name, kind=kind, public=public)
    return Signer(f"PRIVATE+KEY+{name}+{key.key_id.hex()}+{base64.b64encode(bytes([kind]) + seed).decode()}")


LOG = signer()
KEY = LOG.verifier
WITNESS = signer("witness/one", COSIGNATURE)


def record(number: int) -> bytes:
    """Record ``number``; they differ in length."""
    return f"record {number} {'x' * (number * 7 % 23)}".encode()


def records(count: int, first: int = 0) -> list[bytes]:
    return [record(number) for number in range(first, first + count)]


class Timer:
    """Does nothing by itself: the test says when time is up."""

    def __init__(self) -> None:
        self.armed: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, after_s: float, act: Callable[[], None]) -> Callable[[], None]:
        one = (after_s, act)
        self.armed.append(one)
        return lambda: self.armed.remove(one) if one in self.armed else None

    def ring(self) -> None:
        armed, self.armed = self.armed, []
        for _, act in armed:
            act()


def make_log(folder: Path, sizes: Sequence[int]) -> Path:
    """A log with a checkpoint at each of ``sizes``."""
    with Log(folder, LOG, later=Timer()) as log:
        for size in sizes:
            log.append(records(size - log.size, log.size))
            log.checkpoint()
    return folder


def second_opinion(what: str, path: Path, *keys: VerifierKey) -> subprocess.CompletedProcess[str]:
    """What the independent program says; it sees nothing of ours."""
    words = [sys.executable, "-I", str(PROGRAM), what, str(path), *map(str, keys)]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=SECOND_OPINION_S)
