"""Running a command of the program within the test, as the shell would."""

import os
import sys
from dataclasses import dataclass

import pytest

from kwartier.cli import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def run(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    """``kwartier WORDS``: its exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["kwartier", *words])
    code, before = 0, os.umask(0)
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    finally:
        os.umask(before)
    captured = capsys.readouterr()
    return Ran(code=code, out=captured.out, err=captured.err)


class Command:
    """``kwartier ...``"""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: object) -> Ran:
        """``kwartier WORDS``."""
        return run(*(str(word) for word in words), capsys=self._capsys, monkeypatch=self._monkeypatch)
