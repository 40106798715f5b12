"""What every test may rely on: skips that say why, and no key or home of the developer's own in the way.

A test that needs something of its machine calls ``skip_unless``. With ``KWARTIER_REQUIRE_ALL=1``, as in CI, nothing may be
skipped: what is missing fails instead. Only what lies in ``../shared``, which is no part of the project, may then still be
absent, and only all of it at once; the reason names it.

After each test what it logged and the errors that it met are searched for secrets (``secrecy.py``).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import secrecy

REQUIRE_ALL = "KWARTIER_REQUIRE_ALL"
ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
"""Recorded households and telegrams that lie beside the checkout."""

# The same examples on every run and every machine, and no verdict by how busy the machine is.
settings.register_profile("kwartier", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("kwartier")

WATCH = secrecy.listen()


def skip_unless(condition: bool, reason: str) -> None:
    """Go on if ``condition`` holds; else skip with ``reason``, or fail where everything must run."""
    if condition:
        return
    if _must_run(reason):
        pytest.fail(_complaint(reason), pytrace=False)
    pytest.skip(reason)


def _must_run(reason: str) -> bool:
    excused = "../shared" in reason and not SHARED.exists()
    return os.environ.get(REQUIRE_ALL) == "1" and not excused


def _complaint(reason: str) -> str:
    return f"{REQUIRE_ALL}=1, and yet: {reason}"


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KWARTIER_") and name != REQUIRE_ALL]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _nothing_secret_comes_out() -> Iterator[None]:
    yield
    found = WATCH.leaked()
    assert not found, "\n".join(found)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """A skip that came by another way than ``skip_unless`` fails just the same where everything must run."""
    del item
    if call.excinfo is None or not call.excinfo.errisinstance(pytest.skip.Exception):
        return
    reason = str(call.excinfo.value)
    if _must_run(reason):
        call.excinfo = pytest.ExceptionInfo.from_exception(pytest.fail.Exception(_complaint(reason), pytrace=False))
