"""Other tries: when their time has come, and how few of them there are while meters wait that were not tried."""

from kwartier.collect.lease import Job
from kwartier.collect.outcome import Again
from kwartier.collect.retries import MAX_KEPT, PART, SAVED_UP, Retries


def again(name: str, at: float, lease: str = "mine") -> Again:
    job = Job(name, f"ean-{name}", "Europe/Amsterdam", 1, "connect-refused", 0, lease)
    return Again(at=at, job=job, stretches=(), tries=1, code="connect-refused")


def filled(count: int) -> Retries:
    retries = Retries()
    for number in range(count):
        retries.put(again(f"{number}", at=float(number)))
    return retries


def test_the_earliest_come_first_and_none_before_its_time() -> None:
    retries = Retries()
    for at in (3.0, 1.0, 2.0, 9.0):
        retries.put(again(f"{at}", at))
    assert [one.at for one in retries.due(5.0, 2)] == [1.0, 2.0]
    assert [one.at for one in retries.due(5.0, 2)] == [3.0]
    assert (retries.due(5.0, 2), len(retries)) == ([], 1)


def test_where_meters_wait_that_were_not_tried_others_get_a_part_of_what_these_get() -> None:
    retries, firsts = filled(1_000), 0
    tried = 0
    for _ in range(20):
        retries.taken(500, 0, is_all=False)
        firsts += 500
        tried += len(retries.due(1e9, 500))
    assert PART * firsts - 1 <= tried <= PART * firsts + 1


def test_what_is_taken_from_elsewhere_counts_too() -> None:
    retries = filled(100)
    retries.taken(500, 10, is_all=False)
    left = PART * 500 - 10
    assert retries.allowed(500) == int(left)
    assert len(retries.due(1e9, 500)) == -(-left // 1)
    assert retries.allowed(500) == 0


def test_when_no_other_meter_waits_any_number_is_tried() -> None:
    retries = filled(400)
    retries.taken(500, 0, is_all=False)
    assert len(retries.due(1e9, 400)) < 400
    retries.taken(3, 0, is_all=True)
    assert retries.allowed(500) == 500
    retries.due(1e9, 500)
    assert len(retries) == 0


def test_no_more_is_saved_up_than_a_small_crowd() -> None:
    retries = filled(1_000)
    for _ in range(1_000):
        retries.taken(500, 0, is_all=False)
    assert len(retries.due(1e9, 1_000)) == SAVED_UP


def test_meters_that_are_somebody_elses_are_dropped_and_the_others_stay() -> None:
    retries = filled(3)
    retries.put(again("lost", 1.5, lease="lost"))
    retries.drop({"lost"})
    assert [one.job.meter for one in retries.beyond(0)] == ["0", "1", "2"]


def test_more_than_can_be_kept_at_hand_is_told_and_only_then_cut() -> None:
    retries = filled(MAX_KEPT)
    assert retries.beyond(MAX_KEPT) == []
    retries.put(again("early", at=-1.0))
    retries.put(again("late", at=1e6))
    assert [one.job.meter for one in retries.beyond(MAX_KEPT)] == [f"{MAX_KEPT - 1}", "late"]
    assert len(retries) == MAX_KEPT + 2
    retries.cut(MAX_KEPT)
    assert (len(retries), retries.beyond(MAX_KEPT)) == (MAX_KEPT, [])
    assert [one.job.meter for one in retries.due(1e9, 2)] == ["early", "0"]
    retries.cut(0)
    assert (len(retries), retries.beyond(0)) == (0, [])
