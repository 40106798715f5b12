"""What meters have in common, told from columns: the area, the cell and the kind of each."""

from collections.abc import Sequence

import numpy as np
import pytest

from kwartier.fleet.standing import Coded
from kwartier.names import names_of, places_in
from kwartier.service.validating.covered import Cohorts

FLEET = {
    "m0": ("noord", "c1", "Maker 1.0"),
    "m1": ("noord", "c2", "Maker 1.0"),
    "m2": ("noord", "c1", "Maker 1.0"),
    "m3": ("zuid", "c1", ""),
    "m4": ("noord", "c1", "Maker 2.0"),
}
NOTHING = ("", "", "")


def coded(texts: Sequence[str]) -> Coded:
    every = tuple(dict.fromkeys(texts))
    return Coded(every, np.array([every.index(text) for text in texts], np.int32))


def cohorts(meters: Sequence[str]) -> Cohorts:
    area, cell, kind = (coded([FLEET[one][axis] for one in meters]) for axis in range(3))
    return Cohorts(meters=names_of(meters), area=area, cell=cell, kind=kind)


@pytest.mark.parametrize("meters", [tuple(FLEET), ("m3",), ()])
def test_each_meter_is_in_the_group_of_its_area_cell_and_kind_and_any_other_in_one_of_its_own(
    meters: tuple[str, ...],
) -> None:
    there = cohorts(meters)
    names, groups = there.groups()
    asked = (*FLEET, "m", "m33", "unknown")
    found = [names[group] for group in groups[places_in(there.meters, names_of(asked))].tolist()]
    assert found == [FLEET[one] if one in meters else NOTHING for one in asked]
    assert names == [*sorted(set(names[:-1]), key=names.index), NOTHING], "no group is there twice"
    assert len(names) == len({FLEET[one] for one in meters}) + 1
