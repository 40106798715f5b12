"""Rates: a burst, then so many a second, for each by itself, in memory that does not grow."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from kwartier.errors import Denied, StateError
from kwartier.web.limits import OF_ACTOR, Buckets, Limited, Rate, limits
from tests.web.installation import Clock, Served


def taken(buckets: Buckets, key: str, tries: int) -> int:
    """How many of some tries are allowed."""
    count = 0
    for _ in range(tries):
        try:
            buckets.take(key)
        except Denied:
            pass
        else:
            count += 1
    return count


def test_a_burst_and_then_so_many_a_second() -> None:
    clock = Clock(0)
    buckets = Buckets(Rate(burst=5, per_s=2.0), clock)
    assert taken(buckets, "a", 9) == 5
    clock.at = 0.4
    assert taken(buckets, "a", 9) == 0
    clock.at = 1.0
    assert taken(buckets, "a", 9) == 2
    clock.at = 1_000.0
    assert taken(buckets, "a", 9) == 5


def test_each_has_its_own_and_memory_is_bounded() -> None:
    buckets = Buckets(Rate(burst=1, per_s=0.0), Clock(0), most=3)
    assert [taken(buckets, key, 2) for key in "abc"] == [1, 1, 1]
    assert taken(buckets, "a", 1) == 0
    for number in range(100):
        taken(buckets, f"{number}", 1)
    assert len(buckets) == 3


def test_no_more_is_begun_than_there_is_room_for() -> None:
    """And room is there again once something has ended, well or badly."""
    going = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        await going.wait()
        if scope["path"] == "/bad":
            raise RuntimeError

    async def tried() -> list[str]:
        limited = Limited(slow, limits=limits(Clock(0)), at_once=2)

        async def ask(path: str) -> str:
            async def nothing() -> dict[str, object]:
                return {}

            async def nowhere(message: object) -> None:
                del message

            try:
                await limited({"type": "http", "path": path, "client": ("a", 1)}, nothing, nowhere)
            except (StateError, RuntimeError) as error:
                return type(error).__name__
            return "done"

        first = [asyncio.create_task(ask(path)) for path in ("/", "/bad")]
        await asyncio.sleep(0)
        found = [await ask("/")]
        going.set()
        found += await asyncio.gather(*first)
        return [*found, await ask("/")]

    assert asyncio.run(tried()) == ["StateError", "done", "RuntimeError", "done"]


def test_an_actor_asks_only_so_fast_from_wherever(here: Served) -> None:
    browsers = [here.signed_in("operator", f"10.0.0.{number}") for number in range(2)]
    found = [browsers[one % 2].get("/api/v1/errors/truncated").status for one in range(OF_ACTOR.burst + 1)]
    assert found == [200] * OF_ACTOR.burst + [429]
    answer = browsers[0].get("/api/v1/meters")
    assert (answer.json["code"], answer.json["retry"]) == ("slow-down", "later")
    assert int(answer.header("retry-after")) > 0
    assert here.signed_in("settler", "10.0.0.3").get("/api/v1/meters").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/static/page.css"])
def test_what_watches_this_server_and_what_pages_load_is_not_counted(here: Served, path: str) -> None:
    assert {here.browser.get(path).status for _ in range(300)} == {200}
