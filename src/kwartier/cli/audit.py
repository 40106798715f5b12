"""``kwartier audit``: prove what stands in the audit log, and that nobody changed it."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_table, say

if TYPE_CHECKING:
    from kwartier.audit.checkpoint import Checkpoint
    from kwartier.audit.note import VerifierKey

app = typer.Typer(help="Prove what stands in the audit log, and that nobody changed it.", no_args_is_help=True)
LogKey = Annotated[str | None, typer.Option("--log-key", help="The log's verifier key (default: this home's).")]
WitnessKeys = Annotated[
    list[str] | None,
    typer.Option("--witness-key", help="The verifier key of a witness that has to have signed; may be repeated."),
]
SHOWN_S = 5.0
"""How often it is said how far a long verification is."""


@app.command("verify")
def verify(
    folder: Annotated[Path | None, typer.Argument(help="The folder of the log (default: this home's).")] = None,
    log_key: LogKey = None,
    witness_keys: WitnessKeys = None,
    witness: Annotated[
        Path | None, typer.Option("--witness", help="The folder of the witness: what it has seen has to be there.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Derive every byte of every file once more. Exit 1: a byte was changed, removed or moved; file and record are named."""
    from kwartier.audit import verify as verifying
    from kwartier.audit.witness import last_seen

    keys = [_parsed(one) for one in witness_keys or ()]
    # What the witness has seen is looked at first: the log shows a checkpoint to it only after it is on the disk.
    seen = None
    if log_key is not None and folder is not None:
        log = _parsed(log_key)
    else:
        own_folder, own_key, own_witness = _of_home(home)
        folder = own_folder if folder is None else folder
        log = own_key if log_key is None else _parsed(log_key)
        if log == own_key and not keys and own_witness is not None:
            keys = [own_witness]
        if folder == own_folder and witness is None:
            seen = _asked(home, folder, log)
    if witness is not None:
        seen = last_seen(witness, log)
        if seen is None:
            say("this witness has not seen the log")
    found = verifying.verify(folder, log, keys, seen=seen, progress=_progress())
    facts = asdict(found)
    if as_json:
        print_json(facts)
    else:
        print_table((name.replace("_", " "), _cell(value)) for name, value in facts.items())
    if found.unchecked:
        say(f"not checked, because no key was given: the signature by {', '.join(found.unchecked)}")


def _asked(home: Path | None, folder: Path, log: "VerifierKey") -> "Checkpoint | None":
    """What the running witness of this home says that it has seen; None: there is none, or it is away."""
    from kwartier.audit.cosigning import ask
    from kwartier.errors import LinkLost
    from kwartier.service.auditing import witness_of
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        witness = witness_of(opened.settings)
    if witness is None:
        return None
    try:
        return ask(folder, log, witness)
    except LinkLost as error:
        say(f"the witness was not asked, so a log that was set back is not found: {error.detail}")
        return None


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


def _progress() -> Callable[[int, int], None]:
    """Says on stderr how far it is, now and then."""
    said_s = time.monotonic()

    def show(done: int, of: int) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= SHOWN_S:
            said_s = time.monotonic()
            say(f"{done} of {of} records")

    return show


def _parsed(text: str) -> "VerifierKey":
    from kwartier.audit.note import VerifierKey

    return VerifierKey.parse(text)


def _of_home(home: Path | None) -> "tuple[Path, VerifierKey, VerifierKey | None]":
    """Folder and key of this home's log, and the key of its witness."""
    from kwartier.service.auditing import log_folder, log_signer, witness_key
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        return log_folder(opened.path), log_signer(opened.path, opened.vault).verifier, witness_key(opened.settings)


@app.command("prove")
def prove(
    index: Annotated[int, typer.Argument(help="The number of the record; the first is 0.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the proof to this file.")] = None,
    home: HomeOption = None,
) -> None:
    """Print a proof that a record is in the log, which anybody checks with the public keys alone."""
    from kwartier.audit import proof

    folder, key, _ = _of_home(home)
    text = str(proof.prove(folder, key, index))
    if out is None:
        sys.stdout.write(text)
        return
    _write(out, text)


