"""A witness: a process with a key of its own that remembers how far it has seen a log, and signs only what continues that.

C2SP tlog-witness over HTTP, on this machine. What it has seen is on the disk before its signature leaves. Whoever has the key
of the log can rewrite the log; the witness remembers what was there before, so it belongs to another user than the log, better
to another machine behind a tunnel.
"""

import binascii
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket

from kwartier.audit.checkpoint import LARGEST, Checkpoint, read_bounded, read_text
from kwartier.audit.note import COSIGNATURE, MAX_NOTE_BYTES, Note, Signer, VerifierKey, from_base64, new_key
from kwartier.audit.tree import EMPTY_ROOT, HASH_BYTES, MAX_PATH, check_consistency
from kwartier.disk import PRIVATE_FOLDER, write_once, write_whole
from kwartier.errors import InputError, KwartierError, SecurityError, StateError

KEY_FILE = "witness.key"
PATH = "/add-checkpoint"
MAX_BODY_BYTES = 32 + MAX_PATH * 64 + MAX_NOTE_BYTES
MAX_KEY_BYTES = 4_096
MAX_OPEN = 16
"""Requests at once; more are turned away."""
STEP_S = 10.0
"""How long a client may be silent in the middle of a request."""
REQUEST_S = 30.0
"""How long a request may take in all."""
SIZE_TYPE = "text/x.tlog.size"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status of HTTP, and what goes with it."""

    status: int
    text: str
    kind: str = "text/plain; charset=utf-8"


def state_file(folder: Path, origin: str) -> Path:
    """Where a witness keeps the last checkpoint of a log that it signed."""
    return folder / sha256(origin.encode()).hexdigest()


def last_seen(folder: Path, log: VerifierKey) -> Checkpoint | None:
    """The last checkpoint of ``log`` that the witness with this folder signed; None: it has seen none.

    Raises ``InputError`` no-witness; ``SecurityError`` bad-note, bad-checkpoint, not-signed, bad-signature.
    """
    path = state_file(folder, log.name)
    try:
        return Checkpoint.parse(read_bounded(path), log)
    except FileNotFoundError:
        if folder.is_dir():
            return None
        raise InputError("no-witness", f"there is no folder {folder}") from None
    except OSError as error:
        raise InputError("no-witness", f"{path} cannot be read: {error.strerror}") from None
    except SecurityError as error:
        raise SecurityError(error.code, f"{path}: {error.detail}") from None


class Witness:
    """What a witness knows and signs. ``wall`` gives UTC seconds. Any thread may use it; of processes one a folder.

    Raises ``StateError`` witness-busy; ``InputError`` no-witness, bad-audit-key.
    """

    def __init__(self, folder: Path, logs: Sequence[VerifierKey], *, wall: Callable[[], float]) -> None:
        try:
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise InputError("no-witness", f"{folder} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StateError("witness-busy", f"another witness has {folder}") from None
        self._folder = folder
        self._wall = wall
        self._turn = threading.Lock()
        self._logs = {one.name: one for one in logs}
        write_once(folder / KEY_FILE, new_key(f"witness/{os.urandom(8).hex()}", COSIGNATURE) + "\n")
        self._signer = Signer(_private_text(folder / KEY_FILE))

    @property
    def key(self) -> VerifierKey:
        """What others check its signatures with."""
        return self._signer.verifier

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def add_checkpoint(self, body: bytes) -> Answer:
        """What is answered to a request: signature lines, or why not."""
        try:
            old, path, note = _request(body)
            said = read_text(note)
        except (KwartierError, ValueError, binascii.Error):
            return Answer(status=400, text="this is no request\n")
        log = self._logs.get(said.origin)
        if log is None:
            return Answer(status=404, text="this log is not known here\n")
        try:
            made = Checkpoint.parse(str(note).encode(), log)
        except SecurityError:
            return Answer(status=403, text="the log has not signed this\n")
        if old > made.size:
            return Answer(status=400, text="the old size is larger than the new one\n")
        with self._turn:
            return self._continue(log, old, path, made)

    def _continue(self, log: VerifierKey, old: int, path: Sequence[bytes], made: Checkpoint) -> Answer:
        seen = last_seen(self._folder, log)
        size, root = (0, EMPTY_ROOT) if seen is None else (seen.size, seen.root)
        if old != size or (old == made.size and root != made.root):
            return Answer(status=409, text=f"{size}\n", kind=SIZE_TYPE)
        try:
            check_consistency(old, made.size, root, made.root, path)
        except SecurityError:
            return Answer(status=422, text="the proof does not hold\n")
        signature = self._signer.sign(made.text, at=int(self._wall()))
        kept = [one for one in made.signatures if one.is_by(log)]
        whole = Checkpoint(origin=made.origin, size=made.size, root=made.root, signatures=(*kept, signature))
        write_whole(state_file(self._folder, made.origin), str(whole).encode())
        return Answer(status=200, text=str(signature))


def _request(body: bytes) -> tuple[int, list[bytes], Note]:
    """Old size, proof and checkpoint. ``ValueError`` or an error of the note where it is not built like that."""
    head, gap, note = body.partition(b"\n\n")
    first, *lines = head.decode("ascii").split("\n")
    old = int(first.removeprefix("old "))
    if not gap or first != f"old {old}" or not 0 <= old < LARGEST or len(lines) > MAX_PATH:
        raise ValueError("no old size")
    path = [from_base64(one) for one in lines]
    if any(len(one) != HASH_BYTES for one in path):
        raise ValueError("no hash")
    return old, path, Note.parse(note)


def _private_text(path: Path) -> str:
    """What is in a file that only its owner may read."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise InputError("bad-audit-key", f"{path} has mode {mode:04o}; others may read it")
    return read_bounded(path, MAX_KEY_BYTES).decode("utf-8", "replace").strip()


# Over HTTP


class Server(ThreadingHTTPServer):
    """Serves one witness on a port of this machine."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, witness: Witness, host: str, port: int) -> None:
        self.witness = witness
        self._room = threading.BoundedSemaphore(MAX_OPEN)
        super().__init__((host, port), _Handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """In a thread of its own, as long as there are not too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Ends in time, whatever the client does."""
        end = threading.Timer(REQUEST_S, self.shutdown_request, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._room.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """A client that leaves early is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    """One request a connection."""

    timeout = STEP_S
    server: Server

    def do_POST(self) -> None:
        """A checkpoint to be signed."""
        length = self.headers.get("content-length", "")
        if self.path != PATH:
            self._answer(Answer(status=404, text="there is only add-checkpoint here\n"))
        elif not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY_BYTES):
            self._answer(Answer(status=413, text=f"at most {MAX_BODY_BYTES} bytes, with their length\n"))
        else:
            self._answer(self.server.witness.add_checkpoint(self.rfile.read(int(length))))

    def _answer(self, answer: Answer) -> None:
        octets = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("content-type", answer.kind)
        self.send_header("content-length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        """Nothing: what was seen is in the folder."""
