"""The OpenAPI document: it says what there is, and whatever is asked by it ends in no error of the server."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from kwartier.service.home import open_home
from kwartier.web import limits
from kwartier.web.app import DOCUMENT, create_app, routed
from kwartier.web.limits import Rate
from kwartier.web.serving import Server, listening
from tests.conftest import ROOT
from tests.web.installation import PEOPLE, Served
from tests.web.test_serving import signed_in

WAIT_S = 20.0
FEW, MANY = 6, 150
ASKING = {
    "/api/v1/readings",
    "/api/v1/traces/{trace}",
    "/api/v1/volumes",
    "/api/v1/sums",
    "/api/v1/findings",
    "/api/v1/settlements/{day}/{version}",
    "/api/v1/settlements/{day}/{version}/since/{earlier}",
}


def test_the_document_is_that_of_the_program(here: Served) -> None:
    served = here.browser.get(DOCUMENT).json
    assert served == json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    assert str(served["openapi"]).startswith("3.1")


def test_every_route_with_readings_takes_a_purpose_and_a_reason_and_no_other_does() -> None:
    paths = routed().openapi()["paths"]
    asking = {
        path
        for path, methods in paths.items()
        if {"purpose", "reason"} <= {one["name"] for one in methods["get"].get("parameters", ())}
    }
    assert asking == ASKING
    assert {method for methods in paths.values() for method in methods} == {"get"}


def test_no_page_is_in_it() -> None:
    assert all(re.match(r"/api/v1/|/healthz|/readyz", path) for path in routed().openapi()["paths"])


@pytest.fixture
def line(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A real server on loopback that lets one ask as fast as a test does; its port."""
    for name in ("OF_ADDRESS", "OF_ACTOR", "SIGNING_IN"):
        monkeypatch.setattr(limits, name, Rate(burst=1_000_000, per_s=1.0))
    assert "operator" in PEOPLE
    with open_home(home) as opened, listening("127.0.0.1", 0) as own:
        ready = threading.Event()
        server = Server(create_app(opened), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        assert ready.wait(WAIT_S)
        yield own.getsockname()[1]
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_whatever_is_asked_by_the_document_ends_in_no_error_of_ours(
    line: int, examples: int, is_signed_in: bool
) -> None:
    """Whether it makes sense or not; event streams do not end, and are left out."""
    address = f"http://127.0.0.1:{line}"
    schema = schemathesis.openapi.from_dict(routed().openapi())
    cookie = signed_in(line) if is_signed_in else ""
    for result in schema.exclude(path_regex="/events$").get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case[Any]) -> None:
            answer = case.call(base_url=address, headers={"cookie": cookie} if cookie else {}, timeout=WAIT_S)
            case.validate_response(answer, checks=[not_a_server_error])

        ask()
