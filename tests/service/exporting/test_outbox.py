"""The outbox: whole files under ids that are drawn once, whatever happens in between."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from sqlalchemy import select

from kwartier.database import open_engine, reading
from kwartier.errors import InputError, KwartierError, StateError
from kwartier.export import validated as validated_room
from kwartier.service.exporting import inbox, messages, outbox
from kwartier.service.exporting.messages import State, Topic, drawn, listed
from kwartier.service.exporting.outbox import alone
from kwartier.settle.tables import Area, AreaState
from kwartier.tables import messages as table
from tests.export.days import AREA, OTHER_AREA, PLAIN, SETTLED, content, series, total
from tests.export.reading import check_schema, parsed, texts
from tests.postgres import DATABASES, with_tables
from tests.service.exporting.post import AT, ZON, Post, one_of_each, two_suppliers


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture(params=DATABASES)
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    engine = open_engine(with_tables(str(request.param), tmp_path))
    yield Post(engine=engine, folder=tmp_path)
    engine.dispose()


def raises(code: str, act: Callable[[], object]) -> KwartierError:
    with pytest.raises(KwartierError) as caught:
        act()
    assert caught.value.code == code
    return caught.value


def test_files_are_whole_private_and_named_after_what_they_tell(post: Post) -> None:
    exported = post.export(two_suppliers())
    assert (len(exported.files), exported.unchanged, exported.withheld) == (2, 0, ())
    assert {one.name for one in exported.files} == set(post.files())
    for path in exported.files:
        root = parsed(path.read_text("utf-8"))
        (message_id,) = [one.text for one in root if one.tag.endswith("}mRID")]
        assert path.name == f"validated-2026-11-25-v001-{message_id}.xml"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        check_schema(path.read_text("utf-8"), "validated")
    assert stat.S_IMODE(post.out.stat().st_mode) == 0o700
    assert [(one.topic.recipient, one.topic.subject, one.state) for one in listed(post.engine)] == [
        ("Polderstroom", "part 1", State.MADE),
        (ZON, "part 1", State.MADE),
    ]


def test_twins_lie_beside_them(post: Post) -> None:
    for kind, told in one_of_each():
        (path,) = post.export(told, kind).files
        parquet = pyarrow.parquet.read_table(post.out / "parquet" / f"{path.stem}.parquet")
        text = pyarrow.csv.read_csv(post.out / "csv" / f"{path.stem}.csv")
        assert parquet.num_rows == text.num_rows == 96
        assert parquet.column_names == text.column_names
        lines = (post.out / "csv" / f"{path.stem}.csv").read_text().splitlines()
        assert '"2026-11-24T23:15Z"' in lines[1]
        assert '"2026-11-25T23:00Z"' in lines[96]
        for folder in ("parquet", "csv"):
            modes = {stat.S_IMODE(one.stat().st_mode) for one in (post.out / folder).iterdir()}
            assert modes == {0o600}


def test_exporting_again_gives_the_same_bytes_under_the_same_ids_and_says_so(post: Post) -> None:
    for kind, told in one_of_each():
        first = post.export(told, kind)
        before = post.files()
        again = post.export(told, kind, at=AT + 86_400)
        assert (again.files, again.unchanged) == (first.files, 1)
        assert post.files() == before


def test_a_file_that_was_lost_or_spoilt_comes_again_as_it_was(post: Post) -> None:
    exported = post.export(two_suppliers())
    before = post.files()
    exported.files[0].unlink()
    exported.files[1].write_text("spoilt")
    again = post.export(two_suppliers(), at=AT + 5)
    assert again.unchanged == 0
    assert post.files() == before


def test_another_folder_gets_the_same_files(post: Post) -> None:
    post.export(two_suppliers())
    other = Post(engine=post.engine, folder=post.folder / "other")
    other.export(two_suppliers(), at=AT + 5)
    assert other.files() == post.files()


def test_another_version_is_another_message(post: Post) -> None:
    first = post.export(content(total(energy_wh=1)), "aggregated")
    second = post.export(content(total(energy_wh=2)), "aggregated", version=2)
    assert set(first.files).isdisjoint(second.files)
    assert len({one.id for one in listed(post.engine)}) == 2


def test_a_version_that_says_something_else_is_refused_and_the_first_text_stays(post: Post) -> None:
    post.export(two_suppliers())
    before = post.files()
    error = raises("changed-message", lambda: post.export(two_suppliers(first_wh=1)))
    assert "version 1" in error.detail
    assert "0.001" not in error.detail
    assert post.files() == before


def test_a_version_with_fewer_messages_is_refused(post: Post) -> None:
    post.export(two_suppliers())
    raises("changed-message", lambda: post.export(content(series())))


def test_what_was_sent_is_not_put_back(post: Post) -> None:
    (path,) = post.export(content(series())).files
    path.rename(post.out / "sent" / path.name)
    again = post.export(content(series()))
    assert (again.files, again.unchanged) == ((post.out / "sent" / path.name,), 1)
    assert post.files() == {}


POINTS: dict[str, tuple[object, str]] = {
    "before the id is drawn": (outbox, "drawn"),
    "before the first byte": (outbox, "_write"),
    "before the last byte": (os, "fsync"),
    "before the text is fixed": (outbox, "vouch"),
    "before the twins": (outbox, "_write_twins"),
    "before the file has its name": (outbox, "_place"),
    "after the file has its name": (outbox, "sync_folder"),
    "before the end": (outbox, "_nothing_gone"),
}


@pytest.mark.parametrize("place", POINTS)
def test_a_crash_at_any_point_never_yields_a_new_id_or_half_a_file(
    place: str, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same is exported by a process that dies, and then by one that does not."""
    owner, name = POINTS[place]

    def crash(*arguments: object, **named: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, crash)
        patched.setattr(Path, "unlink", lambda *_, **__: None)  # nobody tidies up after a process that was killed
        with pytest.raises(Crash):
            post.export(two_suppliers())
    left = {name: octets for name, octets in post.files().items() if not name.startswith(".")}
    ids = {one.topic: one.id for one in _all(post)}
    exported = post.export(two_suppliers(), at=AT + 600)
    assert len(exported.files) == 2
    after = {one.topic: one.id for one in _all(post)}
    assert {topic: after[topic] for topic in ids} == ids
    assert len(after) == 2
    assert len(post.files()) == 2
    assert {name: post.files()[name] for name in left} == left
    assert post.export(two_suppliers(), at=AT + 1200).unchanged == 2


