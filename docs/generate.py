"""The pages of this folder that the program itself knows best: errors, commands, companions, purposes, rules and states.

``make docs`` writes them. With ``--check`` nothing is written, and the exit code is 1 if a page does not say what the program
says; a test runs that.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import TypeVar

import typer.core
import typer.main
from drawn import completeness_picture, day_picture
from told import ESTIMATION, RUNS

from kwartier.cli import app
from kwartier.cosem import companion as companions
from kwartier.cosem.classes import class_name
from kwartier.cosem.companion import Companion, ProfileOf
from kwartier.cosem.quirks import MEANINGS
from kwartier.cosem.status import unit_name
from kwartier.dlms.obis import dotted
from kwartier.dlms.states import CLIENT, SERVER, ClientState, ServerState, Trigger
from kwartier.errors import KwartierError, explanations
from kwartier.gate.purposes import purposes
from kwartier.service.alerting.conditions import meanings, runbook
from kwartier.service.alerting.worklist import causes
from kwartier.service.reports.dictionary import dictionary
from kwartier.service.reports.page import markdown, markdown_section
from kwartier.service.reports.register import purpose_section
from kwartier.service.validating.due import MAX_AGO_DAYS
from kwartier.service.validating.facts import LOOK_AHEAD
from kwartier.service.validating.run import MAX_HISTORY
from kwartier.validate.estimate.methods import METHODS
from kwartier.validate.estimate.parameters import WEEKDAYS, estimation
from kwartier.validate.estimate.plan import MAX_GAP_DAYS
from kwartier.validate.parameters import sets
from kwartier.validate.rules.rule import Over, Rule
from kwartier.validate.rules.table import RULES
from kwartier.web.app import routed

FOLDER = Path(__file__).resolve().parent
WIDTH = 100
State = TypeVar("State", bound=Enum)
MADE = "<!-- Made by `make docs` from {source}; change it there. -->"


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table of Markdown."""
    heads = tuple(heads)
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
    yield ""


def errors() -> Iterator[str]:
    """Every code, grouped by the leaf that carries it."""
    yield MADE.format(source="`src/kwartier/errors.toml`")
    yield "# Errors"
    yield ""
    yield "Every error ends with a code in brackets. The code is stable: scripts may look at it, and this page explains it."
    yield "Exit code 2: what was asked for is wrong (`InputError`). Exit code 1: the work itself fell short (all others)."
    yield ""
    for leaf in KwartierError.__subclasses__():
        rows = sorted((row for row in explanations().values() if row.leaf == leaf.__name__), key=lambda row: row.code)
        yield f"## {leaf.__name__}"
        yield ""
        yield f"{' '.join((leaf.__doc__ or '').split())}"
        yield ""
        yield f"Who is wrong: {leaf.who}. Worth another attempt, unless the error itself says otherwise: {leaf.default_retry}."
        yield ""
        yield from table(
            ("code", "what it means", "what to try"),
            ((f'<a id="{row.code}"></a>`{row.code}`', row.meaning, row.advice) for row in rows),
        )


def commands() -> Iterator[str]:
    """What each command says of itself."""
    yield MADE.format(source="the commands' own `--help`")
    yield "# Commands"
    yield ""
    yield "Data go to stdout and messages to stderr. Exit 0: done; 1: the work itself fell short; 2: wrong usage or input."
    yield ""
    root = typer.main.get_command(app)
    yield from _command("kwartier", root, None)


