"""A settlement as bytes and rows, and what differs between two."""

import json
from dataclasses import replace
from datetime import date
from hashlib import sha256

import numpy as np

from kwartier.settle.difference import How, difference
from kwartier.settle.frozen import digest, frozen, rows, thawed
from kwartier.settle.tables import Area, AreaState, Check, Part, Settled, Sum

DAY = date(2026, 3, 29)
ENERGY = np.arange(92, dtype=np.int64) - 40


def a_sum(brp: str = "brp-1", **more: object) -> Sum:
    nothing = np.zeros(92, np.int64)
    one = Sum(
        grid_area="A",
        part=Part.METERED,
        direction="import",
        brp=brp,
        supplier="lev",
        method="cSMA",
        connections=3,
        energy_wh=ENERGY,
        calculated_wh=nothing,
        estimated_wh=nothing,
    )
    return replace(one, **more)  # type: ignore[arg-type]  # the fields are named by the test


def a_settlement(*sums: Sum, state: AreaState = AreaState.SETTLED, unread: int = 0) -> Settled:
    area = Area(grid_area="A", state=state, code="", reason="", connections=3, unread=unread)
    checks = (
        Check(grid_area="A", code="adds-up", passed=True, detail="0 of twice 92 quarters do not add up"),
        Check(grid_area="A", code="rows", passed=False, detail="é"),
    )
    return Settled(day=DAY, areas=(area,), sums=sums or (a_sum(),), checks=checks)


def test_the_bytes_are_json_that_anybody_can_write() -> None:
    said = json.loads(frozen(a_settlement()))
    assert said["sums"][0]["energy_wh"] == list(range(-40, 52))
    again = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert sha256(again).hexdigest() == digest(a_settlement())


def test_the_digest_is_what_it_was_when_the_form_was_decided() -> None:
    """Digests are kept in the audit log for good: the form may get another number, and not another meaning."""
    assert digest(Settled(day=DAY, areas=(), sums=(), checks=())) == (
        sha256(b'{"areas":[],"checks":[],"day":"2026-03-29","sums":[],"v":1}').hexdigest()
    )


def test_everything_is_in_the_digest() -> None:
    one = a_settlement()
    bit = np.zeros(92, np.int64)
    bit[91] = 1
    others = [
        a_settlement(a_sum(energy_wh=ENERGY + bit)),
        a_settlement(a_sum(calculated_wh=bit)),
        a_settlement(a_sum(estimated_wh=bit)),
        a_settlement(a_sum(brp="brp-2")),
        a_settlement(a_sum(supplier="other")),
        a_settlement(a_sum(method="SMA")),
        a_settlement(a_sum(direction="export")),
        a_settlement(a_sum(part=Part.PROFILED)),
        a_settlement(a_sum(connections=4)),
        a_settlement(state=AreaState.HELD),
        a_settlement(unread=1),
        replace(one, day=date(2026, 3, 30)),
        replace(one, checks=one.checks[:1]),
    ]
    assert len({digest(one), *map(digest, others)}) == 1 + len(others)


def test_rows_give_the_settlement_back_in_whatever_order_they_come() -> None:
    one = a_settlement(a_sum(), a_sum("brp-2"), a_sum("brp-3"))
    found = rows(one)
    assert found.sums[0]["energy_wh"] == b"".join(value.to_bytes(8, "little", signed=True) for value in ENERGY.tolist())
    assert frozen(thawed(DAY, found.areas[::-1], found.sums[::-1], found.checks[::-1])) == frozen(one)


def test_no_volume_is_in_a_repr() -> None:
    assert "51" not in repr(a_sum())


# Differences.


def test_a_settlement_does_not_differ_from_itself() -> None:
    found = difference(a_settlement(), a_settlement())
    assert (found.areas, found.sums) == ((), ())


def test_sums_are_added_gone_and_changed() -> None:
    later = np.array(ENERGY)
    later[3] -= 7
    later[50] += 5
    before = a_settlement(a_sum("brp-1"), a_sum("brp-2"))
    after = a_settlement(a_sum("brp-2", energy_wh=later, connections=2), a_sum("brp-3"))
    found = difference(before, after).sums
    assert [(one.brp, one.how) for one in found] == [
        ("brp-1", How.GONE),
        ("brp-2", How.CHANGED),
        ("brp-3", How.ADDED),
    ]
    total_wh = int(ENERGY.sum())
    assert [one.day_wh for one in found] == [-total_wh, -2, total_wh]
    assert [one.connections for one in found] == [-3, -1, 3]
    assert (found[1].quarters, found[1].quarter, found[1].quarter_wh) == (2, 3, -7)
    assert (found[2].quarters, found[2].quarter, found[2].quarter_wh) == (91, 91, 51)


def test_another_quality_of_the_same_volume_is_a_change_too() -> None:
    found = difference(a_settlement(a_sum(estimated_wh=ENERGY)), a_settlement()).sums
    assert [(one.how, one.day_wh, one.quarters) for one in found] == [(How.CHANGED, 0, 0)]


def test_areas_that_stand_otherwise_are_told() -> None:
    found = difference(a_settlement(unread=5), a_settlement(state=AreaState.HELD, unread=2)).areas
    assert [(one.before, one.after, one.unread) for one in found] == [(AreaState.SETTLED, AreaState.HELD, -3)]
    gone = difference(a_settlement(), Settled(day=DAY, areas=(), sums=(), checks=())).areas
    assert [(one.before, one.after) for one in gone] == [(AreaState.SETTLED, None)]
