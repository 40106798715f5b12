"""``kwartier night alerts`` and ``kwartier night worklist``: what somebody has to know, and what somebody has to do."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, say

DAY_FORMAT = "%Y-%m-%d"
NightOption = Annotated[
    datetime | None,
    typer.Option("--date", formats=[DAY_FORMAT], help="The local day that the night read (default: yesterday)."),
]


def alerts(day: NightOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """What is wrong now, and what was in the last seven days; everything is looked at again, and told if it is new.

    A night looks by itself each minute. What only a running night knows - its pace, the clock of its host - is not looked at
    here, but shown.
    """
    from kwartier.service.alerting.watch import look_now
    from kwartier.service.home import open_home
    from kwartier.service.night import yesterday

    with open_home(home_folder(home)) as opened:
        wanted = yesterday(time.time(), opened.settings.timezone) if day is None else day.date()
        found = look_now(opened, wanted, wall=time.time, say=say)
    if as_json:
        print_json([one.table() for one in found])
        return
    rows = [
        (
            one.table()["at"],
            "open" if one.ended_at is None else one.table()["ended_at"],
            one.code,
            one.subject,
            one.text,
        )
        for one in found
    ]
    print_many([tuple(f"{cell}" for cell in row) for row in rows], ("since", "until", "code", "about", "what"))


def worklist(
    day: NightOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file that is written (default: stdout).")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """The meters that no further try will read, as CSV: who has to see to each, why, and since when."""
    from kwartier.disk import write_whole
    from kwartier.errors import InputError
    from kwartier.service.alerting.worklist import as_csv
    from kwartier.service.alerting.worklist import worklist as listed
    from kwartier.service.home import open_home
    from kwartier.service.night import yesterday

    with open_home(home_folder(home)) as opened:
        wanted = yesterday(time.time(), opened.settings.timezone) if day is None else day.date()
        found = listed(opened, wanted)
    if as_json:
        print_json([one.table() for one in found])
    elif out is None:
        typer.echo(as_csv(found), nl=False)
    else:
        try:
            write_whole(out, as_csv(found).encode())
        except OSError as error:
            raise InputError("unwritable-file", f"{out}: {error.strerror}") from None
        say(f"{len(found)} line{'' if len(found) == 1 else 's'} in {out}")
