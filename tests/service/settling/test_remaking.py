"""A version comes out again bit for bit, whatever came later; or its inputs are lawfully gone, and it says so."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, update

from kwartier.database import writing
from kwartier.errors import Denied, InputError, StateError
from kwartier.gate.holds import Holds
from kwartier.gate.purposes import Hold
from kwartier.market.columns import Kind
from kwartier.service.home import open_home
from kwartier.service.settling import remaking
from kwartier.service.settling.again import EQUAL, GONE, Again
from kwartier.service.settling.making import made
from kwartier.service.settling.remaking import is_less, made_again
from kwartier.service.subject.carrying import carry_out
from kwartier.service.subject.erasing import Wish, erase
from kwartier.service.upkeep import tidy
from kwartier.settle.frozen import frozen
from kwartier.settle.tables import Part, Settled
from kwartier.store.retention import Retention
from kwartier.tables import erasures, requests
from tests.gate.rooms import EVA, Somebody
from tests.market.files import ean
from tests.service.settling.village import DAY, ONE_DAY, READ, UNREAD, Village, empty, noon_after, village

YEAR_LATER = noon_after(DAY, 365)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Village]:
    with village(tmp_path) as found:
        yield found


def once_more(here: Village, number: int = 1, at: int | None = None) -> Again:
    return made_again(here.home, here.day, number, actor=EVA, reason="", at=here.at + 900 if at is None else at)


def erased(here: Village, number: int, at: int = YEAR_LATER) -> None:
    wish = Wish(ean=ean(number), days=(DAY, DAY + ONE_DAY), ground="no-longer-needed", by="os:privacy")
    assert erase(here.home, wish, wall=lambda: at).decision.erased


@pytest.mark.parametrize("day", [DAY, date(2026, 3, 29), date(2026, 10, 25)])
def test_nothing_that_came_later_changes_what_a_version_is_made_from(tmp_path: Path, day: date) -> None:
    with village(tmp_path, day) as here:
        here.flows(Kind.INFEED, "B", more_wh=5_000)
        first = here.settle()
        assert [one.code for one in first.not_settled] == ["residual"]
        here.read([UNREAD], batch="late")
        here.read([5], more_wh=3, batch="corrected")
        here.validate([*READ, UNREAD], more_wh=3, raw_version=2)
        here.flows(Kind.INFEED)
        here.flows(Kind.LOSSES, more_wh=1)
        here.fleet(range(30), at=here.at + 60)
        tidy(here.home, keep_days=0, wall=lambda: here.at + 120)
        second = here.settle(here.at + 180)
        assert second.publication.version.version == 2
        for number, done in ((1, first), (2, second)):
            found = once_more(here, number)
            assert (found.is_made_again, found.note) == (True, EQUAL)
            assert frozen(found.settled) == frozen(done.settled)


def test_settings_that_were_changed_since_are_not_those_of_a_version(tmp_path: Path) -> None:
    with village(tmp_path, settings=("residual_share_bp = 0", "residual_floor_wh = 2400")) as here:
        assert [one.code for one in here.settle().not_settled] == ["residual"]
    path = tmp_path / "home" / "kwartier.toml"
    path.write_text(path.read_text().replace("2400", "24000"))
    with open_home(tmp_path / "home") as home:
        again = replace(here, home=home)
        assert once_more(again).note == EQUAL
        assert again.settle().not_settled == ()


def test_a_version_of_nothing_is_made_again(tmp_path: Path) -> None:
    with empty(tmp_path) as here:
        here.validate([])
        here.settle()
        assert once_more(here).note == EQUAL


@pytest.mark.parametrize("is_carried_out", [False, True])
def test_after_an_erasure_the_frozen_sums_are_given_with_a_note(here: Village, is_carried_out: bool) -> None:
    done = here.settle()
    erased(here, 4)
    if is_carried_out:
        assert carry_out(here.home, wall=lambda: YEAR_LATER + 60).rows
    found = once_more(here, at=YEAR_LATER + 120)
    assert (found.is_made_again, found.note) == (False, GONE)
    assert frozen(found.settled) == frozen(done.settled)


def test_an_erasure_of_what_no_sum_was_made_from_hinders_nothing(here: Village) -> None:
    here.settle()
    here.read([UNREAD], batch="late")
    erased(here, UNREAD)
    assert once_more(here, at=YEAR_LATER).note == EQUAL


def test_a_version_that_was_made_after_an_erasure_is_made_again(here: Village) -> None:
    erased(here, 4, at=noon_after(DAY, 165))
    # No day is open for so long; what counts is that the tombstone is older than the version.
    with writing(here.home.engine) as connection:
        connection.execute(update(requests).values(decided_at=here.at - 60))
    done = here.settle()
    assert [one.unread for one in done.settled.areas] == [2, 0]
    assert once_more(here).note == EQUAL


def test_after_their_time_the_frozen_sums_are_given_with_a_note(here: Village) -> None:
    done = here.settle()
    assert tidy(here.home, keep_days=30, wall=lambda: YEAR_LATER).dropped_days == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remaking, "_is_dropped", lambda *_: False)
        with pytest.raises(StateError) as caught:
            once_more(here, at=YEAR_LATER)
        assert caught.value.code == "settlement-differs", "without the log there is no reason for what is not there"
    found = once_more(here, at=YEAR_LATER)
    assert (found.note, frozen(found.settled)) == (GONE, frozen(done.settled))


def test_what_is_being_dropped_is_gone_before_the_log_can_say_so(here: Village) -> None:
    here.settle()
    assert Retention(here.home.store_folder, here.home.day_keys).drop(DAY + ONE_DAY) == 1
    assert once_more(here, at=YEAR_LATER).note == GONE


def test_a_day_of_which_some_rows_are_held_is_gone_as_well(here: Village) -> None:
    done = here.settle()
    with writing(here.home.engine) as connection:
        Holds(here.home.engine).make(connection, ean(4), Hold.DISPUTE, DAY, DAY + ONE_DAY, "", "os:privacy", here.at)
    tidy(here.home, keep_days=30, wall=lambda: YEAR_LATER)
    found = once_more(here, at=YEAR_LATER)
    assert (found.note, frozen(found.settled)) == (GONE, frozen(done.settled))


def test_what_was_altered_is_found_in_spite_of_every_tombstone(here: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    here.settle()
    erased(here, 4)

    def altered(*given: object) -> Settled:
        found = made(*given)  # type: ignore[arg-type]  # what comes goes on
        one = next(one for one in found.sums if one.part is Part.METERED and one.grid_area == "B")
        one.energy_wh[3] += 1
        return found

    monkeypatch.setattr(remaking, "made", altered)
    with pytest.raises(StateError) as caught:
        once_more(here, at=YEAR_LATER)
    assert caught.value.code == "settlement-differs"


def test_rows_that_are_lost_without_a_reason_are_an_alarm(here: Village) -> None:
    here.settle()
    with writing(here.home.engine) as connection:
        # Out of sight, and no request is on record that would say why.
        connection.execute(
            insert(erasures).values(request="none", reading=here.ids[4], valid_from=DAY, valid_to=DAY + ONE_DAY)
        )
    with pytest.raises(StateError) as caught:
        once_more(here)
    assert caught.value.code == "settlement-differs"


def test_less_is_what_went_and_nothing_else(here: Village) -> None:
    kept = here.settle().settled
    place = next(place for place, one in enumerate(kept.sums) if one.part is Part.METERED)

    def changed(**facts: object) -> Settled:
        sums = list(kept.sums)
        sums[place] = replace(sums[place], **facts)  # type: ignore[arg-type]  # the test chooses
        return replace(kept, sums=tuple(sums))

    fewer = kept.sums[place].connections - 1
    assert is_less(kept, kept)
    assert is_less(kept, replace(kept, sums=()))
    assert is_less(kept, changed(connections=fewer, energy_wh=np.zeros(96, np.int64)))
    assert not is_less(kept, changed(energy_wh=np.zeros(96, np.int64)))
    assert not is_less(kept, changed(connections=fewer + 2))
    assert not is_less(kept, changed(brp="another"))


def test_what_is_not_there_and_who_may_not_look(here: Village) -> None:
    with pytest.raises(InputError) as caught:
        once_more(here, 7)
    assert caught.value.code == "no-such-version"
    here.settle()
    with pytest.raises(Denied):
        made_again(here.home, DAY, 1, actor=Somebody(roles=frozenset()), reason="", at=here.at)
