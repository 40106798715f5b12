"""The witness: it signs what continues what it has seen and nothing else, and the log minds what it says."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from kwartier.audit.checkpoint import FILE_NAME, Checkpoint
from kwartier.audit.cosigning import HttpWitness, ask
from kwartier.audit.log import Log, TileSince
from kwartier.audit.note import Signature, Signer, VerifierKey, new_key, to_base64
from kwartier.audit.proof import read_checkpoint
from kwartier.audit.verify import verify
from kwartier.audit.witness import KEY_FILE, MAX_BODY_BYTES, PATH, SIZE_TYPE, Server, Witness, last_seen, state_file
from kwartier.errors import InputError, KwartierError, LinkLost, SecurityError, StateError
from tests.audit.making import KEY, LOG, Timer, make_log, records, second_opinion

AT = 1_772_582_400
HERE = "127.0.0.1"


@contextmanager
def serving(folder: Path, log: VerifierKey = KEY) -> Iterator[tuple[Witness, str]]:
    """A witness of a log, by default that of the tests, and its address."""
    witness = Witness(folder, [log], wall=lambda: AT + 0.9)
    server = Server(witness, HERE, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield witness, f"http://{HERE}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        witness.close()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    one = Witness(tmp_path / "witness", [KEY], wall=lambda: AT)
    yield one
    one.close()


def request(folder: Path, old: int, proof: list[bytes] | None = None, made: Checkpoint | None = None) -> bytes:
    """What a log sends."""
    made = read_checkpoint(folder, KEY) if made is None else made
    path = TileSince(folder, made.size)(old) if proof is None else proof
    return "\n".join([f"old {old}", *map(to_base64, path), "", str(made)]).encode()


def grown(folder: Path, size: int) -> Path:
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(size - log.size, log.size))
    return folder


def code(act: Callable[[], object]) -> str:
    with pytest.raises(KwartierError) as caught:
        act()
    return caught.value.code


def test_what_continues_is_signed_with_the_moment_and_remembered(tmp_path: Path, witness: Witness) -> None:
    folder = make_log(tmp_path / "audit", [3])
    for old, new in ((0, 3), (3, 3), (3, 260), (260, 700)):
        grown(folder, new)
        answer = witness.add_checkpoint(request(folder, old))
        assert answer.status == 200
        made = read_checkpoint(folder, KEY).signed([Signature.parse(answer.text.removesuffix("\n"))])
        assert made.check([witness.key]) == [AT]
        assert last_seen(tmp_path / "witness", KEY) == made


def test_the_answers_are_those_of_the_protocol(tmp_path: Path, witness: Witness) -> None:
    folder = make_log(tmp_path / "audit", [5])
    made = read_checkpoint(folder, KEY)
    stranger = Signer(new_key("kwartier/stranger"))
    theirs = Checkpoint(origin=stranger.name, size=5, root=made.root)
    forged = Checkpoint(origin=KEY.name, size=5, root=made.root).signed([Signer(new_key(KEY.name)).sign(made.text)])

    def status(body: bytes) -> int:
        return witness.add_checkpoint(body).status

    assert status(request(folder, 0, made=theirs.signed([stranger.sign(theirs.text)]))) == 404
    assert status(request(folder, 0, made=forged)) == 403
    assert status(request(folder, 6, [])) == 400
    assert status(request(folder, 0, [bytes(32)])) == 422
    early = witness.add_checkpoint(request(folder, 3))
    assert (early.status, early.text, early.kind) == (409, "0\n", SIZE_TYPE)
    assert status(request(folder, 0)) == 200
    grown(folder, 9)
    late = witness.add_checkpoint(request(folder, 0))
    assert (late.status, late.text) == (409, "5\n")
    assert status(request(folder, 5, [bytes(32)])) == 422
    assert status(request(folder, 5, [])) == 422
    other = Checkpoint(origin=KEY.name, size=5, root=bytes(32))
    assert status(request(folder, 5, [], other.signed([LOG.sign(other.text)]))) == 409
    assert last_seen(tmp_path / "witness", KEY) is not None
    assert status(request(folder, 5)) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 0\n",
        b"old 00\n\n",
        b"old -1\n\n",
        b"old x\n\n",
        b"new 0\n\n",
        b"old 0\nAAAA\n\n",
        b"old 0\n!\n\n",
        b"old 0\n" + b"%s\n" % to_base64(bytes(32)).encode() * 64 + b"\n",
        b"\xff\n\n",
    ],
)
def test_what_is_no_request_is_refused(tmp_path: Path, witness: Witness, body: bytes) -> None:
    note = str(read_checkpoint(make_log(tmp_path / "audit", [1]), KEY)).encode()
    assert witness.add_checkpoint(body).status == 400
    assert witness.add_checkpoint(body + note).status == 400


def test_the_key_of_a_witness_is_its_own_private_and_the_same_again(tmp_path: Path) -> None:
    folder = tmp_path / "witness"
    first = Witness(folder, [KEY], wall=lambda: AT)
    assert code(lambda: Witness(folder, [KEY], wall=lambda: AT)) == "witness-busy"
    first.close()
    again = Witness(folder, [KEY], wall=lambda: AT)
    assert again.key == first.key
    again.close()
    (folder / KEY_FILE).chmod(0o644)
    assert code(lambda: Witness(folder, [KEY], wall=lambda: AT)) == "bad-audit-key"


def test_what_a_witness_has_seen_is_not_believed_if_it_was_changed(tmp_path: Path, witness: Witness) -> None:
    folder = make_log(tmp_path / "audit", [3])
    assert last_seen(tmp_path / "witness", KEY) is None
    with pytest.raises(InputError):
        last_seen(tmp_path / "nowhere", KEY)
    witness.add_checkpoint(request(folder, 0))
    path = state_file(tmp_path / "witness", KEY.name)
    path.write_text(path.read_text().replace("\n3\n", "\n2\n"))
    with pytest.raises(SecurityError):
        last_seen(tmp_path / "witness", KEY)


# With the log


def test_each_checkpoint_of_a_log_is_signed_by_its_witness(tmp_path: Path) -> None:
    with serving(tmp_path / "witness") as (witness, address):
        folder = tmp_path / "audit"
        with Log(folder, LOG, HttpWitness(address, witness.key), later=Timer()) as log:
            for size in (1, 300, 301):
                log.append(records(size - log.size, log.size))
                assert log.checkpoint().check([witness.key]) == [AT]
                assert log.trouble == ""
        # Another process begins without knowing how far the witness has seen.
        with Log(folder, LOG, HttpWitness(address, witness.key), later=Timer()) as log:
            log.append(records(9, 301))
        found = verify(folder, KEY, [witness.key], seen=last_seen(tmp_path / "witness", KEY))
        assert (found.covered, found.seen, found.witnessed) == (310, 310, (AT,))
        assert second_opinion("folder", folder, KEY, witness.key).returncode == 0


def test_a_witness_that_is_away_is_asked_again_and_nothing_waits_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    with serving(tmp_path / "witness") as (witness, address):
        pass
    timer = Timer()
    log = Log(folder, LOG, HttpWitness(address, witness.key), later=timer)
    log.append(records(3))
    timer.ring()
    assert "at the witness" in log.trouble
    assert len(timer.armed) == 1, "it is tried again"
    assert log.append([b"more"]) == range(3, 4)
    log.close()
    assert code(lambda: verify(folder, KEY, [witness.key])) == "not-cosigned"
    with serving(tmp_path / "witness") as (again, address):
        with Log(folder, LOG, HttpWitness(address, again.key), later=timer):
            pass
        assert verify(folder, KEY, [again.key]).witnessed == (AT,)


def rewritten(folder: Path, count: int) -> None:
    """Another history of ``count`` records by whoever has the log's key."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    with Log(folder, LOG, later=Timer()) as log:
        log.append([b"other", *records(count - 1, 1)])


