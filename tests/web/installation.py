"""An installation with a server before it: the village of settlement, whose every figure is known, and people with accounts.

Each account has one role. Their passwords cost next to nothing to check: what that costs is tested where accounts are.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from kwartier.service.home import Home, open_home
from kwartier.service.settling.run import settle
from kwartier.web.app import create_app
from kwartier.who.accounts import Accounts, Cost
from tests.service.settling.village import DAY, village
from tests.somebody import TESTER
from tests.web.browser import Browser, browsing

PASSWORD = "correct horse battery"
PEOPLE = {
    "operator": ("operator",),
    "settler": ("settlement",),
    "keeper": ("registry", "settlement", "validation"),
    "officer": ("privacy-officer",),
    "desk": ("customer-desk",),
    "fitter": ("maintenance",),
    "customer": ("customer",),
    "planner": ("grid-planner",),
    "investigator": ("fraud-investigator",),
    "examiner": ("fraud-investigator", "operator"),
    "nobody": (),
}
CHEAP = Cost(n=2, r=1, p=1)


class Clock:
    """What time the server thinks it is, in UTC seconds; its other clock goes along."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@dataclass(frozen=True, kw_only=True)
class Served:
    """The installation, the application over it, a browser, its clock and its log."""

    home: Home
    app: FastAPI
    browser: Browser
    clock: Clock
    log: io.StringIO

    def signed_in(self, name: str, address: str = "127.0.0.1") -> Browser:
        """Another browser, in which somebody has signed in."""
        browser = self.another(address)
        answer = browser.sign_in(name, PASSWORD)
        assert answer.status == 303, answer.text
        return browser

    def another(self, address: str = "127.0.0.1") -> Browser:
        """A browser that has been nowhere."""
        return Browser(app=self.app, loop=self.browser.loop, address=address)


def installed(folder: Path) -> Path:
    """The village, settled once, with its people."""
    with village(folder) as there:
        settle(there.home, DAY, actor=TESTER, reason="test", at=there.at)
        let_in(there.home, there.at)
        return there.home.path


def let_in(home: Home, at: int) -> None:
    """People with accounts and roles; who has opened the home already knows nothing of the roles."""
    known = Accounts(home.engine, simulated=lambda: True, cost=CHEAP)
    for name in PEOPLE:
        known.add(name, PASSWORD, by="os:test", at=at)
    lines = "".join(f'"account:{name}" = {list(roles)!r}\n' for name, roles in PEOPLE.items() if roles)
    with (home.path / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.write("\n[roles]\n" + lines.replace("'", '"'))


@contextmanager
def served(path: Path, at: float) -> Iterator[Served]:
    """A server over a home until the block ends."""
    clock, log = Clock(at), io.StringIO()
    with open_home(path) as home:
        app = create_app(home, wall=clock, clock=clock, out=log)
        with browsing(app) as browser:
            yield Served(home=home, app=app, browser=browser, clock=clock, log=log)
