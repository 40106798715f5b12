"""The part of a page that only a demonstration has: an operator breaks things there, and nobody does anywhere else."""

import subprocess
import sys
from dataclasses import replace

import pytest

from kwartier.errors import StateError
from kwartier.service.demo.breaking import Act, Breaking, Broken
from tests.service.settling.village import DAY
from tests.web.browser import Answer, Browser
from tests.web.installation import Served

BREAK = f"/demonstration/{DAY}/break"


class Heard(Breaking):
    """What somebody broke."""

    def __init__(self) -> None:
        self.acts: list[tuple[Act, str]] = []
        self.error: StateError | None = None

    def do(self, act: Act, name: str) -> None:
        if self.error is not None:
            raise self.error
        self.acts.append((act, name))

    def stands(self) -> Broken:
        down = tuple(name for act, name in self.acts if act is Act.DROP_CELL)
        return Broken(cells=down, suppliers=(), up_cells=("cell-a", "cell-b"), up_suppliers=("Noord",))


def demonstrated(here: Served) -> Heard:
    heard = Heard()
    here.app.state.desk = replace(here.app.state.desk, breaking=heard)
    return heard


def broken(browser: Browser, act: str, name: str = "") -> Answer:
    token = browser.get("/tonight").token
    return browser.post(BREAK, {"csrf": token, "act": act, "name": name})


def test_an_operator_breaks_what_the_page_offers_and_sees_what_is_down(here: Served) -> None:
    heard = demonstrated(here)
    browser = here.signed_in("operator")
    page = browser.get(f"/tonight/{DAY}").text
    assert 'value="stop-worker"' in page
    assert 'value="mend"' not in page, "nothing is to be mended"
    answer = broken(browser, "drop-cell", "cell-b")
    assert (answer.status, answer.header("location")) == (303, f"/tonight/{DAY}#break")
    assert heard.acts == [(Act.DROP_CELL, "cell-b")]
    page = browser.get(f"/tonight/{DAY}").text
    assert 'value="mend"' in page
    assert "</strong> cell-b</p>" in page
    assert browser.get(f"/tonight/{DAY}.json").json["breaking"] == {
        "cells": ["cell-b"],
        "suppliers": [],
        "up_cells": ["cell-a", "cell-b"],
        "up_suppliers": ["Noord"],
        "whole": False,
    }


@pytest.mark.parametrize("name", ["settler", "officer", "customer", "nobody"])
def test_nobody_else_does_or_is_shown_how(here: Served, name: str) -> None:
    heard = demonstrated(here)
    browser = here.signed_in(name)
    token = browser.get("/").token
    assert browser.post(BREAK, {"csrf": token, "act": "stop-worker"}).status == 403
    shown = browser.get(f"/tonight/{DAY}")
    assert 'value="stop-worker"' not in shown.text
    assert heard.acts == []


def test_without_a_demonstration_there_is_nothing_to_break(here: Served) -> None:
    browser = here.signed_in("operator")
    assert 'value="stop-worker"' not in browser.get(f"/tonight/{DAY}").text
    assert broken(browser, "stop-worker").status == 404


def test_what_cannot_be_done_is_said_and_what_comes_from_elsewhere_refused(here: Served) -> None:
    heard = demonstrated(here)
    browser = here.signed_in("operator")
    assert broken(browser, "burn-it").status == 400
    assert browser.post(BREAK, {"act": "mend"}).status == 403, "no token of a page of ours"
    heard.error = StateError("night-not-running", "no process of a night is at work here")
    answer = broken(browser, "stop-worker")
    assert (answer.status, "night-not-running" in answer.text) == (409, True)
    assert heard.acts == []


def test_a_server_loads_no_simulator() -> None:
    asked = "import sys, kwartier.web.app; print([one for one in sys.modules if one.startswith('kwartier.simulate')])"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