def _write(path: Path, text: str) -> None:
    from kwartier.errors import InputError

    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputError("bad-option", f"{path} cannot be written: {error.strerror}") from None


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The file with a proof; - for stdin.")],
    log_key: Annotated[str, typer.Option("--log-key", help="The verifier key of the log.")],
    witness_keys: WitnessKeys = None,
    as_json: JsonOption = False,
) -> None:
    """Check a proof, and print the record that it proves. Needs no home. Exit 1: it does not hold."""
    from kwartier.audit.checkpoint import read_bounded
    from kwartier.audit.proof import MAX_PROOF_BYTES, Proof
    from kwartier.errors import InputError

    try:
        octets = sys.stdin.buffer.read(MAX_PROOF_BYTES + 1) if str(file) == "-" else read_bounded(file, MAX_PROOF_BYTES)
    except OSError as error:
        raise InputError("bad-option", f"{file} cannot be read: {error.strerror}") from None
    found = Proof.parse(octets).check(_parsed(log_key), [_parsed(one) for one in witness_keys or ()])
    record = found.record.decode("utf-8", "backslashreplace")
    if as_json:
        print_json({**asdict(found), "record": record})
        return
    sys.stdout.write(f"{record}\n")
    signed = "".join(f", signed by a witness at {_moment(one)}" for one in found.witnessed)
    say(f"record {found.index} is among the {found.size} that the log has signed{signed}")


def _moment(utc: int) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(utc, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{utc} s"


@app.command("checkpoint")
def checkpoint(home: HomeOption = None) -> None:
    """Make a checkpoint over all records, have it signed by the witness, and print it."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        log = opened.log.opened()
        made = log.checkpoint()
        sys.stdout.write(str(made))
        if log.trouble:
            say(f"not signed by the witness: {log.trouble}")


@app.command("keys")
def keys(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Print the verifier keys of the log and its witness: what others need to check it, and nothing secret."""
    _, log, witness = _of_home(home)
    facts = {"log": str(log), "witness": None if witness is None else str(witness)}
    if as_json:
        print_json(facts)
    else:
        print_table((name, value or "-") for name, value in facts.items())


@app.command("witness")
def witness(
    folder: Annotated[Path, typer.Option("--folder", help="Where the witness keeps its key and what it has seen.")],
    log_keys: Annotated[list[str], typer.Option("--log-key", help="The verifier key of a log; may be repeated.")],
    listen: Annotated[str, typer.Option("--listen", help="ADDRESS:PORT on this machine.")] = "127.0.0.1:8547",
) -> None:
    """Sign what continues the log as far as this witness has seen it, until told to end. Prints its verifier key."""
    from kwartier.audit.witness import Server, Witness
    from kwartier.errors import InputError

    host, port = _listened(listen)
    one = Witness(folder, [_parsed(text) for text in log_keys], wall=time.time)
    both = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    try:
        try:
            server = Server(one, host, port)
        except OSError as error:
            raise InputError("bad-witness", f"{listen} cannot be listened on: {error.strerror}") from None
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        print(one.key, flush=True)
        say(f"listening on http://{host}:{server.server_address[1]}")
        signal.sigwait(both)
        server.shutdown()
        thread.join()
        server.server_close()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        one.close()


def _listened(text: str) -> tuple[str, int]:
    from ipaddress import ip_address

    from kwartier.errors import InputError

    host, _, port = text.rpartition(":")
    try:
        if ip_address(host).version == 4 and ip_address(host).is_loopback and 0 <= int(port) < 1 << 16:
            return host, int(port)
    except ValueError:
        pass
    raise InputError("bad-witness", f"--listen {text!r} is not such as 127.0.0.1:8547")
