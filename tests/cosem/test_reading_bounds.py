"""What reading quarters may cost and bring at most: few ways to ask, answers of a bounded size, rows beside the grid."""

from dataclasses import replace

from kwartier.cosem import layout as layouts
from kwartier.cosem.layout import Asking
from kwartier.cosem.quirks import Quirk
from kwartier.cosem.reading import ways
from tests.cosem.buffers import Row, Writing, rows_of, utc
from tests.cosem.test_reading import BASE, quirky, read


def test_the_ways_are_few_and_end_with_the_whole_buffer() -> None:
    layout = layouts.of_companion(BASE)
    for quirks in ((), *((quirk,) for quirk in Quirk)):
        for known in (None, Asking("entry"), Asking("range", columns=True, deviation=False)):
            found = ways(quirky(*quirks), replace(layout, asking=known))
            assert found[-1] == Asking("whole") or known == Asking("whole")
            assert len(found) == len(set(found)) <= 8
            assert known is None or found[0] == known


def test_a_whole_buffer_may_come_where_a_range_was_asked_for_of_many_days() -> None:
    """The bound on an answer leaves room for what the plan can rightly bring, and no more than that by far."""
    done = read(quirky(Quirk.REFUSES_RANGE, Quirk.REFUSES_ENTRY), days=1)
    (question,) = done.buffers
    answer = done.answers[-1]
    assert isinstance(answer, bytes)
    assert len(answer) <= question.max_bytes <= 4 * len(answer)


def test_rows_of_an_outage_may_come_along() -> None:
    rows = rows_of(range(utc(2026, 3, 3, 23), utc(2026, 3, 4, 23) + 1, 900))
    extra = [Row(at=rows[10].at + 60 + n) for n in range(60)]
    buffer = Writing().buffer([*rows[:11], *extra, *rows[11:]])
    layout = layouts.of_companion(BASE)
    done = read(BASE, known=layout, intercept=lambda one: buffer)
    assert [one.code for one in done.result.readings.findings] == ["off-grid"]
