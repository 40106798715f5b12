"""The routes give what the commands give, to whom the gate says, and for a purpose and a reason that are on record."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import pyarrow
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc
from sqlalchemy import select

from kwartier.database import reading
from kwartier.service.settling import telling
from kwartier.service.settling.versions import Versions
from kwartier.tables import accesses
from kwartier.web.pages import MAX_LIMIT
from tests.market.files import ean
from tests.service.settling.village import DAY, HOMES, ONE_DAY, READ, UNREAD, used_wh
from tests.web.browser import Browser
from tests.web.installation import Served

WHY = "purpose=settlement&reason=a%20question"
PERIOD = f"from={DAY}&to={DAY + ONE_DAY}"
OF_ONE = f"ean={ean(3)}&{PERIOD}"
ASKING = (
    f"/api/v1/readings?{OF_ONE}&",
    f"/api/v1/volumes?{OF_ONE}&",
    f"/api/v1/sums?date={DAY}&by=brp&",
    f"/api/v1/findings?date={DAY}&",
    f"/api/v1/settlements/{DAY}/1?",
    f"/api/v1/settlements/{DAY}/1/since/1?",
)
"""Every route that yields readings, volumes, or sums of them."""


def recorded(here: Served) -> list[tuple[str, str, str, str]]:
    """Every grant that was asked for since the village was settled: who, purpose, reason, verdict."""
    shown = (accesses.c.actor, accesses.c.purpose, accesses.c.reason, accesses.c.verdict)
    with reading(here.home.engine) as connection:
        rows = connection.execute(select(*shown).where(accesses.c.actor != "os:test").order_by(accesses.c.at)).all()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def listed(told: Mapping[str, object], name: str) -> list[dict[str, Any]]:
    found = told[name]
    assert isinstance(found, list)
    return found


def items(told: Mapping[str, object]) -> list[dict[str, Any]]:
    return listed(told, "items")


def from_arrow(octets: bytes) -> pyarrow.Table:
    with ipc.open_stream(octets) as stream:
        return stream.read_all()


def from_parquet(octets: bytes) -> pyarrow.Table:
    return pq.read_table(io.BytesIO(octets))


@pytest.mark.parametrize("path", ASKING)
def test_without_a_purpose_nothing_is_shown_and_the_refusal_is_on_record(here: Served, path: str) -> None:
    browser = here.signed_in("keeper")
    for given, code in (("", "no-purpose"), ("purpose=curiosity&reason=why", "unknown-purpose")):
        answer = browser.get(f"{path}{given}")
        assert (answer.status, answer.json["code"]) == (403, code)
    assert [(who, verdict) for who, _, _, verdict in recorded(here)] == [
        ("account:keeper", "no-purpose"),
        ("account:keeper", "unknown-purpose"),
    ]


@pytest.mark.parametrize("path", ASKING)
@pytest.mark.parametrize("reason", ["", "&reason=", "&reason=%20%20"])
def test_without_a_reason_nothing_is_shown(here: Served, path: str, reason: str) -> None:
    answer = here.signed_in("keeper").get(f"{path}purpose=settlement{reason}")
    assert (answer.status, answer.json["code"]) == (400, "no-reason")
    assert recorded(here) == []


@pytest.mark.parametrize("path", ASKING)
def test_who_asks_has_to_have_the_role(here: Served, path: str) -> None:
    assert here.browser.get(f"{path}{WHY}").status == 401
    for name in ("nobody", "customer"):
        answer = here.signed_in(name).get(f"{path}{WHY}")
        assert (answer.status, answer.json["code"]) == (403, "wrong-role")
    assert {verdict for _, _, _, verdict in recorded(here)} == {"wrong-role"}


@pytest.mark.parametrize("path", ASKING)
def test_each_look_is_on_record_with_purpose_and_reason(here: Served, path: str) -> None:
    answer = here.signed_in("settler").get(f"{path}{WHY}")
    assert answer.status == 200, answer.text
    assert recorded(here) == [("account:settler", "settlement", "a question", "granted")]


def test_readings_are_what_the_meter_counted_in_every_form(here: Served) -> None:
    browser, path = here.signed_in("settler"), f"/api/v1/readings?{OF_ONE}&{WHY}"
    (told,) = listed(browser.get(path).json, "readings")
    expected = [1_000 + used_wh(3, "import") * place for place in range(97)]
    assert [row["import_wh"] for row in (told["opening"], *told["rows"])] == expected
    answer = browser.get(path, accept="text/csv")
    assert answer.header("cache-control") == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["import_wh"]) for row in rows] == expected
    for accept, read in (
        ("application/vnd.apache.arrow.stream", from_arrow),
        ("application/vnd.apache.parquet", from_parquet),
    ):
        answer = browser.get(path, accept=accept)
        assert answer.header("content-type") == accept
        assert read(answer.body)["import_wh"].to_pylist() == expected


def test_volumes_say_how_each_quarter_came_about(here: Served) -> None:
    browser = here.signed_in("settler")
    (told,) = listed(browser.get(f"/api/v1/volumes?{OF_ONE}&{WHY}").json, "volumes")
    assert (told["meter"], told["run"], len(told["quarters"])) == ("m3", 1, 96)
    assert {row["import_wh"] for row in told["quarters"]} == {used_wh(3, "import")}
    assert {row["import_quality"] for row in told["quarters"]} == {"measured"}
    table = from_parquet(browser.get(f"/api/v1/volumes.parquet?{OF_ONE}&{WHY}").body)
    assert (table.num_rows, table["import_wh"].to_pylist()[0]) == (96, used_wh(3, "import"))
    unread = f"ean={ean(UNREAD)}&{PERIOD}"
    assert browser.get(f"/api/v1/volumes?{unread}&{WHY}").json == {"volumes": []}
    empty = browser.get(f"/api/v1/volumes?{unread}&{WHY}", accept="application/vnd.apache.arrow.stream")
    assert from_arrow(empty.body).schema.field("import_wh").type == pyarrow.int64()


def test_a_connection_that_nobody_knows_is_not_found(here: Served) -> None:
    browser = here.signed_in("settler")
    for route in ("readings", "volumes"):
        answer = browser.get(f"/api/v1/{route}?ean={ean(99)}&{PERIOD}&{WHY}")
        assert (answer.status, answer.json["code"]) == (404, "unknown-connection")


def test_sums_are_those_of_the_gate(here: Served) -> None:
    told = here.signed_in("settler").get(f"/api/v1/sums?date={DAY}&by=grid_area&{WHY}").json
    sums = {one["group"]: one for one in listed(told, "sums")}
    expected = sum(used_wh(one, "import") for one in READ if one < 16)
    assert set(sums["A"]["energy_wh"]["import_wh"]) == {expected}


def test_settlements_are_listed_shown_and_compared(here: Served) -> None:
    browser = here.signed_in("settler")
    (one,) = items(browser.get("/api/v1/settlements").json)
    assert (one["date"], one["version"], one["state"]) == (f"{DAY}", 1, "published")
    of_day = browser.get(f"/api/v1/settlements/{DAY}").json["versions"]
    assert of_day == [one]
    told = browser.get(f"/api/v1/settlements/{DAY}/1?{WHY}").json
    found = Versions(here.home.engine).settled(DAY, 1)
    assert {name: told[name] for name in ("areas", "sums", "checks")} == {
        name: value for name, value in json.loads(json.dumps(telling.settlement(found))).items() if name != "date"
    }
    quarters = listed(browser.get(f"/api/v1/settlements/{DAY}/1?{WHY}&quarters=true").json, "sums")
    assert len(quarters[0]["quarters"]["energy_wh"]) == 96
    rows = list(csv.DictReader(io.StringIO(browser.get(f"/api/v1/settlements/{DAY}/1.csv?{WHY}").text)))
    assert len(rows) == len(found.sums)
    same = browser.get(f"/api/v1/settlements/{DAY}/1/since/1?{WHY}").json
    assert (same["areas"], same["sums"]) == ([], [])
    answer = browser.get(f"/api/v1/settlements/{DAY}/2?{WHY}")
    assert (answer.status, answer.json["code"]) == (404, "no-such-version")


def test_sums_of_settlement_are_for_settlement(here: Served) -> None:
    answer = here.signed_in("keeper").get(f"/api/v1/settlements/{DAY}/1?purpose=validation&reason=why")
    assert (answer.status, answer.json["code"]) == (403, "other-purpose")


def test_findings_of_a_day_without_a_run_are_not_found(here: Served) -> None:
    browser = here.signed_in("keeper")
    answer = browser.get(f"/api/v1/findings?date={DAY + ONE_DAY}&purpose=validation&reason=why")
    assert (answer.status, answer.json["code"]) == (404, "not-validated")
    told = browser.get(f"/api/v1/findings?date={DAY}&purpose=validation&reason=why").json
    assert told == {"date": f"{DAY}", "run": 1, "items": [], "next": None}


def test_a_night_that_was_not_is_not_found(here: Served) -> None:
    browser = here.signed_in("operator")
    answer = browser.get(f"/api/v1/night/{DAY}")
    assert (answer.status, answer.json["code"]) == (404, "no-such-night")
    assert browser.get(f"/api/v1/night/{DAY}/gaps").json == {"items": [], "next": None}


@pytest.mark.parametrize("path", ["/api/v1/meters", f"/api/v1/night/{DAY}", "/api/v1/settlements"])
def test_figures_of_the_fleet_are_not_for_customers(here: Served, path: str) -> None:
    for name in ("customer", "nobody"):
        answer = here.signed_in(name).get(path)
        assert (answer.status, answer.json["code"]) == (403, "no-role")


def test_connections_are_shown_to_the_registry_alone(here: Served) -> None:
    seen = {name: items(here.signed_in(name).get("/api/v1/meters").json) for name in ("keeper", "operator")}
    assert [row["meter"] for row in seen["keeper"]] == [row["meter"] for row in seen["operator"]]
    assert {row["ean"] for row in seen["operator"]} == {None}
    assert {row["ean"] for row in seen["keeper"]} == {ean(one) for one in range(HOMES)}


# Pages.


def walked(browser: Browser, limit: int) -> list[object]:
    """Every meter, a page at a time."""
    found: list[object] = []
    cursor = ""
    while True:
        told = browser.get(f"/api/v1/meters?limit={limit}{cursor}").json
        found += [row["meter"] for row in items(told)]
        if told["next"] is None:
            return found
        assert len(items(told)) == limit
        cursor = f"&cursor={told['next']}"


@pytest.mark.parametrize("limit", [1, 7, HOMES - 1, HOMES, MAX_LIMIT])
def test_pages_leave_out_nobody_and_name_nobody_twice(here: Served, limit: int) -> None:
    assert walked(here.signed_in("operator"), limit) == sorted(f"m{one}" for one in range(HOMES))


def test_a_cursor_is_of_its_address_its_question_and_this_server(here: Served) -> None:
    browser = here.signed_in("operator")
    cursor = str(browser.get("/api/v1/meters?limit=2").json["next"])
    assert browser.get(f"/api/v1/meters?limit=5&cursor={cursor}").status == 200
    bent = ("A" if cursor[0] != "A" else "B") + cursor[1:]  # of the last character some bits say nothing
    for path in (
        f"/api/v1/meters?on={DAY}&cursor={cursor}",
        f"/api/v1/settlements?cursor={cursor}",
        f"/api/v1/meters?cursor={bent}",
        "/api/v1/meters?cursor=Zm9v",
        "/api/v1/meters?cursor=%C3%A9",
        f"/api/v1/meters?cursor={'A' * 1025}",
    ):
        answer = browser.get(path)
        assert (answer.status, answer.json["code"]) in [(400, "bad-cursor"), (400, "bad-argument")]
    assert "m1" not in cursor


@pytest.mark.parametrize("limit", ["0", "-1", f"{MAX_LIMIT + 1}", "many"])
def test_a_page_has_a_bound(here: Served, limit: str) -> None:
    answer = here.signed_in("operator").get(f"/api/v1/meters?limit={limit}")
    assert (answer.status, answer.json["code"]) == (400, "bad-argument")
    assert limit not in str(answer.json["detail"]).split()


# Forms and tags.


def test_a_form_that_is_not_told_is_refused_before_anything_is_looked_at(here: Served) -> None:
    browser = here.signed_in("settler")
    for path, accept in (
        (f"/api/v1/readings?{OF_ONE}&{WHY}", "image/png"),
        (f"/api/v1/sums?date={DAY}&by=brp&{WHY}", "text/csv"),
        (f"/api/v1/sums.csv?date={DAY}&by=brp&{WHY}", ""),
        (f"/api/v1/readings?{OF_ONE}&{WHY}", "application/json;q=0"),
    ):
        answer = browser.get(path, accept=accept)
        assert (answer.status, answer.json["code"]) == (406, "not-acceptable")
    assert recorded(here) == []


def test_the_end_of_an_address_asks_for_a_form(here: Served) -> None:
    browser = here.signed_in("operator")
    for end, form in ((".json", "application/json"), (".csv", "text/csv")):
        answer = browser.get(f"/api/v1/meters{end}", accept="text/html")
        assert (answer.status, answer.header("content-type").partition(";")[0]) == (200, form)


def test_what_is_known_is_not_told_again(here: Served) -> None:
    browser = here.signed_in("settler")
    path = f"/api/v1/settlements/{DAY}/1?{WHY}"
    first = browser.get(path)
    tag = first.header("etag")
    again = browser.get(path, if_none_match=f'"other", {tag}')
    assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
    assert browser.get(path, if_none_match='"other"').status == 200
    assert browser.get(path, accept="text/csv", if_none_match=tag).status == 200
    # Whether it is new or not, somebody looked.
    assert len(recorded(here)) == 4


@pytest.mark.parametrize(
    "query",
    [
        "ean=1&" + PERIOD,
        f"ean={ean(3)}&from=nonsense&to={DAY}",
        f"ean={ean(3)}",
        f"ean={ean(3)}&from=0001-01-01&to=9999-12-31",
    ],
)
def test_a_question_that_makes_no_sense_is_a_problem(here: Served, query: str) -> None:
    answer = here.signed_in("settler").get(f"/api/v1/readings?{query}&{WHY}")
    assert answer.status == 400
    assert answer.header("content-type") == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "advice", "retry"} == answer.json.keys()
    explained = here.browser.get(str(answer.json["type"]))
    assert (explained.status, explained.json["code"]) == (200, answer.json["code"])