def _command(
    name: str, command: typer.core.TyperCommand | typer.core.TyperGroup | object, parent: object
) -> Iterator[str]:
    assert isinstance(command, typer.core.TyperCommand | typer.core.TyperGroup)
    given = {"info_name": name, "parent": parent, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = command.context_class(command, **{**command.context_settings, **given})
    formatter = context.make_formatter()
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    yield f"## `{context.command_path}`"
    yield ""
    yield "```text"
    yield from formatter.getvalue().rstrip().splitlines()
    yield "```"
    yield ""
    if isinstance(command, typer.core.TyperGroup):
        for below, each in command.commands.items():
            yield from _command(below, each, context)


def companion_page() -> Iterator[str]:
    """What each kind of meter has, and the closed list of quirks."""
    yield MADE.format(source="`src/kwartier/cosem/companions/*.toml`")
    yield "# Companions"
    yield ""
    yield "A companion says what a kind of meter has and how it misbehaves. The column *source* says how we know: `found` is"
    yield "in a public source, `memory` our best knowledge without one and may be wrong for a meter."
    yield ""
    yield "## Quirks"
    yield ""
    yield "The closed list of deviations that are worked around. Whatever is not on it is refused or reported."
    yield ""
    kinds = [companions.load(name) for name in companions.companions()]
    used = {quirk: ", ".join(kind.name for kind in kinds if quirk in kind.quirks) or "-" for quirk in MEANINGS}
    yield from table(
        ("quirk", "the meter", "companions that name it"),
        ((f"`{quirk}`", meaning, used[quirk]) for quirk, meaning in MEANINGS.items()),
    )
    for kind in kinds:
        yield from _companion(kind)


def _companion(kind: Companion) -> Iterator[str]:
    yield f"## `{kind.name}`: {kind.title}"
    yield ""
    yield f"{kind.about[:1].upper()}{kind.about[1:]}."
    yield ""
    if kind.assumption:
        yield f"**An assumption.** {' '.join(kind.assumption_text.split())}"
        yield ""
    yield "Quirks: " + (", ".join(f"`{quirk}`" for quirk in sorted(kind.quirks)) or "none") + "."
    yield ""
    safe = kind.security
    yield f"Spoken to with suite {safe.suite}, mechanism {safe.mechanism}, `{safe.policy}`, `{safe.ciphering}` ciphering and a"
    yield f"{safe.release} release. An answer may take {safe.response_timeout_s} s. Clients: " + (
        ", ".join(f"{name} {client}" for name, client in sorted(kind.associations.items(), key=lambda one: one[1]))
        + "."
    )
    yield ""
    for profile in kind.profiles.values():
        yield from _profile(profile)
    yield "### Objects"
    yield ""
    yield from table(
        ("object", "OBIS", "class", "unit", "source"),
        (
            (
                one.name,
                dotted(one.obis),
                f"{one.class_id} {class_name(one.class_id)}",
                ""
                if one.unit is None
                else f"10^{one.scaler} {unit_name(one.unit)}"
                if one.scaler
                else unit_name(one.unit),
                one.source,
            )
            for one in kind.objects.values()
        ),
    )
    yield from _logs_and_bits(kind)


def _profile(profile: ProfileOf) -> Iterator[str]:
    period = f"every {profile.period_s} s" if profile.period_s else "by a schedule"
    yield f"### Profile `{profile.name}`"
    yield ""
    yield f"{dotted(profile.obis)}, {profile.rows} rows, captured {period}, written as {profile.encoding}; {profile.source}."
    yield ""
    yield (
        "Columns: "
        + ", ".join(f"{one.name} ({dotted(one.obis)}, attribute {one.attribute})" for one in profile.columns)
        + "."
    )
    yield ""


def _logs_and_bits(kind: Companion) -> Iterator[str]:
    if kind.event_logs:
        yield "### Event logs"
        yield ""
        yield from table(
            ("log", "OBIS", "rows"), ((one.name, dotted(one.obis), one.rows) for one in kind.event_logs.values())
        )
    yield "### Status byte of a row"
    yield ""
    yield from table(("bit", "meaning"), sorted(kind.status_bits.items()))
    for alarm in kind.alarms.values():
        yield f"### Alarms `{alarm.name}`, {dotted(alarm.obis)}"
        yield ""
        yield from table(("bit", "meaning"), sorted(alarm.bits.items()))
    if kind.events:
        yield "### Events"
        yield ""
        yield from table(("code", "meaning"), sorted(kind.events.items()))


def states() -> Iterator[str]:
    """The two machines, drawn from their tables."""
    yield MADE.format(source="`src/kwartier/dlms/states.py`")
    yield "# States of a session"
    yield ""
    yield "From every state an error leads to *failed*, which has no way out; those arrows are left away."
    yield ""
    yield "## Client"
    yield ""
    yield from _machine(CLIENT, ClientState.IDLE)
    yield "## Server"
    yield ""
    yield from _machine(SERVER, ServerState.UNLINKED)


def _machine(machine: Mapping[State, Mapping[Trigger, State]], first: State) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {first.value}"
    for state, triggers in machine.items():
        for trigger, following in triggers.items():
            yield f"    {state.value} --> {following.value}: {trigger.value}"
    yield "```"
    yield ""
    rows = [(state, trigger, following) for state, found in machine.items() for trigger, following in found.items()]
    yield from table(("state", "what happens", "next state"), ((a.value, b.value, c.value) for a, b, c in rows))


def purpose_page() -> Iterator[str]:
    """What readings may be used for."""
    yield MADE.format(source="`src/kwartier/gate/purposes.toml`")
    yield "# Purposes"
    yield ""
    yield "Nobody sees stored readings without one of these. Each grant is written down before its first row is shown."
    yield "The articles are references; their text has not been verified here. `kwartier register` prints the same of an"
    yield "installation, with all that a register of processing has to say besides."
    yield ""
    for one in purposes().values():
        yield from markdown_section(purpose_section(one))


def dictionary_page() -> Iterator[str]:
    """What is read of a meter, and what is never read."""
    yield MADE.format(
        source="`src/kwartier/cosem/allowed.toml`, `src/kwartier/gate/purposes.toml`"
        " and `src/kwartier/service/reports/not_read.toml`"
    )
    yield from markdown(dictionary()).splitlines()


def alert_page() -> Iterator[str]:
    """What somebody has to know, and what somebody has to do."""
    yield MADE.format(
        source="`src/kwartier/service/alerting/alerts.toml` and `src/kwartier/service/alerting/worklist.toml`"
    )
    yield "# Alerts, and the work list"
    yield ""
    yield "A running night looks each minute, `kwartier night alerts` when it is called. An alert is opened once, and ends when"
    yield "its condition was not found for ten minutes. How alerts are told stands in [how a night works](night.md)."
    yield ""
    yield from table(
        ("code", "what it means", "what to do first", "runbook"),
        (
            (f'<a id="{code}"></a>`{code}`', row.meaning, row.advice, f"`{runbook(code)}`")
            for code, row in meanings().items()
        ),
    )
    yield "## The work list"
    yield ""
    yield "`kwartier night worklist` lists the meters that no further try will read. The code is that of the newest night that"
    yield "tried the meter; *nights*: as many in a row until it is listed. Every other code is listed as `other` is."
    yield ""
    rows = ((f"`{code}`", one.text, one.who, one.nights) for code, one in causes().items())
    yield from table(("code", "cause", "who", "nights"), rows)


def rule_page() -> Iterator[str]:
    """What each rule of validation says, and what it has to know."""
    yield MADE.format(source="`src/kwartier/validate/rules/table.py` and `src/kwartier/validate/rules.toml`")
    yield "# Rules of validation"
    yield ""
    yield "What they say is a finding: a code, a stretch of quarters, a severity. *fail* refuses the quarters: their volume is"
    yield "made by a method of estimation. *warn* uses them as they are. A row that lacks what a rule needs is *not evaluated*,"
    yield "which is counted beside each run and never as passed. A row is evaluated if one of its registers is."
    yield ""
    yield "Meetcode 5.3.9 binds who measures large connections by telemetry, not a grid operator that reads the meters of"
    yield "households. It is followed **by analogy**, as the only public Dutch rules for interval data that were found, and"
    yield "under the Energiewet its articles may bear other numbers. What is marked *not verified* has numbers from memory,"
    yield "from other countries or of our own: read each as a default to be decided on, not as law."
    yield ""
    yield from table(
        ("rule", "says that", "severity", "needs", "source"),
        (
            (
                f'<a id="{one.code}"></a>`{one.code}`',
                one.says,
                one.severity,
                one.needs,
                one.source if one.is_verified else f"{one.source} (not verified)",
            )
            for one in RULES
        ),
    )
    yield "## Implemented, and where"
    yield ""
    yield from table(("rule", "implemented"), ((f"`{one.code}`", _implemented(one)) for one in RULES))
    yield "## Parameters"
    yield ""
    yield "A set holds from its day until the next one, and is never changed once it was used. A run and a settlement note the"
    yield "name of theirs. `rules.toml` says what each number is."
    yield ""
    for one in sets():
        yield f"### `{one.name}`, from {one.valid_from} on"
        yield ""
        rows = ((rule.code, rule.table, getattr(one, rule.table)) for rule in RULES if rule.table)
        yield from table(
            ("rule", "parameter", "value"),
            (
                (f"`{code}`", f"`{name}.{field.name}`", _shown(getattr(numbers, field.name)))
                for code, name, numbers in rows
                for field in fields(numbers)
            ),
        )
    yield "## Runs"
    yield ""
    yield from RUNS.format(ahead=LOOK_AHEAD, ago=MAX_AGO_DAYS, reach=MAX_HISTORY).splitlines()
    yield ""
    yield "## What a stack of rows costs"
    yield ""
    yield "`python -m bench rules` judges a million meters, from memory and from stored files. Rules over quarters that the"
    yield "screen knows look only at rows that it points at (`validate/screen.py`); `tests/validate/test_judging.py` holds that"
    yield "against looking at every row. A new rule is shown every row until the screen knows it. What it comes to stands in"
    yield "[performance.md](performance.md#validation-and-the-morning-after)."


def _implemented(one: Rule) -> str:
    if one.where:
        return one.where
    what = "each row as a whole" if one.over is Over.DAY else "the quarters of each row"
    module = "" if one.find is None else one.find.__module__.rpartition(".")[2]
    return f"yes, over {what}: `validate/rules/{module}.py`"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def estimation_page() -> Iterator[str]:
    """What is put in the place of quarters that are not known."""
    yield MADE.format(
        source="`src/kwartier/validate/estimate/methods.py`, `src/kwartier/validate/estimation.toml` and `docs/told.py`"
    )
    newest = estimation()[-1]
    numbers = {"linear_quarters": newest.linear_quarters, "like_days": newest.like_days}
    numbers["profile_beyond_days"] = newest.profile_beyond_days
    yield "# Estimation"
    yield ""
    yield from ESTIMATION.format(max_gap_days=MAX_GAP_DAYS, **numbers).splitlines()
    yield ""
    yield "## Methods"
    yield ""
    yield "In the order in which they are tried; the first that can be used is. E8 holds over all others."
    yield ""
    yield from table(
        ("code", "method", "when", "shape", "energy, if the registers do not tell it", "after"),
        (
            (one.code, one.title, one.when.format(**numbers), one.shape.format(**numbers), one.energy, one.source)
            for one in METHODS
        ),
    )
    yield "## Parameters"
    yield ""
    yield "Sets follow each other by the day from which they hold; a gap keeps to the set of its first day."
    yield ""
    names = [name for name in type(newest).__slots__ if name not in ("name", "like")]
    rows = (["`" + name + "`", *(_number(getattr(one, name)) for one in estimation())] for name in names)
    yield from table(("", *(one.name for one in estimation())), rows)
    yield "## Like days"
    yield ""
    yield "Which days of the week may stand for which, the best first; by the newest set."
    yield ""
    yield from table(("day", "like days"), ((one, ", ".join(newest.like[one])) for one in WEEKDAYS))


def _number(value: object) -> object:
    return ", ".join(value) if isinstance(value, tuple) else value


def openapi() -> Iterator[str]:
    """The interface of `kwartier serve`, for programs that read such documents."""
    yield json.dumps(routed().openapi(), indent=1, ensure_ascii=False)


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "errors.md": errors,
    "estimation.md": estimation_page,
    "commands.md": commands,
    "alerts.md": alert_page,
    "companions.md": companion_page,
    "dictionary.md": dictionary_page,
    "openapi.json": openapi,
    "pictures/completeness.svg": completeness_picture,
    "pictures/day.svg": day_picture,
    "purposes.md": purpose_page,
    "states.md": states,
    "validation.md": rule_page,
}


def main(check: bool) -> int:
    """Write the pages, or only say which of them are out of date."""
    stale = []
    for name, page in PAGES.items():
        text = "\n".join(page()).rstrip() + "\n"
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
    for name in stale:
        print(f"docs/{name} {'is out of date: run `make docs`' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
