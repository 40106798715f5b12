"""The Chromium of this machine in front of a real server: whatever it complains about fails the test.

Nothing is downloaded: the browser is the system's. A violation of the policy, an error in the console or of a script, and a
request to anybody else are each a complaint.
"""

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from kwartier.service.home import open_home
from kwartier.web.app import create_app
from kwartier.web.serving import Server, listening
from tests.conftest import skip_unless
from tests.web.installation import PASSWORD

WAIT_S = 20.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"phone": (360, 800), "desktop": (1280, 900)}
VIOLATIONS = """document.addEventListener("securitypolicyviolation",
    (event) => console.error("policy", event.violatedDirective, event.blockedURI, event.sourceFile))"""


@dataclass(frozen=True, kw_only=True)
class Window:
    """The application on a real line, and the browser."""

    app: FastAPI
    address: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def page(
        self,
        *,
        scheme: Literal["light", "dark"] = "light",
        language: str = "nl",
        size: str = "desktop",
        scripts: bool = True,
    ) -> Iterator[Page]:
        """A window of its own, whose complaints are looked at when the block ends."""
        width, height = SIZES[size]
        context = self.browser.new_context(
            base_url=self.address,
            color_scheme=scheme,
            locale=language,
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
        )
        page = context.new_page()
        page.set_default_timeout(WAIT_S * 1_000)
        page.add_init_script(VIOLATIONS)
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(f"{error}"))
        page.on(
            "request", lambda asked: None if asked.url.startswith(self.address) else self.complaints.append(asked.url)
        )
        try:
            yield page
        finally:
            context.close()
        assert self.complaints == []

    def sign_in(self, page: Page, name: str) -> None:
        """By the form, as a person does."""
        page.goto("/sign-in")
        page.get_by_label("Naam").or_(page.get_by_label("Name")).fill(name)
        page.get_by_label("Wachtwoord").or_(page.get_by_label("Password")).fill(PASSWORD)
        page.get_by_role("button", name="Aanmelden").or_(page.get_by_role("button", name="Sign in")).click()
        page.get_by_role("button", name="Afmelden").or_(page.get_by_role("button", name="Sign out")).wait_for()


@contextmanager
def window(home: Path, wall: Callable[[], float] = time.time) -> Iterator[Window]:
    """A server over a home, and Chromium; both until the block ends. ``wall``: what time it thinks it is, in UTC seconds."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    skip_unless(found is not None, "there is no Chromium on this machine")
    with open_home(home) as opened, listening("127.0.0.1", 0) as line:
        app = create_app(opened, wall=wall, out=io.StringIO())
        ready = threading.Event()
        server = Server(app, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [line]})
        thread.start()
        try:
            assert ready.wait(WAIT_S)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
                yield Window(app=app, address=f"http://127.0.0.1:{line.getsockname()[1]}", browser=browser)
                browser.close()
        finally:
            server.should_exit = True
            thread.join(WAIT_S)
        assert not thread.is_alive()
