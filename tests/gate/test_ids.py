"""The link between connections and readings."""

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest
from sqlalchemy import Engine, delete

from kwartier.database import writing
from kwartier.errors import StateError
from kwartier.gate import ids as room
from kwartier.gate.ids import Ids, Link, Links
from kwartier.tables import reading_ids

WANTED = [("E1", "M1", 2025), ("E1", "M1", 2026), ("E1", "M2", 2026), ("E2", "M3", 2026)]


def given(engine: Engine, wanted: list[tuple[str, str, int]] = WANTED) -> dict[Link, int]:
    with writing(engine) as connection:
        return Ids(engine).ids_of(connection, wanted)


def test_each_connection_meter_and_year_has_an_id_of_its_own_and_keeps_it(engine: Engine) -> None:
    first = given(engine)
    assert set(first) == {Link(*one) for one in WANTED}
    assert len(set(first.values())) == len(WANTED)
    assert given(engine) == first
    assert given(engine, [("E1", "M1", 2027)]).keys().isdisjoint(first)


def test_a_thousand_meters_are_linked_at_once(engine: Engine) -> None:
    wanted = [(f"E{number}", f"M{number}", 2026) for number in range(1_000)]
    found = given(engine, wanted)
    assert len(set(found.values())) == 1_000
    assert min(found.values()) < 0 < max(found.values())
    assert given(engine, wanted[::-1]) == found


def test_a_meter_that_moves_gets_another_id(engine: Engine) -> None:
    assert len(set(given(engine, [("E1", "M1", 2026), ("E2", "M1", 2026)]).values())) == 2


def test_a_look_up_over_new_year_finds_every_year_and_meter_of_the_connection(engine: Engine) -> None:
    found = given(engine)
    ids = Ids(engine)
    assert ids.of_connection("E1", (2025, 2026)) == {one: found[one] for one in found if one.ean == "E1"}
    assert set(ids.of_connection("E1", [2025])) == {Link("E1", "M1", 2025)}
    assert ids.of_connection("E9", [2026]) == {}
    assert ids.links_of([*found.values(), 12345]) == {number: link for link, number in found.items()}


def test_deleting_the_row_ends_the_link(engine: Engine) -> None:
    before = given(engine)[Link("E2", "M3", 2026)]
    with writing(engine) as connection:
        connection.execute(delete(reading_ids).where(reading_ids.c.ean == "E2"))
    assert Ids(engine).links_of([before]) == {}
    assert given(engine)[Link("E2", "M3", 2026)] != before


def test_many_ids_of_a_year_are_columns_in_the_order_of_ids(engine: Engine) -> None:
    found = {identity: link for link, identity in given(engine).items()}
    own = {identity: link for identity, link in found.items() if link.year == 2026}
    asked = np.array(sorted([*found, 12345]), np.int64)
    for many in (room.MANY, 1):  # one by one, and by going through the year
        with patch.object(room, "MANY", many):
            links = Ids(engine).within(asked, 2026)
        assert dict(zip(links.ids.tolist(), links, strict=True)) == own
        assert links.ids.tolist() == sorted(own)
        assert len(Ids(engine).within(np.zeros(0, np.int64), 2026)) == 0


def test_links_in_columns_are_links_when_they_are_asked_for() -> None:
    links = Links.made({7: Link("E2", "M3", 2026), -5: Link("E1", "M10", 2026), 9: Link("E1", "M2", 2026)}, 2026)
    assert links.ids.tolist() == [-5, 7, 9]
    assert [links[0], links[-1]] == [Link("E1", "M10", 2026), Link("E1", "M2", 2026)]
    assert list(links[1:]) == [Link("E2", "M3", 2026), Link("E1", "M2", 2026)]
    assert list(links.take(links.eans == b"E1")) == [Link("E1", "M10", 2026), Link("E1", "M2", 2026)]
    assert list(links.of(np.array([9, -5], np.int64))) == [Link("E1", "M2", 2026), Link("E1", "M10", 2026)]
    assert "E1" not in repr(links)


def test_a_number_that_is_taken_is_drawn_again(engine: Engine) -> None:
    taken = given(engine, [("E1", "M1", 2026)])[Link("E1", "M1", 2026)]
    numbers: Iterator[int] = iter([taken, 7])
    with patch.object(room, "_draw", lambda: next(numbers)):
        assert given(engine, [("E2", "M2", 2026)]) == {Link("E2", "M2", 2026): 7}


def test_numbers_that_are_always_taken_are_an_error(engine: Engine) -> None:
    taken = given(engine, [("E1", "M1", 2026)])[Link("E1", "M1", 2026)]
    with patch.object(room, "_draw", lambda: taken), pytest.raises(StateError) as caught:
        given(engine, [("E2", "M2", 2026)])
    assert caught.value.code == "no-reading-id"
