"""``kwartier subject``: the rights of the person whose readings these are."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, print_table, say
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.service.subject.contesting import Standing
    from kwartier.service.subject.erasing import Answer
    from kwartier.service.subject.requests import Request

app = typer.Typer(help="The rights of the person whose readings these are (AVG 15 to 22).", no_args_is_help=True)
DAY_FORMAT = "%Y-%m-%d"
TIMEZONE = "Europe/Amsterdam"
DAY_S = 86_400
FIRST_DAY, LAST_DAY = date(1971, 1, 1), date(2105, 1, 1)

EanArgument = Annotated[str, typer.Argument(metavar="EAN", help="The connection.")]
FromOption = Annotated[datetime | None, typer.Option("--from", formats=[DAY_FORMAT], help="The first local day.")]
ToOption = Annotated[datetime | None, typer.Option("--to", formats=[DAY_FORMAT], help="The first local day after.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="What the person says, or why it was decided so.")]
ApprovalOption = Annotated[str, typer.Option("--approval", help="Under which request somebody else agreed.")]


class Form(StrEnum):
    """What an export is written as."""

    JSON = "json"
    CSV = "csv"
    ESPI = "espi"


class Finding(StrEnum):
    """How a dispute ends."""

    RIGHT = "right"
    CORRECTED = "corrected"


def _days(start: datetime | None, end: datetime | None, last: date = LAST_DAY) -> tuple[date, date]:
    return (FIRST_DAY if start is None else start.date()), (last if end is None else end.date())


def _today() -> date:
    return datetime.now(ZoneInfo(TIMEZONE)).date()


def _utc(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@app.command("export")
def export(
    ean: EanArgument,
    start: FromOption = None,
    end: ToOption = None,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.JSON,
    out: Annotated[Path | None, typer.Option(help="A file to write to instead of stdout.")] = None,
    home: HomeOption = None,
) -> None:
    """Give a person everything: their readings, who has seen them, what for and for whom, and what may be asked for.

    Without days, the last two years. ESPI (Green Button XML) has the readings only. The export itself is written down as a
    use, and so is the request.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.subject import dossier, espi, receiving
    from kwartier.service.subject.logged import OfConnection, records
    from kwartier.service.subject.seeing import through_gate

    first, last = dossier.span_or_all(start and start.date(), end and end.date(), _today())
    with open_home(home_folder(home)) as opened:
        asking, mine = actor(opened), OfConnection(opened, ean)
        see = through_gate(opened, asking=asking, purpose="customer", reason="subject export")
        found = dossier.collect(opened, see, ean, (first, last), wall=time.time, records=records(opened), mine=mine)
        receiving.answered(opened, receiving.EXPORT, ean, (first, last), by=asking.name, wall=time.time)
    if form is Form.ESPI:
        octets = espi.feed(ean, found.shown, made_at=found.made_at)
        say("Green Button data have readings only: --format json or csv says who has seen them")
    else:
        octets = (dossier.as_json(found) if form is Form.JSON else dossier.as_csv(found)).encode()
    _write(octets, out)


