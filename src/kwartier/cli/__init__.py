"""The command line: one file a command group, and one place that turns errors into a sentence and an exit code.

Data go to stdout, messages to stderr. Exit 0: done; 1: the work itself fell short; 2: wrong usage or input. Commands import
what they need when they run, so that ``kwartier decode`` starts without a database.
"""

import errno
import io
import os
import stat
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from kwartier import __version__
from kwartier.cli import (
    access,
    audit,
    backup,
    breach,
    decode,
    demo,
    doctor,
    export,
    fleet,
    gate,
    home,
    keys,
    market,
    night,
    read,
    readings,
    reports,
    serve,
    settle,
    simulate,
    store,
    subject,
    sums,
    trace,
    validate,
)
from kwartier.cli.options import remember_home
from kwartier.errors import InputError, KwartierError, StateError

DEBUG = "KWARTIER_DEBUG"
OTHERS = stat.S_IRWXG | stat.S_IRWXO

app = typer.Typer(
    name="kwartier",
    help="Read out smart meters: encrypted, once a day, only what is necessary.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(home.init)
app.add_typer(fleet.app, name="fleet")
app.add_typer(keys.app, name="keys")
app.add_typer(market.app, name="market")
app.command("read")(read.read)
app.add_typer(night.app, name="night")
app.command("readings")(readings.readings)
app.add_typer(validate.app, name="validate")
app.add_typer(access.app, name="access")
app.add_typer(access.account, name="account")
app.command("sums")(sums.sums)
app.add_typer(export.app, name="export")
app.add_typer(gate.app, name="gate")
app.add_typer(settle.app, name="settle")
app.command("register")(reports.register)
app.command("dictionary")(reports.dictionary)
app.add_typer(store.app, name="store")
app.add_typer(subject.app, name="subject")
app.add_typer(breach.app, name="breach")
app.add_typer(backup.app, name="backup")
app.add_typer(audit.app, name="audit")
app.command("decode")(decode.decode)
app.add_typer(trace.app, name="trace")
app.command("demo")(demo.demo)
app.add_typer(simulate.app, name="simulate")
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kwartier {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    home_folder: Annotated[
        Path | None, typer.Option("--home", help="The installation's folder (KWARTIER_HOME, else ~/.kwartier).")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    remember_home(home_folder)


def main() -> None:
    """Run one command and leave with its exit code."""
    os.umask(OTHERS)  # whatever is written, also by libraries that ask nobody, is nobody else's to read
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without these letters shows a question mark, not an error
    try:
        _check_words(sys.argv[1:])
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where it can still be said that it failed
    except KwartierError as error:
        _complain(error.sentence())
        sys.exit(2 if isinstance(error, InputError) else 1)
    except BrokenPipeError:
        # Whoever read our output has left; the rest of it goes nowhere, and so would Python's own complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            _internal(error)
        _complain(StateError("no-space", "there is no room left for what had to be written").sentence())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence instead of a traceback
        _internal(error)


def _internal(error: Exception) -> NoReturn:
    """A mistake of ours: say where, and leave."""
    if os.environ.get(DEBUG):
        traceback.print_exc()
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}, line {frame.lineno}"
    _complain(StateError("internal-error", f"{type(error).__name__} in {where}").sentence())
    sys.exit(1)


def _check_words(words: list[str]) -> None:
    """What is written down or printed later has to be text: bytes that are none come in as lone surrogates."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputError("bad-argument", f"the argument {word!a} is not UTF-8 text") from None


def _complain(text: str) -> None:
    print(f"kwartier: {text}", file=sys.stderr)
