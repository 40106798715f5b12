"""``kwartier trace``: what went over the line of a visit, byte for byte, for somebody who has to find out what is wrong."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, say

if TYPE_CHECKING:
    from kwartier.collect.traces import Trace
    from kwartier.service.tracing.view import Field, View

app = typer.Typer(help="Visits that are traced: what went over the line, byte for byte.", no_args_is_help=True)
MAX_WAIT_DAYS = 31
WAIT_DAYS = 3
BYTES_ON_A_LINE = 32

TraceArgument = Annotated[str, typer.Argument(metavar="TRACE", help="As `kwartier trace list` names it.")]
PurposeOption = Annotated[
    str, typer.Option("--purpose", help="What for: it decides whether values are shown (docs/purposes.md).")
]
WhyOption = Annotated[str, typer.Option("--reason", help="Why; it is written down.")]


@app.command("request")
def request(
    meter: Annotated[str, typer.Argument(metavar="METER", help="The meter of which the next visit is traced.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written down.")],
    days: Annotated[
        int, typer.Option("--days", min=1, max=MAX_WAIT_DAYS, help="For how many days the visit is waited for.")
    ] = WAIT_DAYS,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Have the next visit to a meter traced, whoever makes it. Needs the role maintenance or operator.

    What goes over the line is kept for seven days, as the meter protected it, and sealed under the key of its day.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.tracing import naming

    with open_home(home_folder(home)) as opened:
        made = naming.request(opened, meter, actor=actor(opened), reason=reason, days=days, wall=time.time)
    if as_json:
        print_json(made.as_json())
    else:
        print(made.id)


@app.command("list")
def list_traces(
    meter: Annotated[str, typer.Argument(metavar="[METER]", help="Of one meter only.")] = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the traces that are kept, and the visits that are waited for."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.tracing import naming

    with open_home(home_folder(home)) as opened:
        found = naming.listed(opened, actor=actor(opened), meter=meter, wall=time.time)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    header = ("trace", "meter", "state", "until", "visited", "outcome", "bytes", "by", "reason")
    print_many([_row(one) for one in found], header)


def _row(one: "Trace") -> tuple[str, ...]:
    table = one.as_json()
    names = ("trace", "meter", "state", "until", "visited_at", "outcome", "bytes", "requested_by", "reason")
    return tuple("" if table[name] is None else str(table[name]) for name in names)


@app.command("show")
def show(
    trace: TraceArgument,
    purpose: PurposeOption = "maintenance",
    reason: WhyOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show a trace frame by frame: each byte, and what it is. That you look is written down.

    For `maintenance` the structure is shown and no value, and nothing is deciphered; for `complaint` and `customer`, of the
    connection that it is about, the values too. Bytes that are not shown are two asterisks.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.tracing import looking

    with open_home(home_folder(home)) as opened:
        looked = looking.look(opened, trace, actor=actor(opened), purpose=purpose, reason=reason, wall=time.time)
        found = looked.view()
    if as_json:
        print_json(found.as_json())
        return
    for line in _lines(found):
        sys.stdout.write(line + "\n")
    say("values are not shown for this purpose" if found.masked else "values are shown: keep them where they belong")


def _lines(view: "View") -> Iterator[str]:
    """A frame after the other: its bytes, then what they are."""
    fields: dict[int, list[Field]] = {}
    starts = [frame.start for frame in view.frames]
    place = 0
    for one in view.fields:
        if one.layer in ("frame", "noise"):
            place = starts.index(one.at[0][0])
        fields.setdefault(place, []).append(one)
    for frame in view.frames:
        way = ">" if frame.sent else "<"
        said = " ".join([*frame.services, *([f"({frame.error})"] if frame.error else [])])
        yield f"{way} {frame.after_us / 1000:.1f} ms, line {frame.line}, bytes {frame.start} to {frame.stop}  {said}"
        for octets, mark in ((frame.octets, "  "), (frame.plain, "  = ")):
            for at in range(0, len(octets), 2 * BYTES_ON_A_LINE):
                yield mark + octets[at : at + 2 * BYTES_ON_A_LINE]
        for one in fields.get(frame.number, []):
            text = "**" if one.text is None else one.text
            yield f"    {one.at[0][0]:>6}  {'  ' * one.depth}{one.name}: {text}"


@app.command("copy")
def copy(
    trace: TraceArgument,
    purpose: PurposeOption = "",
    reason: WhyOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Copy a trace as a test case: the same structure, with values, titles and keys that are nobody's.

    The text may be given away and fits into a file of vectors. Making it deciphers the trace in memory, so it takes a purpose
    for which values are shown; that is written down.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor
    from kwartier.service.tracing import copying, looking

    with open_home(home_folder(home)) as opened:
        looked = looking.look(opened, trace, actor=actor(opened), purpose=purpose, reason=reason, wall=time.time)
        made = copying.cases(looked)
    if as_json:
        print_json([{"name": one.name, "text": one.text, "left_out": one.left_out} for one in made])
    else:
        sys.stdout.write("\n".join(one.text for one in made))
    left_out = sum(one.left_out for one in made)
    if left_out:
        say(f"{left_out} pieces that are no frames were left out")
