"""Asking a witness for its signature, as the log does after each checkpoint."""

import binascii
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from kwartier.audit.checkpoint import LARGEST, Checkpoint
from kwartier.audit.log import Since, TileSince
from kwartier.audit.note import MAX_NOTE_BYTES, Signature, VerifierKey, to_base64
from kwartier.audit.proof import read_checkpoint
from kwartier.audit.witness import PATH
from kwartier.errors import InputError, LinkLost, SecurityError

ANSWER_S = 5.0
"""How long the witness may take for each step."""
TRIES = 3
"""The first may only learn how far the witness has seen."""


class HttpWitness:
    """The witness at ``address`` (http, on this machine), whose key is ``key``. Raises ``InputError`` bad-witness."""

    def __init__(self, address: str, key: VerifierKey) -> None:
        self.key = key
        self._host, self._port, self._prefix = _address(address)
        self._known = 0

    def cosign(self, made: Checkpoint, since: Since) -> Signature:
        """The witness's signature on ``made``; ``since`` makes the proof that it continues what the witness has seen.

        Raises ``LinkLost`` witness-away where there is no good answer; ``SecurityError`` audit-cut where the witness has seen
        more records, audit-rewritten where it has seen others.
        """
        old = min(self._known, made.size)
        for _ in range(TRIES):
            status, text = self._post("\n".join([f"old {old}", *map(to_base64, since(old)), "", str(made)]))
            if status == 200:
                self._known = made.size
                return self._signature(text, made)
            if status == 422:
                raise SecurityError(
                    "audit-rewritten", f"{self.key.name} has seen other records than the first {old} here"
                )
            seen = _size(text) if status == 409 else None
            if seen is None:
                raise LinkLost(
                    "witness-away", f"the witness answers {status} to the checkpoint over {made.size} records"
                )
            if seen > made.size:
                said = f"{self.key.name} has seen {seen} records, and the checkpoint covers {made.size}"
                raise SecurityError("audit-cut", said)
            if seen == old:
                raise SecurityError("audit-rewritten", f"{self.key.name} has seen other records than the {seen} here")
            old = seen
        raise LinkLost("witness-away", "the witness signs for another at the same time")

    def _signature(self, text: str, made: Checkpoint) -> Signature:
        for line in text.splitlines():
            try:
                one = Signature.parse(line)
                if one.is_by(self.key):
                    self.key.check(made.text, one.octets)
                    return one
            except SecurityError:
                continue
        raise LinkLost("witness-away", f"what the witness answers is no signature by {self.key.name}")

    def _post(self, body: str) -> tuple[int, str]:
        line = HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        try:
            line.request("POST", self._prefix + PATH, body.encode(), {"content-type": "text/plain; charset=utf-8"})
            answer = line.getresponse()
            return answer.status, answer.read(MAX_NOTE_BYTES).decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            raise LinkLost("witness-away", f"{type(error).__name__} at the witness {self._host}:{self._port}") from None
        finally:
            line.close()


def ask(folder: Path, log: VerifierKey, witness: HttpWitness) -> Checkpoint:
    """The present checkpoint of the log in ``folder``, once the witness has said that it continues what it has seen.

    Raises what :meth:`HttpWitness.cosign` and :func:`kwartier.audit.proof.read_checkpoint` raise.
    """
    for left in reversed(range(TRIES)):
        made = read_checkpoint(folder, log)
        try:
            witness.cosign(made, TileSince(folder, made.size))
        except SecurityError:
            # The log may have gone on since, and the witness with it.
            if not left or read_checkpoint(folder, log).size == made.size:
                raise
        else:
            return made
    raise AssertionError("the last try returns or raises")


def _size(text: str) -> int | None:
    digits = text.removesuffix("\n")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(f"{LARGEST}")
    return int(digits) if is_number and int(digits) < LARGEST else None


def _address(address: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        is_here = host == "localhost" or ip_address(host).is_loopback
    except (ValueError, binascii.Error):
        is_here, host, port, parts = False, "", None, urlsplit("")
    if parts.scheme != "http" or not port or not is_here or parts.query or parts.fragment or parts.username is not None:
        raise InputError("bad-witness", "the address of a witness is http://127.0.0.1:PORT, on this machine")
    return host, port, parts.path.rstrip("/")
