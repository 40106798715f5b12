"""What a page asks for before it shows consumption: by the purpose, and by who asks."""

from pathlib import Path

import pytest
from sqlalchemy import select

from kwartier.database import reading, writing
from kwartier.gate.permissions import Assessed, register
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution
from kwartier.service.two import ask, pairs_of
from kwartier.tables import accesses
from kwartier.web.asking import form
from kwartier.web.desk import Question
from kwartier.who.actor import Actor
from tests.market.files import ean
from tests.service.settling.village import DAY
from tests.service.validating.a_street import ONE_DAY
from tests.web.chromium import window
from tests.web.installation import Served

NOTHING = Question(purpose="", reason="", recipient="")
OF_DAY = f"from={DAY}&to={DAY}"
PAGE = f"/meter/{ean(3)}"


def somebody(*roles: str) -> Actor:
    return Actor(name="account:eva", roles=frozenset(roles), via="account")


@pytest.mark.parametrize(
    ("roles", "fields"),
    [
        (("operator",), []),
        (("customer",), []),
        (("mandate-holder",), []),
        (("customer-desk",), [("recipient", True, False)]),
        (("grid-planner",), [("use_case", True, True)]),
        (("fraud-investigator",), [("recipient", True, False), ("approval", True, True)]),
        (("fraud-investigator", "operator"), [("recipient", False, False), ("approval", False, False)]),
        (("customer", "fraud-investigator"), [("recipient", False, False), ("approval", False, False)]),
    ],
)
def test_a_form_has_the_fields_of_the_purposes_of_whoever_asks(
    roles: tuple[str, ...], fields: list[tuple[str, bool, bool]]
) -> None:
    found = form(somebody(*roles), NOTHING)
    assert [(one["name"], one["always"], one["required"]) for one in found["fields"]] == fields
    assert (found["kept"], found["query"]) == ({}, "")


def test_what_was_said_is_kept_but_for_an_approval() -> None:
    asked = Question(purpose="grid-operation", reason="a & b", recipient="piet")
    found = form(somebody("grid-planner"), asked, use_case="case 7")
    assert found["kept"] == {
        "purpose": "grid-operation",
        "reason": "a & b",
        "recipient": "piet",
        "use_case": "case 7",
    }
    assert found["query"] == "purpose=grid-operation&reason=a+%26+b&recipient=piet&use_case=case+7"


def test_who_may_see_nothing_without_a_purpose_is_asked_for_one(here: Served) -> None:
    browser = here.signed_in("investigator")
    for language, label in (("nl", "Goedkeuring"), ("en", "Approval")):
        text = browser.get(f"{PAGE}?{OF_DAY}", accept_language=language).text
        assert f'<label for="approval">{label}</label>' in text
        assert 'name="purpose" value="fraud-case"' in text
    assert browser.get(f"{PAGE}.json?{OF_DAY}").json["page"] is None
    assert here.signed_in("nobody").get(f"{PAGE}?{OF_DAY}").status == 403


def test_a_look_that_takes_two_is_had_once_and_says_for_whom(here: Served) -> None:
    browser = here.signed_in("investigator")
    why = f"{PAGE}.json?{OF_DAY}&purpose=fraud-case&reason=a+seal+is+broken&recipient=the+police"
    assert browser.get(why).json["code"] == "needs-approval"
    at = int(here.clock())
    scope = Scope(start=DAY, end=DAY + ONE_DAY, eans=(ean(3),))
    pairs = pairs_of(here.home.engine, here.home.settings)
    investigator = Actor(name="account:investigator", roles=frozenset({"fraud-investigator"}), via="account")
    officer = Actor(name="account:officer", roles=frozenset({"privacy-officer"}), via="account")
    name = ask(pairs, investigator, "fraud-case", scope, "a seal is broken", at=at)
    assert browser.get(f"{why}&approval={name}").json["code"] == "needs-approval", "nobody has approved of it"
    pairs.approve(name, officer, at=at)
    told = browser.get(f"{why}&approval={name}").json
    page = told["page"]
    assert isinstance(page, dict)
    assert page["consumption"] is not None
    assert browser.get(f"{why}&approval={name}").status == 403, "it serves once"
    with reading(here.home.engine) as connection:
        query = select(accesses.c.recipient).where(accesses.c.purpose == "fraud-case", accesses.c.verdict == "granted")
        assert connection.execute(query).scalars().all() == ["the police"]


def test_a_use_case_is_given_to_the_gate(here: Served) -> None:
    texts = dict.fromkeys(("title", "problem", "necessity", "subsidiarity", "proportionality", "assessor", "dpia"), "x")
    case = Assessed(
        **texts,
        id="seven",
        channels=("import_wh", "export_wh"),
        resolution=Resolution.QUARTER,
        area="",
        valid_from=DAY,
        valid_to=DAY + 30 * ONE_DAY,
    )
    with writing(here.home.engine) as connection:
        register(connection, case, by="os:test", at=int(here.clock()))
    browser = here.signed_in("planner")
    address = f"{PAGE}.json?{OF_DAY}&purpose=grid-operation&reason=a+question"
    assert browser.get(address).json["code"] == "no-use-case"
    told = browser.get(f"{address}&use_case=seven").json
    assert isinstance(told["asking"], dict)
    assert told["asking"]["kept"] == {"purpose": "grid-operation", "reason": "a question", "use_case": "seven"}
    text = browser.get(f"{address}&use_case=seven".replace(".json", "")).text
    assert text.count('<input type="hidden" name="use_case" value="seven">') == 1, "other days are asked for likewise"


def test_fields_of_a_purpose_are_shown_when_it_is_chosen(home: Path) -> None:
    with window(home) as found, found.page(language="en") as page:
        found.sign_in(page, "examiner")
        page.goto(f"{PAGE}?{OF_DAY}")
        approval, recipient = page.get_by_label("Approval"), page.get_by_label("Who gets to see it, if not you?")
        assert (approval.is_visible(), recipient.is_visible()) == (False, False)
        page.locator("input[value=fraud-case]").check()
        assert (approval.is_visible(), recipient.is_visible()) == (True, True)
        page.locator("input[value=settlement]").check()
        assert (approval.is_visible(), recipient.is_visible()) == (False, False)
