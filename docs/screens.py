"""Screenshots of the console: run ``python docs/screens.py`` after a change of how pages look, and look at what comes out.

A demonstration is started as anybody starts it, and seen by who may see each page; a cell of its night is down.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

PICTURES = Path(__file__).parent / "pictures"
CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE = ViewportSize(width=1280, height=960)
LONG = ViewportSize(width=1280, height=1500)
SOME_OF_IT_MS = 75_000
"""How long the night goes on before it is looked at,"""
SETTLED_MS = 4_000
"""and how long a page is given to draw."""
REASON = "a picture for the documentation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A demonstration that runs."""

    address: str
    passwords: dict[str, str]
    ean: str
    first: str
    """The day that is settled."""
    night: str
    """The day that is being read."""


@contextmanager
def demonstration() -> Iterator[Shown]:
    """It is there until the block ends; its second night has begun."""
    words = [sys.executable, "-m", "kwartier", "demo", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        if demo.stdout is None:
            raise RuntimeError("the demonstration has no output")
        told = ""
        for line in demo.stdout:
            told += line
            if "is under way" in line:
                break
        try:
            first = re.search(r"night +(\d{4}-\d\d-\d\d)", told)
            night = re.search(r"the night of (\S+) is under way", told)
            address, ean = re.search(r"READY (\S+)/", told), re.search(r"of connection (\d{18})", told)
            if first is None or night is None or address is None or ean is None:
                raise RuntimeError(f"the demonstration did not get that far:\n{told}")
            passwords = dict(re.findall(r"^  (\w+) +(\S+)  \(", told, re.MULTILINE))
            yield Shown(address=address[1], passwords=passwords, ean=ean[1], first=first[1], night=night[1])
        finally:
            demo.terminate()
            demo.stdout.read()


def sign_in(page: Page, shown: Shown, name: str) -> None:
    """As one of the accounts."""
    page.context.clear_cookies()
    page.goto(f"{shown.address}/")
    page.fill("#name", name)
    page.fill("#password", shown.passwords[name])
    page.click("form.sign-in button")


def draw(page: Page, name: str, address: str) -> None:
    """One page into one picture."""
    page.goto(address)
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=PICTURES / f"{name}.png")


def main() -> None:
    """Every page, once."""
    with demonstration() as shown, sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport=LONG, locale="en-GB", color_scheme="light")
        sign_in(page, shown, "operator")
        page.goto(f"{shown.address}/tonight")
        page.get_by_role("button", name="Drop this cell").click()
        page.wait_for_timeout(SOME_OF_IT_MS)
        draw(page, "tonight", f"{shown.address}/tonight")
        page.set_viewport_size(SIZE)
        draw(page, "gaps", f"{shown.address}/gaps?days=7")
        page.set_viewport_size(LONG)
        sign_in(page, shown, "analyst")
        draw(page, "settlement", f"{shown.address}/settlement/{shown.first}?purpose=settlement&reason={REASON}")
        sign_in(page, shown, "customer")
        days = f"from={shown.first}&to={shown.first}"
        draw(page, "meter", f"{shown.address}/meter/{shown.ean}?purpose=customer&reason={REASON}&{days}")
        browser.close()


if __name__ == "__main__":
    main()
