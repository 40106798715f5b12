"""What is logged and counted: by templates of routes, from a closed list of fields, and about nobody."""

import io
import json

from kwartier.web.logs import FIELDS, journal
from tests.market.files import ean
from tests.service.settling.village import DAY, ONE_DAY
from tests.web.installation import Served

READINGS = f"/api/v1/readings?ean={ean(3)}&from={DAY}&to={DAY + ONE_DAY}&purpose=settlement&reason=a%20question"


def lines(here: Served) -> list[dict[str, object]]:
    return [json.loads(line) for line in here.log.getvalue().splitlines()]


def test_a_request_is_a_line_by_the_template_of_its_route(here: Served) -> None:
    browser = here.signed_in("settler", "10.9.8.7")
    browser.get(READINGS)
    browser.get(f"/api/v1/settlements/{DAY}/7?purpose=settlement&reason=why")
    browser.get(f"/somewhere/{ean(3)}")
    browser.ask(f"X{ean(3)}", "/", {})
    last = lines(here)[-4:]
    assert [(one["route"], one["status"], one.get("code")) for one in last] == [
        ("/api/v1/readings", 200, None),
        ("/api/v1/settlements/{day}/{version}", 404, "no-such-version"),
        ("unmatched", 404, "no-such-page"),
        ("/", 405, "bad-method"),
    ]
    for word in (ean(3), "question", "settler", "10.9.8.7", f"{DAY}", "1000"):
        assert word not in here.log.getvalue()
    assert all(one.keys() <= FIELDS for one in lines(here))


def test_a_field_that_nobody_listed_is_left_out() -> None:
    out = io.StringIO()
    journal(out).warning("something", ean=ean(3), code="held")
    told = json.loads(out.getvalue())
    assert (told["event"], told["level"], told["code"]) == ("something", "warning", "held")
    assert ean(3) not in out.getvalue()


def test_what_is_counted_names_routes_and_codes_alone(here: Served) -> None:
    browser = here.signed_in("settler")
    browser.get(READINGS)
    browser.get(READINGS.replace("purpose=settlement", ""))
    text = browser.get("/metrics").text
    assert 'kwartier_http_requests_total{method="GET",route="/api/v1/readings",status="200"} 1.0' in text
    assert 'kwartier_http_refusals_total{code="no-purpose"} 1.0' in text
    assert "kwartier_sessions 1.0" in text
    assert ean(3) not in text
    assert "settler" not in text


def test_whether_it_is_ready_is_looked_at_now(here: Served) -> None:
    assert here.browser.get("/healthz").json == {"state": "alive"}
    ready = here.browser.get("/readyz")
    assert (ready.status, ready.json["checks"]) == (200, {"database": True, "log": True, "store": True})
    here.home.engine.dispose()
    (here.home.path / "kwartier.db").rename(here.home.path / "elsewhere.db")
    (here.home.path / "kwartier.db").mkdir()
    ready = here.browser.get("/readyz")
    assert (ready.status, ready.json["state"]) == (503, "not-ready")
    assert ready.json["checks"] == {"database": False, "log": True, "store": True}
    assert here.browser.get("/healthz").status == 200
