"""What happens, told while it happens: server-sent events, with one look at the database however many are watching.

A topic is looked at every so often by one task, as long as somebody listens, and told when it has changed. A listener that is
slow gets the newest and misses what lay between. Streams are bounded, show a sign of life, end with the session of whoever
listens, and end at once when the server is told to.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from kwartier.errors import KwartierError, Retry, StateError

MAX_STREAMS = 200
MAX_TOPICS = 100
BEAT_S = 10.0
RETRY_MS = 3_000
"""How long a browser waits before it connects again."""
MEDIA_TYPE = "text/event-stream"
Fields = Mapping[str, object]


@dataclass(slots=True, eq=False)
class Topic:
    """Something that is looked at while somebody listens: the newest of it, and who waits for the next."""

    look: Callable[[], Fields]
    every_s: float
    newest: str = ""
    listeners: set[asyncio.Event] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class Feeds:
    """Every topic of one server, on its event loop. ``counted`` is told how many streams are open."""

    def __init__(
        self,
        *,
        counted: Callable[[int], object] = lambda count: None,
        beat_s: float = BEAT_S,
        most: int = MAX_STREAMS,
    ) -> None:
        self._topics: dict[str, Topic] = {}
        self._counted = counted
        self._beat_s = beat_s
        self._most = most
        self._open = 0
        self._is_closing = False

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._open

    def stream(
        self,
        name: str,
        look: Callable[[], Fields],
        *,
        every_s: float,
        event: str = "",
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> StreamingResponse:
        """An answer that tells the topic called ``name`` whenever it changes, as events called ``event`` (or that name).

        ``look`` runs in a worker thread, for all listeners of that name at once; so it must not depend on who listens.
        ``may_go_on`` is asked at every beat. Raises ``StateError`` too-busy.
        """
        if self._is_closing or self._open >= self._most:
            raise StateError("too-busy", f"{self._open} event streams are open", retry=Retry.LATER)
        if name not in self._topics and len(self._topics) >= MAX_TOPICS:
            raise StateError("too-busy", f"{MAX_TOPICS} things are being watched", retry=Retry.LATER)
        told = self._told(name, Topic(look=look, every_s=every_s), event or name, may_go_on)
        return StreamingResponse(told, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})

    async def _told(self, name: str, fresh: Topic, event: str, may_go_on: Callable[[], bool]) -> AsyncIterator[str]:
        """The text of a stream, line by line; ``fresh`` is the topic if nobody listens to it yet."""
        topic = self._topics.setdefault(name, fresh)
        bell = asyncio.Event()
        topic.listeners.add(bell)
        self._count(1)
        if topic.task is None:
            topic.task = asyncio.create_task(self._watch(topic))
        told = ""
        try:
            yield f"retry: {RETRY_MS}\n\n"
            while not self._is_closing and may_go_on():
                if topic.newest != told:
                    told = topic.newest
                    yield f"event: {event}\ndata: {told}\n\n"
                    continue
                bell.clear()
                try:
                    await asyncio.wait_for(bell.wait(), self._beat_s)
                except TimeoutError:
                    yield ": still here\n\n"
            yield "event: end\ndata: {}\n\n"
        finally:
            topic.listeners.discard(bell)
            self._count(-1)
            if not topic.listeners:
                self._forget(name, topic)

    async def _watch(self, topic: Topic) -> None:
        while not self._is_closing:
            try:
                found = json.dumps(await run_in_threadpool(topic.look), ensure_ascii=False, allow_nan=False)
            except KwartierError as error:
                found = json.dumps({"error": error.code})
            except Exception:  # noqa: BLE001 - a mistake of ours is told as one; the others go on listening
                found = json.dumps({"error": "internal-error"})
            if found != topic.newest:
                topic.newest = found
                _ring(topic)
            await asyncio.sleep(topic.every_s)

    def close(self) -> None:
        """Every stream ends now, and none begins; called on the event loop."""
        self._is_closing = True
        for topic in list(self._topics.values()):
            if topic.task is not None:
                topic.task.cancel()
            _ring(topic)

    def _forget(self, name: str, topic: Topic) -> None:
        if topic.task is not None:
            topic.task.cancel()
        if self._topics.get(name) is topic:
            del self._topics[name]

    def _count(self, more: int) -> None:
        self._open += more
        self._counted(self._open)


def _ring(topic: Topic) -> None:
    for bell in topic.listeners:
        bell.set()