@app.command("history")
def history(
    ean: EanArgument,
    start: FromOption = None,
    end: ToOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show who has seen the readings of a connection, what for and for whom, the newest last."""
    from dataclasses import asdict

    from kwartier.service.home import open_home
    from kwartier.service.subject import receiving
    from kwartier.service.subject.history import uses
    from kwartier.service.subject.logged import OfConnection, records
    from kwartier.service.subject.seeing import at_the_desk

    days = _days(start, end)
    with open_home(home_folder(home)) as opened:
        asking = at_the_desk(opened)
        found = uses(opened.engine, ean, days, records(opened), OfConnection(opened, ean))
        receiving.answered(opened, receiving.HISTORY, ean, days, by=asking.name, wall=time.time)
    if as_json:
        print_json([{**asdict(one), "at": _utc(one.at), "days": [f"{day}" for day in one.days]} for one in found])
        return
    header = ("at", "kind", "actor", "purpose", "ground", "recipient", "from", "to", "verdict")
    rows = [
        (_utc(one.at), one.kind, one.actor, one.purpose, one.ground, one.recipient, *map(str, one.days), one.verdict)
        for one in found
    ]
    print_many(rows, header)


@app.command("requests")
def requests(
    ean: Annotated[str | None, typer.Argument(metavar="[EAN]", help="Of one connection only.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what was asked for, what was decided and why, and until when it has to be done; exit 1 if something is overdue."""
    from kwartier.service.home import open_home
    from kwartier.service.subject.requests import Requests
    from kwartier.service.subject.seeing import at_the_desk

    with open_home(home_folder(home)) as opened:
        at_the_desk(opened)
        found = Requests(opened.engine).listed(ean)
    now = int(time.time())
    overdue = [one for one in found if one.is_open and one.due_at < now]
    if as_json:
        print_json([_as_json(one) for one in found])
    else:
        header = ("request", "kind", "connection", "asked", "from", "to", "state", "decision", "ground", "due", "hold")
        print_many([_row(one) for one in found], header)
    if overdue:
        say(f"{len(overdue)} of them should have been done by now: {', '.join(one.id for one in overdue[:10])}")
        raise typer.Exit(1)


@app.command("restrict")
def restrict(
    ean: EanArgument,
    ground: Annotated[str, typer.Option("--ground", help="A ground of article 18, by its code in docs/rights.md.")],
    reason: ReasonOption = "",
    start: FromOption = None,
    end: ToOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Keep readings and use them for nothing, but for what the law asks."""
    from kwartier.service.home import open_home
    from kwartier.service.subject.contesting import Saying
    from kwartier.service.subject.contesting import restrict as carry_out
    from kwartier.service.subject.seeing import at_the_desk

    with open_home(home_folder(home)) as opened:
        said = Saying(ean=ean, days=_days(start, end), by=at_the_desk(opened).name, reason=reason, ground=ground)
        _print_standing(carry_out(opened, said, wall=time.time), as_json=as_json)


@app.command("object")
def object_to(
    ean: EanArgument,
    reason: ReasonOption = "",
    start: FromOption = None,
    end: ToOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Stop uses that rest on article 6(1)(e)."""
    from kwartier.service.home import open_home
    from kwartier.service.subject.contesting import Saying
    from kwartier.service.subject.contesting import object_to as carry_out
    from kwartier.service.subject.seeing import at_the_desk

    with open_home(home_folder(home)) as opened:
        said = Saying(ean=ean, days=_days(start, end), by=at_the_desk(opened).name, reason=reason)
        _print_standing(carry_out(opened, said, wall=time.time), as_json=as_json)


@app.command("lift")
def lift(
    hold: Annotated[str, typer.Argument(help="The restriction or objection, as `subject requests` names it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it ends; the person was told before (AVG 18(3)).")],
    home: HomeOption = None,
) -> None:
    """End a restriction or an objection."""
    from kwartier.service.home import open_home
    from kwartier.service.subject.contesting import lift as carry_out
    from kwartier.service.subject.seeing import at_the_desk

    with open_home(home_folder(home)) as opened:
        is_ended = carry_out(opened, hold, by=at_the_desk(opened).name, reason=reason, wall=time.time)
    say("it stands no longer" if is_ended else "it had ended before")


@app.command("rectify")
def rectify(
    ean: EanArgument,
    request: Annotated[
        str | None, typer.Option("--request", help="Settle this dispute instead of opening one.")
    ] = None,
    outcome: Annotated[Finding | None, typer.Option("--outcome", help="What was found.")] = None,
    corrections: Annotated[
        Path | None, typer.Option("--with", help="CSV: meter, quarter_end (UTC), import_wh, export_wh (registers, Wh).")
    ] = None,
    reason: ReasonOption = "",
    approval: ApprovalOption = "",
    start: FromOption = None,
    end: ToOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Open a dispute about readings, or settle one: they are right, or a new version of them is stored beside the old one.

    While it is open nothing of these days is deleted.
    """
    from kwartier.service.home import open_home
    from kwartier.service.subject import contesting
    from kwartier.service.subject import corrections as files
    from kwartier.service.subject.seeing import at_the_desk, through_gate

    if (request is None) != (outcome is None) or (outcome is Finding.CORRECTED) != (corrections is not None):
        raise InputError("bad-argument", "--request goes with --outcome, and --outcome corrected with --with FILE")
    with open_home(home_folder(home)) as opened:
        asking = at_the_desk(opened)
        if request is None:
            said = contesting.Saying(ean=ean, days=_days(start, end), by=asking.name, reason=reason)
            _print_standing(contesting.dispute(opened, said, wall=time.time), as_json=as_json)
            return
        check = contesting.Check(by=asking.name, found=reason, approval=approval)
        if corrections is None:
            contesting.find_right(opened, request, check, wall=time.time)
            say("the readings stay as they are")
            return
        see = through_gate(opened, asking=asking, purpose="complaint", reason=f"request {request}")
        found = files.load(corrections, ean, TIMEZONE, see)
        days = contesting.correct(opened, request, check, found, wall=time.time)
    say(f"a new version of {days} days is stored")


@app.command("erase")
def erase(
    ean: EanArgument,
    ground: Annotated[str, typer.Option("--ground", help="A ground of article 17(1), by its code in docs/rights.md.")],
    reason: ReasonOption = "",
    claims: Annotated[
        bool, typer.Option("--legal-claims", help="Refuse: a legal claim needs them (17(3)(e)).")
    ] = False,
    approval: ApprovalOption = "",
    now: Annotated[
        bool, typer.Option("--now", help="Take the rows off the disk now, not by the next `store tidy`.")
    ] = False,
    start: FromOption = None,
    end: ToOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Decide whether readings are erased, day by day; end the link to those that are, at once.

    Their rows leave the disk with the next `store tidy`. Days that the law asks to be kept are refused, with the article. The
    receipt is shown once: with it the person can show which tombstone is theirs.
    """
    from kwartier.service.home import open_home
    from kwartier.service.subject import erasing
    from kwartier.service.subject.carrying import carry_out
    from kwartier.service.subject.seeing import officer

    with open_home(home_folder(home)) as opened:
        asking = officer(opened)
        wish = erasing.Wish(
            ean=ean,
            days=_days(start, end),
            ground=ground,
            by=asking.name,
            reason=reason,
            has_claims=claims,
            approval=approval,
        )
        answer = erasing.erase(opened, wish, wall=time.time)
        if now and answer.decision.erased:
            carry_out(opened, wall=time.time)
    told = _as_table(answer)
    if as_json:
        print_json(told)
        return
    _print_decision(told, [(one.days, f"{one.rule.code}, {one.rule.cited}") for one in answer.decision.refused])


def _as_table(answer: "Answer") -> dict[str, object]:
    decision = answer.decision
    refused = []
    for one in decision.refused:
        told = {"code": one.rule.code, "article": one.rule.cited, "text": dict(one.rule.text)}
        refused.append({"days": [f"{day}" for day in one.days], **told})
    return {
        "request": answer.request,
        "outcome": decision.outcome.value,
        "ground": decision.ground.cited,
        "erased": [[f"{day}" for day in days] for days in decision.erased],
        "refused": refused,
        "gone_by": _utc(answer.due_at),
        "receipt": answer.receipt,
    }


def _print_decision(told: Mapping[str, object], refused: Sequence[tuple[tuple[date, date], str]]) -> None:
    erased = told["erased"]
    assert isinstance(erased, list)
    rows = [(name, f"{told[name]}") for name in ("request", "outcome", "ground")]
    rows += [("erased", " up to ".join(days)) for days in erased]
    rows += [("kept", f"{days[0]} up to {days[1]}: {why}") for days, why in refused]
    if erased:
        rows += [("gone by", f"{told['gone_by']}"), ("receipt", f"{told['receipt']}")]
    print_table(rows)


def _print_standing(made: "Standing", *, as_json: bool) -> None:
    if as_json:
        print_json({"request": made.request, "hold": made.hold})
    else:
        print_table([("request", made.request), ("hold", made.hold)])


def _as_json(one: "Request") -> dict[str, object]:
    return {
        "request": one.id,
        "kind": one.kind.value,
        "connection": one.ean,
        "at": _utc(one.at),
        "by": one.by,
        "from": f"{one.days[0]}",
        "to": f"{one.days[1]}",
        "state": one.state.value,
        "decision": one.decision,
        "ground": one.ground,
        "decided_at": _utc(one.decided_at) or None,
        "decided_by": one.decided_by,
        "due_at": _utc(one.due_at),
        "done_at": _utc(one.done_at) or None,
        "detail": dict(one.detail),
    }


def _row(one: "Request") -> list[str]:
    hold = one.detail.get("hold", "")
    told = (one.state.value, one.decision, one.ground, _utc(one.due_at)[:10], f"{hold}")
    return [one.id, one.kind.value, one.ean or "(erased)", _utc(one.at)[:10], f"{one.days[0]}", f"{one.days[1]}", *told]


def _write(octets: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(octets)
        return
    from kwartier.disk import write_whole

    try:
        write_whole(out, octets)
    except OSError as error:
        raise InputError("unwritable-file", f"{out}: {error.strerror}") from None
