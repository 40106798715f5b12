"""``kwartier export``: a settled day as market messages, and what came of those that were sent."""

import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, say

if TYPE_CHECKING:
    from kwartier.service.exporting.inbox import Taken
    from kwartier.service.exporting.messages import Message, State
    from kwartier.service.exporting.outbox import Exported
    from kwartier.service.home import Home

DAY_FORMAT = "%Y-%m-%d"
ROLES = ["operator", "settlement"]
"""Who may say what came of messages."""

app = typer.Typer(help="Tell a settled day to the market, and see what came of the messages.", no_args_is_help=True)

DayOption = Annotated[
    datetime | None, typer.Option("--date", formats=[DAY_FORMAT], help="The local day (default: yesterday).")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The outbox, made if absent (default: `outbox` in the home).")
]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="The version of the settlement (default: the latest).")
]
ReasonOption = Annotated[str, typer.Option(help="Why, in your own words; it is recorded.")]


class Standing(StrEnum):
    """How a message may stand."""

    MADE = "made"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    OVERDUE = "overdue"


@app.command("validated")
def validated(
    day: DayOption = None,
    out: OutOption = None,
    version: VersionOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Tell suppliers the quarter hours of their connections: CIM E66, of connections that are settled by readings.

    The schema that these messages are valid against is the public one of another country: that of the Dutch sector is not
    public. Exit 1: grid areas are withheld.
    """
    _export("validated", day, out, version, reason, as_json=as_json, home=home)


@app.command("aggregated")
def aggregated(
    day: DayOption = None,
    out: OutOption = None,
    version: VersionOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Tell each responsible party what it answers for in each grid area: CIM E31.

    The schema that these messages are valid against is the public one of another country: that of the Dutch sector is not
    public. Exit 1: grid areas are withheld.
    """
    _export("aggregated", day, out, version, reason, as_json=as_json, home=home)


@app.command("account")
def account(
    day: DayOption = None,
    out: OutOption = None,
    version: VersionOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Tell the operator of the transmission grid what all parties took and fed in: EnergyAccount of IEC 62325-451-4.

    Its structure is checked, and it is not schema-validated: the messages of the Dutch sector are not public, and no schema of
    this one is at hand. Exit 1: grid areas are withheld.
    """
    _export("account", day, out, version, reason, as_json=as_json, home=home)


def _export(
    kind: str,
    day: datetime | None,
    out: Path | None,
    version: int | None,
    reason: str,
    *,
    as_json: bool,
    home: Path | None,
) -> None:
    from kwartier.cli.progress import counting
    from kwartier.service.exporting.outbox import OUTBOX
    from kwartier.service.exporting.run import export
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    with open_home(home_folder(home)) as opened, counting("connections") as show:
        on = _yesterday(opened) if day is None else day.date()
        folder = opened.path / OUTBOX if out is None else out.expanduser()
        done = export(
            opened,
            kind,
            on,
            version=version,
            out=folder,
            actor=actor(opened),
            reason=reason,
            at=int(time.time()),
            show=show,
        )
    if as_json:
        print_json(_as_table(on, done))
    _sum_up(on, folder, done)
    if done.withheld:
        raise typer.Exit(1)


def _yesterday(home: "Home") -> date:
    from kwartier.clock import local_day

    return local_day(int(time.time()), home.settings.timezone) - timedelta(days=1)


def _as_table(day: date, done: "Exported") -> dict[str, object]:
    return {
        "date": day.isoformat(),
        "kind": done.edition.kind,
        "version": done.edition.version,
        "final": done.edition.final,
        "messages": len(done.files),
        "unchanged": done.unchanged,
        "files": [f"{one}" for one in done.files],
        "withheld": [
            {"grid_area": one.grid_area, "state": one.state.value, "code": one.code, "reason": one.reason}
            for one in done.withheld
        ],
    }


def _sum_up(day: date, folder: Path, done: "Exported") -> None:
    last = ", the last of the day" if done.edition.final else ""
    counted = f"{len(done.files)} messages in {folder}, {done.unchanged} of them unchanged"
    say(f"{done.edition.kind} of {day}, version {done.edition.version}{last}: {counted}")
    for one in done.withheld:
        say(f"withheld: grid area {one.grid_area!a} is {one.state}: {one.reason or one.code or 'no reason given'}")


@app.command("messages")
def messages(
    day: Annotated[
        datetime | None, typer.Option("--date", formats=[DAY_FORMAT], help="Of this local day alone.")
    ] = None,
    state: Annotated[Standing | None, typer.Option(help="In this state alone.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the messages that were made: the newest day first, each with its state and what was answered."""
    from kwartier.service.exporting.messages import State, listed
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        found = listed(
            opened.engine,
            day=None if day is None else day.date(),
            state=None if state is None else State(state.value),
        )
    if as_json:
        print_json({"messages": [_message(one) for one in found]})
        return
    names = ("date", "kind", "version", "subject", "recipient", "state", "sent", "answered", "id", "answer")
    told = [_message(one) for one in found]
    # Names come from files and answers from outside: what a terminal would take for an instruction is shown as a blank.
    print_many([tuple(_shown(one[name]) for name in names) for one in told], header=names)


def _message(one: "Message") -> dict[str, object]:
    from kwartier.service.settling.telling import utc

    return {
        "id": one.id,
        "date": one.topic.day.isoformat(),
        "kind": one.topic.kind,
        "version": one.topic.version,
        "subject": one.topic.subject,
        "recipient": one.topic.recipient,
        "file": one.file,
        "state": one.state.value,
        "made": utc(one.made_at),
        "sent": None if one.sent_at is None else utc(one.sent_at),
        "answered": None if one.answered_at is None else utc(one.answered_at),
        "answer": one.answer,
    }


def _shown(value: object) -> str:
    text = "-" if value is None else f"{value}"
    return "".join(each if each.isprintable() else " " for each in text)


@app.command("inbox")
def inbox(
    folder: Annotated[
        Path | None, typer.Option("--from", help="The inbox, made if absent (default: `inbox` in the home).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The outbox, for what was sent (default: `outbox` in the home).")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Note what was sent, take the answers that lie in the inbox, and note of whom no answer came in time.

    Exit 1: somebody has to look, at an answer that was put into `refused/`, or at a message that was rejected or is overdue.
    """
    from kwartier.service.exporting.inbox import INBOX, note_sent, note_silence, take_answers
    from kwartier.service.exporting.messages import State, Verdict, find
    from kwartier.service.exporting.outbox import OUTBOX
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    with open_home(home_folder(home)) as opened:
        actor(opened).require(ROLES, "to say what came of messages")
        at, settings = int(time.time()), opened.settings
        sent = note_sent(opened.engine, opened.path / OUTBOX if out is None else out.expanduser(), at=at)
        inbox_folder = opened.path / INBOX if folder is None else folder.expanduser()
        taken = take_answers(opened.engine, inbox_folder, settings.codes, at=at)
        overdue = note_silence(opened.engine, at=at, answer_within_h=settings.market.answer_within_h)
        stands = {one.id: one.state for one in find(opened.engine, [one.message_id for one in taken]).values()}
    answers = [_answer(one, stands) for one in taken]
    if as_json:
        print_json({"sent": sent, "answers": answers, "overdue": overdue})
    else:
        for one in answers:
            said = f": {one['reason']}" if one["reason"] else ""
            say(
                f"{one['file']}: {one['verdict']}: message {one['message'] or '-'} is {one['state'] or 'none of ours'}{said}"
            )
        say(f"{sent} sent, {_count(taken)}, {overdue} overdue")
    rejected = any(one.verdict == Verdict.TAKEN and stands[one.message_id] == State.REJECTED for one in taken)
    if overdue or rejected or not all(one.is_done for one in taken):
        raise typer.Exit(1)


def _answer(one: "Taken", stands: "dict[str, State]") -> dict[str, str | None]:
    state = stands.get(one.message_id)
    return {
        "file": one.file,
        "verdict": "refused" if one.verdict is None else one.verdict.value,
        "message": one.message_id or None,
        "state": None if state is None else state.value,
        "reason": one.reason,
    }


def _count(taken: "Sequence[Taken]") -> str:
    done = sum(one.is_done for one in taken)
    return f"{done} answers taken, {len(taken) - done} refused"