@pytest.mark.parametrize(("count", "found"), [(5, "audit-cut"), (8, "audit-rewritten"), (20, "audit-rewritten")])
def test_a_history_that_the_witness_has_not_seen_stops_the_log(tmp_path: Path, count: int, found: str) -> None:
    folder = tmp_path / "audit"
    with serving(tmp_path / "witness") as (witness, address):
        grown(folder, 8)
        client = HttpWitness(address, witness.key)
        assert ask(folder, KEY, client).size == 8
        rewritten(folder, count)
        assert code(lambda: ask(folder, KEY, HttpWitness(address, witness.key))) == found
        timer = Timer()
        log = Log(folder, LOG, client, later=timer)
        timer.ring()
        assert log.trouble
        assert code(lambda: log.append([b"a"])) == found
        assert code(log.checkpoint) == found
        log.close()
        assert witness.key.name not in (folder / FILE_NAME).read_text()


def test_a_checkpoint_that_another_process_made_since_is_no_contradiction(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    with serving(tmp_path / "witness") as (witness, address):
        client = HttpWitness(address, witness.key)
        with Log(folder, LOG, client, later=Timer()) as log:
            log.append(records(3))
            plain = client.cosign

            def late(made: Checkpoint, since: Callable[[int], list[bytes]]) -> Signature:
                if made.size == 3:
                    with Log(folder, LOG, HttpWitness(address, witness.key), later=Timer()) as other:
                        other.append(records(4, 3))
                return plain(made, since)

            client.cosign = late  # type: ignore[method-assign]  # of this one only
            made = log.checkpoint()
        assert made.size == 7
        assert made.is_signed_by(witness.key)


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Something that is no witness, and says ``reply`` to whoever asks."""
    with socket.create_server((HERE, 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    line.recv(65_536)
                    line.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://{HERE}:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.0 500 no\r\n\r\n",
        b"HTTP/1.0 404 no\r\n\r\n",
        b"HTTP/1.0 409 no\r\n\r\nx",
        b"HTTP/1.0 409 no\r\n\r\n" + b"9" * 6_000,
        b"HTTP/1.0 200 yes\r\n\r\n",
        "HTTP/1.0 200 yes\r\n\r\n\u2014 witness/one AAAAAAAA\n".encode(),
        b"HTTP/1.0 302 there\r\nlocation: http://127.0.0.1/\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_counts_as_no_answer(tmp_path: Path, reply: bytes) -> None:
    folder = make_log(tmp_path / "audit", [3])
    with answering(reply) as address, pytest.raises(LinkLost):
        HttpWitness(address, Signer(new_key("witness/one", 4)).verifier).cosign(
            read_checkpoint(folder, KEY), TileSince(folder, 3)
        )


def test_requests_that_are_too_long_or_go_elsewhere_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "witness") as (_, address):
        port = int(address.rsplit(":", 1)[1])

        def status(method: str, path: str, length: str) -> int:
            line = HTTPConnection(HERE, port, timeout=10)
            line.putrequest(method, path)
            line.putheader("content-length", length)
            line.endheaders()
            found = line.getresponse().status
            line.close()
            return found

        assert status("POST", PATH, f"{MAX_BODY_BYTES + 1}") == 413
        assert status("POST", PATH, "-1") == 413
        assert status("POST", PATH, "x") == 413
        assert status("POST", "/other", "0") == 404
        assert status("GET", PATH, "0") == 501
        assert status("POST", PATH, "0") == 400


@pytest.mark.parametrize(
    "address",
    ["", "https://127.0.0.1:1", "http://127.0.0.1", "http://192.0.2.1:80", "http://h:x", "http://u@127.0.0.1:1"],
)
def test_a_witness_is_on_this_machine(address: str) -> None:
    assert code(lambda: HttpWitness(address, KEY)) == "bad-witness"


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, StateError)):
        Witness(tmp_path / "file", [KEY], wall=lambda: AT)
