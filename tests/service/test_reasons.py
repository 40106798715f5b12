"""Every code, every mark of a missing register and every rule has one of the four reasons."""

import ast
import tomllib
from importlib.resources import files

import pytest

from kwartier.collect.claims import Verdict
from kwartier.errors import KwartierError, explanations
from kwartier.model import Missing
from kwartier.service.alerting import worklist
from kwartier.service.reasons import REASONS, Reason, of_code, of_missing, of_rule, said
from kwartier.validate.rules.table import RULES
from tests.conftest import ROOT

TABLE = tomllib.loads(files("kwartier.service").joinpath("reasons.toml").read_text("utf-8"))
DUE = ("no-rows", "not-tried", "peer-closed", "worker-lost", *(one.value for one in Verdict if not one.granted))


def test_every_code_has_a_reason_and_the_table_names_no_other() -> None:
    assert set(TABLE["leaf"]) == {leaf.__name__ for leaf in KwartierError.__subclasses__()}
    for code in explanations():
        assert of_code(code) in REASONS
    assert set(TABLE["codes"]) <= set(explanations()) | set(TABLE["due"])
    for code, reason in TABLE["codes"].items():
        known = explanations().get(code)
        assert known is None or TABLE["leaf"][known.leaf] != reason, f"{code} need not stand there"


def test_whatever_a_due_meter_carries_is_explained() -> None:
    source = ROOT / "src" / "kwartier"
    texts = {
        node.value
        for path in (source / "collect").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for code in {*DUE, *worklist.ours(), *(texts & explanations().keys())}:
        found = said(code)
        assert found.meaning, code
        assert found.advice, code
    assert (said("no-such-code").reason, said("no-such-code").advice) == (Reason.US, "")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("connect-timeout", Reason.RADIO),
        ("response-timeout", Reason.RADIO),
        ("association-refused", Reason.KEY),
        ("bad-tag", Reason.KEY),
        ("meter-without-keys", Reason.KEY),
        ("no-rows", Reason.METER),
        ("bad-row", Reason.METER),
        ("not-tried", Reason.US),
        ("worker-lost", Reason.US),
        ("already-read", Reason.US),
    ],
)
def test_reasons_of_what_happens_most(code: str, reason: Reason) -> None:
    assert of_code(code) is reason


def test_places_and_rules() -> None:
    assert set(TABLE["missing"]) == {one.name for one in Missing if one is not Missing.PRESENT}
    assert {of_missing(one) for one in Missing if one is not Missing.PRESENT} == {Reason.METER, Reason.US, Reason.RADIO}
    assert set(TABLE["rules"]) == {one.code for one in RULES}
    assert {of_rule(one.code) for one in RULES} == {Reason.METER, Reason.KEY, Reason.US}
