"""How far something long is: a bar on a terminal, else a line a minute, on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kwartier.cli.options import say

if TYPE_CHECKING:
    from kwartier.service.night import Progress

LINE_S = 60.0
"""How often a line is printed where there is no terminal."""


class Shown:
    """Progress: a bar on a terminal, else a line a minute."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar: Bar | None = None
        if sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}"), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True))
        self._task = None if self._bar is None else self._bar.add_task("", total=None, more="")
        self._next_s = time.monotonic() + LINE_S

    def __enter__(self) -> "Shown":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: "Progress") -> None:
        """How far the run is."""
        done = progress.already + progress.stored + progress.refused + progress.failed
        more = (
            f"{progress.open} open, {progress.waiting} to be tried again, {progress.refused + progress.failed} missed"
        )
        if progress.away:
            more += f", no visit begins: {progress.away}"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=progress.due, completed=done, more=more)
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + LINE_S
            say(f"{done} of {progress.due} meters, {more}")


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """What to tell, as the work goes on, how many are done and of how many."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    if not sys.stderr.isatty():
        following = time.monotonic() + LINE_S

        def say_sometimes(done: int, count: int) -> None:
            nonlocal following
            if time.monotonic() >= following:
                following = time.monotonic() + LINE_S
                say(f"{done} of {count} {what}")

        yield say_sometimes
        return
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)
