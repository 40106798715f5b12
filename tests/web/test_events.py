"""Streams of events: told when something changes, one look for all, with signs of life, and over when they have to be."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kwartier.errors import StateError
from kwartier.web.events import Feeds

SOON_S = 5.0


class Source:
    """Something that changes when a test says so, and counts how often it was looked at."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0

    def __call__(self) -> dict[str, object]:
        self.looks += 1
        return {"value": self.value}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other tasks do."""
    async with asyncio.timeout(SOON_S):
        while not holds():
            await asyncio.sleep(0.001)


class Listener:
    """One stream, read as it comes."""

    def __init__(self, feeds: Feeds, source: Source, may_go_on: Callable[[], bool] = lambda: True) -> None:
        self.heard: list[str] = []
        answer = feeds.stream("topic", source, every_s=0.001, may_go_on=may_go_on)
        self.media_type = answer.media_type
        self.task = asyncio.create_task(self._read(answer.body_iterator))

    async def _read(self, parts: object) -> None:
        async for part in parts:  # type: ignore[attr-defined]  # an async iterator of texts
            self.heard.append(part)

    def told(self) -> list[str]:
        return [part for part in self.heard if part.startswith("event: topic")]


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(SOON_S * 2):
            await what()

    asyncio.run(bounded())


def test_what_changes_is_told_once_to_everybody_who_listens_by_one_look() -> None:
    async def scene() -> None:
        feeds, source = Feeds(), Source()
        listeners = [Listener(feeds, source) for _ in range(50)]
        for value in (1, 2):
            source.value = value
            await until(lambda: all(f'{{"value": {source.value}}}' in one.heard[-1] for one in listeners if one.heard))
            await until(lambda: all(one.told() for one in listeners))
        assert all(len(one.told()) <= 3 for one in listeners)
        before = source.looks
        await until(lambda: source.looks >= before + 3)
        assert source.looks - before < 50
        feeds.close()
        await asyncio.gather(*(one.task for one in listeners))
        assert listeners[0].media_type == "text/event-stream"
        assert {one.heard[-1] for one in listeners} == {"event: end\ndata: {}\n\n"}

    run(scene)


def test_a_stream_shows_a_sign_of_life() -> None:
    async def scene() -> None:
        feeds = Feeds(beat_s=0.001)
        one = Listener(feeds, Source())
        await until(lambda: one.heard.count(": still here\n\n") >= 2)
        feeds.close()
        await one.task

    run(scene)


def test_a_stream_ends_with_the_session_of_who_listens() -> None:
    async def scene() -> None:
        feeds, sessions = Feeds(beat_s=0.001), [True]
        one, other = Listener(feeds, Source(), lambda: sessions[0]), Listener(feeds, Source())
        await until(lambda: bool(one.told()))
        sessions[0] = False
        await one.task
        assert not other.task.done()
        feeds.close()
        await other.task

    run(scene)


def test_nobody_looks_once_nobody_listens() -> None:
    async def scene() -> None:
        counts: list[int] = []
        feeds, source = Feeds(counted=counts.append), Source()
        one = Listener(feeds, source)
        await until(lambda: bool(one.told()))
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)
        await until(lambda: feeds.streams == 0)
        looks = source.looks
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert source.looks <= looks + 1
        assert counts == [1, 0]

    run(scene)


def test_streams_are_bounded_and_none_begins_once_it_ends() -> None:
    async def scene() -> None:
        feeds = Feeds(most=2)
        listeners = [Listener(feeds, Source()) for _ in range(2)]
        await until(lambda: feeds.streams == 2)
        with pytest.raises(StateError, match="2 event streams"):
            feeds.stream("topic", Source(), every_s=1.0)
        feeds.close()
        await asyncio.gather(*(one.task for one in listeners))
        with pytest.raises(StateError):
            feeds.stream("topic", Source(), every_s=1.0)

    run(scene)


def test_a_look_that_fails_is_told_by_its_code() -> None:
    def failing() -> dict[str, object]:
        raise StateError("database-away", "ean 871234567890123456")

    async def scene() -> None:
        feeds = Feeds()
        heard: list[str | bytes | memoryview] = []
        async for part in feeds.stream("topic", failing, every_s=0.001).body_iterator:
            heard.append(part)
            if "database-away" in str(part):
                feeds.close()
        assert not any("8712" in str(part) for part in heard)

    run(scene)
