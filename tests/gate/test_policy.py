"""Whether somebody may: every rule says no where it should, all of them together are the matrix that was approved."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import explanations
from kwartier.fleet.readout import Mode
from kwartier.gate.policy import ALLOWED, MAX_NAMED, RULES, Approval, Facts, Mandate, Scope, UseCase, decide
from kwartier.gate.purposes import Hold, Resolution, Source, purposes
from kwartier.who.roles import roles
from tests.gate import matrix
from tests.gate.matrix import CASE, DAY, EAN, TOMORROW, facts
from tests.gate.rooms import Somebody

ONE = Scope(start=DAY, end=TOMORROW, eans=(EAN,))
ALL = Scope(start=DAY, end=TOMORROW)


def verdict(role: str, purpose: str, scope: Scope, known: Facts | None = None) -> tuple[str, str]:
    found = decide(Somebody("os:eva", frozenset({role})), purpose, scope, known or facts("os:eva"))
    assert found.allowed == (found.rule == ALLOWED)
    assert found.article
    assert found.reason
    return found.rule, found.reason


def test_the_matrix_is_the_one_that_was_approved() -> None:
    advice = "look at what changed; if it is meant, write it anew: python -m tests.gate.matrix"
    assert list(matrix.lines()) == matrix.FILE.read_text().splitlines(), advice


def test_nobody_has_anything_without_a_role_and_no_role_has_everything() -> None:
    approved = matrix.FILE.read_text().splitlines()
    assert f"{matrix.STRANGER:20} nothing at all" in approved
    for purpose in purposes():
        assert decide(Somebody("os:eva", frozenset()), purpose, ONE, facts("os:eva")).rule == "wrong-role"
    by_role: dict[str, set[str]] = {}
    for line in approved:
        by_role.setdefault(line.split()[0], set()).add(line.split()[1])
    assert all(len(found) < len(purposes()) for found in by_role.values())


def test_every_rule_is_explained_and_every_purpose_has_its_texts() -> None:
    for rule in RULES:
        assert explanations()[rule.code].leaf == "Denied", rule.code
    for purpose in purposes().values():
        assert set(purpose.text) == {"nl", "en"}
        assert purpose.ground
        assert purpose.verified or "not verified" in purpose.article
        assert purpose.minimum_group or not purpose.groups or purpose.exempt, "sums of few need a reason"
        assert purpose.who <= roles().keys(), "a role that nobody can have"
        assert purpose.avg in {"a", "c", "e", "none"}
        assert (purpose.avg == "none") == (purpose.eans == "20")


DENIALS: list[tuple[str, str, str, Scope, Facts | None, str]] = [
    ("no-purpose", "settlement", "", ALL, None, "say what the readings are for"),
    ("unknown-purpose", "settlement", "curiosity", ALL, None, "'curiosity' is none of"),
    (
        "purpose-not-in-force",
        "settlement",
        "settlement",
        ALL,
        replace(facts("os:eva"), today=date(2025, 12, 31)),
        "today",
    ),
    ("wrong-role", "analyst", "settlement", ALL, None, "os:eva is none of operator, settlement"),
    (
        "wrong-source",
        "customer-desk",
        "customer",
        replace(ONE, source=Source.METER),
        None,
        "nothing comes from the meter",
    ),
    (
        "no-consumption",
        "maintenance",
        "maintenance",
        replace(ONE, source=Source.METER, resolution=Resolution.DAY),
        None,
        "no consumption",
    ),
    ("too-fine", "mandate-holder", "mandate", replace(ONE, resolution=Resolution.QUARTER), None, "finest is day"),
    (
        "channel-not-shown",
        "settlement",
        "settlement",
        replace(ALL, channels=("power_w",)),
        None,
        "power_w is not shown",
    ),
    ("out-of-scope", "customer-desk", "customer", ALL, None, "have to be named"),
    ("out-of-scope", "settlement", "settlement", replace(ALL, end=DAY + timedelta(days=32)), None, "31 days, not 32"),
    ("out-of-scope", "test", "test", ONE, None, f"connection {EAN} may not be seen"),
    ("out-of-scope", "settlement", "settlement", replace(ALL, eans=("8",) * (MAX_NAMED + 1)), None, "at the most"),
    ("only-sums", "analyst", "statistics", ALL, None, "nothing of one connection"),
    ("only-sums", "analyst", "statistics", replace(ONE, by="grid_area"), None, "no connection is named"),
    ("only-sums", "validation", "validation", replace(ALL, by="brp"), None, "nothing is summed by brp"),
    ("no-use-case", "grid-planner", "grid-operation", ALL, replace(facts("os:eva"), use_case=None), "takes a use case"),
    (
        "no-use-case",
        "grid-planner",
        "grid-operation",
        replace(ALL, use_case="gone"),
        replace(facts("os:eva"), use_case=None),
        "there is no use case 'gone'",
    ),
    ("no-mandate", "mandate-holder", "mandate", ONE, replace(facts("os:eva"), mandates={}), "has no mandate"),
    ("no-mandate", "mandate-holder", "mandate", ONE, facts("os:adam"), "os:eva has no mandate"),
    ("not-own-connection", "customer", "customer", ONE, facts("os:adam"), "os:eva has no own"),
    (
        "needs-approval",
        "fraud-investigator",
        "fraud-case",
        ONE,
        replace(facts("os:eva"), approval=None),
        "somebody else",
    ),
    (
        "needs-approval",
        "fraud-investigator",
        "fraud-case",
        ONE,
        replace(facts("os:eva"), approval=Approval(requested_by="os:eva", approved_by="")),
        "nobody else",
    ),
    (
        "needs-approval",
        "fraud-investigator",
        "fraud-case",
        ONE,
        replace(facts("os:eva"), approval=Approval(requested_by="os:eva", approved_by="os:eva")),
        "nobody else",
    ),
    ("needs-approval", "fraud-investigator", "fraud-case", ONE, facts("os:adam"), "asked for by os:adam"),
    (
        "held",
        "validation",
        "validation",
        ONE,
        replace(facts("os:eva"), holds={EAN: frozenset({Hold.RESTRICTION})}),
        "there is a restriction",
    ),
    (
        "held",
        "grid-planner",
        "grid-operation",
        ONE,
        replace(facts("os:eva"), holds={EAN: frozenset({Hold.OBJECTION})}),
        "there is a objection",
    ),
    (
        "not-read-out",
        "settlement",
        "settlement",
        replace(ONE, source=Source.METER),
        replace(facts("os:eva"), modes={EAN: Mode.OPTED_OUT}),
        "is opted-out",
    ),
]


@pytest.mark.parametrize(("code", "role", "purpose", "scope", "known", "said"), DENIALS)
def test_each_rule_says_no_with_its_reason(
    code: str, role: str, purpose: str, scope: Scope, known: Facts | None, said: str
) -> None:
    rule, reason = verdict(role, purpose, scope, known)
    assert rule == code
    assert said in reason


def test_each_rule_is_tried() -> None:
    assert {rule.code for rule in RULES} <= {one[0] for one in DENIALS}


def test_with_everything_there_the_same_are_granted() -> None:
    assert verdict("grid-planner", "grid-operation", ALL)[0] == ALLOWED
    assert verdict("mandate-holder", "mandate", ONE)[0] == ALLOWED
    assert verdict("customer", "customer", ONE)[0] == ALLOWED
    assert verdict("fraud-investigator", "fraud-case", ONE)[0] == ALLOWED
    held = replace(facts("os:eva"), holds={EAN: frozenset(Hold)})
    assert verdict("settlement", "settlement", ONE, held)[0] == ALLOWED
    not_read = replace(facts("os:eva"), modes={EAN: Mode.NOT_REMOTE})
    assert verdict("maintenance", "maintenance", replace(ONE, source=Source.METER), not_read)[0] == ALLOWED
    assert verdict("settlement", "settlement", ONE, not_read)[0] == ALLOWED, "what is stored already is not asked for"


@pytest.mark.parametrize(
    ("case", "scope", "said"),
    [
        (replace(CASE, valid_to=DAY), ALL, "is over or not begun"),
        (replace(CASE, valid_from=TOMORROW, valid_to=date(2027, 1, 1)), ALL, "is over or not begun"),
        (replace(CASE, ended=True), ALL, "is over or not begun"),
        (replace(CASE, resolution=Resolution.DAY), ALL, "goes down to day"),
        (replace(CASE, channels=("import_wh",)), ALL, "has no export_wh"),
        (replace(CASE, area="Noord"), ALL, "about grid area Noord alone"),
        (replace(CASE, area="Noord"), replace(ALL, area="Zuid"), "about grid area Noord alone"),
    ],
)
def test_a_use_case_reaches_as_far_as_it_was_assessed_and_no_longer(case: UseCase, scope: Scope, said: str) -> None:
    known = replace(facts("os:eva"), use_case=case)
    rule, reason = verdict("grid-planner", "grid-operation", scope, known)
    assert (rule, said in reason) == ("no-use-case", True), reason


def test_a_mandate_ends() -> None:
    over = Mandate(holder="os:eva", kind="mandate", valid_from=DAY - timedelta(days=9), valid_to=DAY)
    assert (
        verdict("mandate-holder", "mandate", ONE, replace(facts("os:eva"), mandates={EAN: [over]}))[0] == "no-mandate"
    )


def test_where_no_consumption_is_asked_for_no_register_is_named() -> None:
    scope = replace(ALL, resolution=Resolution.NONE).reduced(purposes()["settlement"])
    assert scope.channels == ()


days = st.dates(date(2020, 1, 1), date(2030, 1, 1))


@given(
    role=st.sampled_from([*sorted({role for one in purposes().values() for role in one.who}), "", "owner"]),
    purpose=st.sampled_from([*purposes(), "", "settlement ", "x" * 99]),
    start=days,
    end=days,
    today=days,
    eans=st.lists(st.sampled_from([EAN, "2", "871"]), max_size=3),
    source=st.sampled_from(Source),
    resolution=st.sampled_from([None, *Resolution]),
    by=st.sampled_from(["", "brp", "grid_area", "ean", "meter"]),
    case=st.sampled_from([None, CASE]),
    holds=st.dictionaries(st.sampled_from([EAN, "2"]), st.frozensets(st.sampled_from(Hold))),
)
def test_every_question_has_an_answer_and_what_is_granted_was_agreed_to_by_every_rule(
    role: str,
    purpose: str,
    start: date,
    end: date,
    today: date,
    eans: list[str],
    source: Source,
    resolution: Resolution | None,
    by: str,
    case: UseCase | None,
    holds: dict[str, frozenset[Hold]],
) -> None:
    scope = Scope(start=start, end=end, eans=tuple(eans), source=source, resolution=resolution, by=by)
    known = Facts(today=today, use_case=case, holds=holds)
    found = decide(Somebody("os:eva", frozenset({role})), purpose, scope, known)
    assert found.reason
    assert found.allowed == all(not reason for _, _, reason in found.steps)
    assert found.allowed == (found.rule == ALLOWED)
    if found.allowed:
        assert [step[0] for step in found.steps] == [rule.code for rule in RULES]
        assert role in purposes()[purpose].who
        assert not by or by in purposes()[purpose].groups