def _all(post: Post) -> list[messages.Message]:
    """Every message that has an id, with a text or without."""
    with reading(post.engine) as connection:
        return [messages._message(row) for row in connection.execute(select(table))]


def test_what_a_killed_process_left_half_done_is_gone_at_the_next_export(post: Post) -> None:
    post.export(two_suppliers())
    left = [post.out / ".validated-x.xml.draft", post.out / "csv" / ".validated-y.csv.1234"]
    foreign = post.out / ".keep"
    for path in (*left, foreign):
        path.write_text("half")
    post.export(two_suppliers())
    assert not any(path.exists() for path in left)
    assert foreign.exists()


def test_an_id_is_drawn_once_by_however_many(post: Post) -> None:
    topic = Topic("account", PLAIN, 1, AREA, "tso")
    assert {drawn(post.engine, topic, at=at).id for at in (1, 2, 3)} == {drawn(post.engine, topic, at=9).id}
    assert drawn(post.engine, topic, at=9).made_at == 1
    other = topic._replace(recipient="BRP <&")
    assert drawn(post.engine, other, at=9).id != drawn(post.engine, topic, at=9).id
    assert listed(post.engine) == []


def test_two_do_not_export_into_one_folder_at_once(post: Post) -> None:
    post.export(two_suppliers())
    with alone(post.out):
        raises("outbox-busy", lambda: post.export(two_suppliers()))
    assert post.export(two_suppliers()).unchanged == 2


def test_areas_that_do_not_add_up_are_withheld_and_the_rest_is_told(post: Post) -> None:
    held = Area(grid_area=OTHER_AREA, state=AreaState.HELD, code="residual-out-of-bounds", reason="beyond its bounds")
    found = content(total(), total(grid_area=OTHER_AREA), areas=(*SETTLED, held))
    exported = post.export(found, "aggregated")
    assert len(exported.files) == 1
    assert exported.withheld == (held,)
    assert texts(parsed(exported.files[0].read_text()), "meteringGridArea_Domain.mRID") == ["290000000000000012"]


@pytest.mark.parametrize("kind", ["validated", "aggregated", "account"])
def test_where_no_area_adds_up_nothing_is_written_and_each_is_named_with_its_reason(kind: str, post: Post) -> None:
    areas = (
        Area(grid_area=AREA, state=AreaState.STOPPED, reason="no infeed"),
        Area(grid_area=OTHER_AREA, state=AreaState.HELD, code="lost-group"),
    )
    error = raises("not-settled", lambda: post.export(content(series(), total(), areas=areas), kind))
    assert "'GA-west' is stopped: no infeed; 'GA-oost' is held: lost-group" in error.detail
    assert not post.out.exists()
    assert isinstance(error, StateError)


def test_a_day_without_areas_has_no_messages(post: Post) -> None:
    assert post.export(content(areas=()), "aggregated").files == ()


def test_a_supplier_without_a_code_stops_the_export_and_what_was_written_stays_right(post: Post) -> None:
    found = content(series(), series(ean="1" * 18, supplier="Zz nobody"))
    error = raises("no-code", lambda: post.export(found))
    assert "'Zz nobody' under [parties]" in error.detail
    assert isinstance(error, InputError)
    assert len(post.files()) == 1
    assert [one.topic.recipient for one in listed(post.engine)] == ["Polderstroom"]


def test_a_text_that_no_message_may_have_leaves_no_file(post: Post) -> None:
    raises("bad-message", lambda: post.export(content(series(ean="1\x002"))))
    assert post.files() == {}
    assert [one.name for one in post.out.rglob("*") if one.is_file()] == []


def test_a_folder_that_is_none_is_refused(post: Post) -> None:
    post.out.write_text("a file")
    raises("bad-outbox", lambda: post.export(content(series())))


def test_a_disk_that_is_full_is_told_and_leaves_nothing_half_done(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "No space left" in raises("bad-outbox", lambda: post.export(content(series()))).detail
    assert post.files() == {}
    assert post.export(content(series())).unchanged == 0


def test_many_connections_are_written_part_by_part(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validated_room, "MAX_SERIES", 3)
    one = series()
    found = [replace(one, ean=f"{number:018d}") for number in range(8)]
    exported = post.export(content(*found))
    told = [texts(parsed(path.read_text()), "marketEvaluationPoint.mRID") for path in exported.files]
    assert told == [[one.ean for one in found[start : start + 3]] for start in (0, 3, 6)]
    assert [one.topic.subject for one in listed(post.engine)] == ["part 1", "part 2", "part 3"]


def test_counts_by_state(post: Post) -> None:
    exported = post.export(two_suppliers())
    assert messages.counted(post.engine, PLAIN) == {State.MADE: 2}
    exported.files[0].rename(post.out / "sent" / exported.files[0].name)
    assert inbox.note_sent(post.engine, post.out, at=AT) == 1
    assert messages.counted(post.engine, PLAIN) == {State.MADE: 1, State.SENT: 1}
