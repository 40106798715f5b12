"""Every scenario of a rule comes out as it was worked out by hand; each rule has one in which it fires and one in which not."""

import re
from pathlib import Path

import pytest

from kwartier.validate.judging import judge, judge_screened
from kwartier.validate.rules.rule import Over
from kwartier.validate.rules.table import RULES
from kwartier.validate.screen import suspects
from tests.validate.scenario import FOLDER, FOLDERS, When, findings, judged, lines, ordered

LISTS = sorted(FOLDER.glob("*.md"))
CODES = [rule.code for rule in RULES if rule.over is not Over.VISIT]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_rules_say_what_was_worked_out_by_hand(folder: Path) -> None:
    when = When(folder)
    day, then = when.known(), ordered(lines(folder / "then", "findings"))
    assert ordered(findings(when, judge(day, when.rules))) == then
    assert ordered(findings(when, judge_screened(day, when.rules, suspects))) == then
    assert ordered(judged(when)) == ordered(lines(folder / "then", "judged"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_rules_could_say_something_of_as_many_rows(folder: Path) -> None:
    when = When(folder)
    said = judge(when.known(), when.rules)
    for line in lines(folder / "then", "evaluated"):
        assert said.evaluated[line["code"]] == int(line["evaluated"]), line["code"]
        assert said.not_evaluated[line["code"]] == len(when.ids) - int(line["evaluated"]), line["code"]


@pytest.mark.parametrize("code", CODES)
def test_a_rule_has_a_scenario_in_which_it_fires_and_one_in_which_it_is_silent(code: str) -> None:
    name = "given_" + code.lower().replace("-", "_")
    fires, silent = FOLDER / f"{name}_fires" / "then", FOLDER / f"{name}_silent" / "then"
    assert fires.exists()
    assert silent.exists()
    said = {line["code"] for line in lines(fires, "findings")}
    said |= {line["code"] for line in lines(fires, "judged") if line["severity"]}
    assert code in said
    assert code not in {line["code"] for line in lines(silent, "findings")}
    assert not [line for line in lines(silent, "judged") if line["code"] == code and line["severity"]]


def test_every_folder_is_in_one_list_of_business_cases_and_nothing_else_is() -> None:
    listed = [name for one in LISTS for name in re.findall(r"`(given_\w+)`", one.read_text("utf-8"))]
    assert sorted(listed) == sorted(one.name for one in FOLDER.glob("given_*"))
