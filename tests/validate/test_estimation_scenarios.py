"""Every scenario of estimation: what is known of some meters, and the volumes that were computed by hand for it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kwartier.validate.estimate.methods import METHODS
from kwartier.validate.estimate.sheet import Substitute
from tests.conftest import ROOT
from tests.validate.estimation import run_of, stretches, table

SCENARIOS = ROOT / "tests" / "scenarios"
FOLDERS = sorted([*SCENARIOS.glob("given_e[1-8]_*"), *SCENARIOS.glob("given_exchange_*")])


def inputs(of: Mapping[str, object]) -> str:
    """What a substitute was made from, as ``then/substitutes.csv`` writes it."""
    said = [str(of["energy"])]
    if "shape" in of:
        said.append(f"shape {of['shape']}")
    if "reason" in of:
        said.append(str(of["reason"]))
    said += [f"{side} {'known' if of[f'{side}_known'] else 'unknown'}" for side in ("start", "end") if side in of]
    days = of.get("days")
    if isinstance(days, tuple):
        said.append(" ".join(days))
    return "; ".join(said + ["may still come"] * ("may_still_come" in of))


def line(one: Substitute) -> list[str]:
    """A substitute as ``then/substitutes.csv`` writes it."""
    what = [one.reading, one.channel, one.first, one.last, one.rule, one.method, one.quality.name.lower()]
    return [*map(str, what), inputs(one.inputs)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_volumes_are_those_that_were_computed_by_hand(folder: Path) -> None:
    expected = table(folder / "then", "volumes")
    made, found = [], []
    for one in table(folder / "when", "days"):
        outcome = run_of(folder / "when", int(one["run"]), date.fromisoformat(one["day"]), one["timezone"])
        made += [[one["run"], one["day"], *line(each)] for each in outcome.filled.substitutes]
        here = [row for row in expected if (row["run"], row["day"]) == (one["run"], one["day"])]
        for reading, channel in dict.fromkeys((row["id"], row["channel"]) for row in here):
            row = outcome.volumes.ids.tolist().index(int(reading))
            energy_wh, quality = outcome.volumes.energy_wh[channel][row], outcome.volumes.quality[channel][row]
            found += [[one["run"], one["day"], reading, channel, *each] for each in stretches(energy_wh, quality)]
    assert found == [list(row.values()) for row in expected]
    assert made == [list(row.values()) for row in table(folder / "then", "substitutes")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_wanted_is_bounded_and_lies_before(folder: Path) -> None:
    for one in table(folder / "when", "days"):
        outcome = run_of(folder / "when", int(one["run"]), date.fromisoformat(one["day"]), one["timezone"])
        days = {gap.until for gap in outcome.plan.gaps}
        assert all(wanted < max(days) for wanted in outcome.plan.wanted)
        assert all((np.diff(ids) > 0).all() for ids in outcome.plan.wanted.values())
        assert len(outcome.plan.wanted) <= 8 * 11


def test_every_method_is_reached_by_a_scenario() -> None:
    """E1 is a visit's; its part here is to be told that what is put may still be replaced."""
    rows = [row for folder in FOLDERS for row in table(folder / "then", "substitutes")]
    reached = {row["method"] for row in rows} | {"E1" for row in rows if row["inputs"].endswith("may still come")}
    assert reached == {one.code for one in METHODS}


def test_the_list_names_every_scenario() -> None:
    text = (SCENARIOS / "ESTIMATION.md").read_text("utf-8")
    assert [folder.name for folder in FOLDERS if f"`{folder.name}`" not in text] == []
