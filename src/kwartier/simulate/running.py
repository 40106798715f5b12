"""Any number of simulated meters in one process, at a few ports of loopback.

A listener has an address and a port of its own and stands for up to :data:`LISTENER_METERS` meters of one supplier; a line
says by its first bytes which of them is meant - the destination port of the wrapper, the upper HDLC address of the SNRM. So
neither the number of open files nor that of ports that a client can come from limits the fleet.

An idle meter is a row of numbers: the highest counters of both sides, and what was read of it today. The meter itself is
built when a line reaches it and forgotten when its last line ends; of a clock that was set, that is kept, too.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np

from kwartier.clock import local_day
from kwartier.dlms.hdlc import FLAG, Address
from kwartier.dlms.protection import MAX_COUNTER, CounterRange, SessionKeys
from kwartier.errors import InputError
from kwartier.simulate.faults import Fault
from kwartier.simulate.fleet import Place, challenges, device_name
from kwartier.simulate.host import Line, Station
from kwartier.simulate.latency import Latency
from kwartier.simulate.meter import SimulatedMeter
from kwartier.simulate.misbehaving import HostileMeter, LoweredCounters, ReplayedCounters, noise
from kwartier.simulate.timepiece import Setting, Timepiece
from kwartier.simulate.trouble import CALM
from kwartier.simulate.world import SUPPLIERS, Who, World, companion_of

LISTENER_METERS = 500
"""Meters at one address and port: each leaves a few ports of its visitor waiting, of the 28 000 that there are."""
PHYSICAL_ADDRESS = 17
HDLC_ADDRESS_BYTES = 4
BACKLOG = 4096
HOSTS_PER_BYTE = 250
FIRST_NET = 20
EMPTY_HOST = "127.19.0.1"
"""Where nobody listens."""
DISCARD_PORT = 9
MAX_GREETING_BYTES = 64
"""Bytes before it has to be clear which meter is meant."""
PROFILE_READS = 3
SMALL_PDU_BYTES = 512
BLOCKS_BEFORE_DROP = 2
SLOW_S = 2.0
HALF_OPEN_S = 20.0
"""A line that is never answered is closed after this."""
COUNTERS_PER_S = 4
COUNTERS_FROM_S = 1_735_689_600
"""2025-01-01: a meter that is started anew counts on from the time, so it never uses a counter of its own twice."""

STATE = np.dtype([("peer", "i8"), ("own", "i8"), ("day", "i4"), ("reads", "u2"), ("attempts", "u2")])
"""All that is kept of an idle meter."""


@dataclass(slots=True, kw_only=True)
class Awake:
    """A meter that somebody talks to. ``lines``: how many."""

    station: Station
    fault: Fault | None
    attempt: int
    lines: int = 0


class Running:
    """A fleet that listens. ``now`` gives UTC seconds; ``has_clocks``: whether buffers, drift and clock faults are real."""

    def __init__(
        self,
        world: World,
        *,
        now: Callable[[], float] = time.time,
        has_clocks: bool = False,
        latency: Latency | None = None,
        max_profile_reads: int | None = PROFILE_READS,
        first_counter: int | None = None,
    ) -> None:
        self.world = world
        self.latency = latency
        self.trouble = CALM
        self._repeated = 0
        """Of the repeats that trouble asked for, how many there were."""
        self._host_time = now
        self._has_clocks = has_clocks
        self._max_profile_reads = max_profile_reads
        self._state = np.zeros(world.count, STATE)
        self._state["peer"] = -1
        self._first_counter = first_counter or max(1, int(time.time() - COUNTERS_FROM_S) * COUNTERS_PER_S)
        self._awake: dict[int, Awake] = {}
        self._set: dict[int, Timepiece] = {}
        """The clocks that somebody has set."""
        self._servers: list[asyncio.Server] = []
        self._places: list[tuple[str, int]] = []

    def now(self) -> float:
        """UTC seconds, as far ahead as the fleet was told to be."""
        return self._host_time() + self.trouble.ahead_s

    def meets(self, index: int) -> str:
        """The fault of the line that trouble makes for a meter now; empty: none."""
        trouble = self.trouble
        if not trouble.cells and not trouble.suppliers:
            return ""
        who = self.world.who(index)
        return (
            "cell-outage"
            if who.cell in trouble.cells
            else "half-open"
            if who.supplier.name in trouble.suppliers
            else ""
        )

    @property
    def listeners(self) -> int:
        """How many places the fleet listens at."""
        return len(self._places)

    @property
    def awake(self) -> int:
        """How many meters are being talked to."""
        return len(self._awake)

    def reads(self, index: int, day: date | None = None) -> int:
        """How many associations have read personal data of a meter on the local ``day``; None: on the last that any did."""
        awake, row = self._awake.get(index), self._state[index]
        reads, on = (row["reads"], row["day"]) if awake is None else (awake.station.reads, awake.station.read_day)
        return int(reads) if day is None or on == day.toordinal() else 0

    def clock_settings(self) -> Iterator[tuple[int, Setting]]:
        """Every time that somebody has set the clock of a meter: its number and the setting."""
        awake = {index: one.station.meter.timepiece for index, one in self._awake.items()}
        for index, timepiece in sorted({**self._set, **awake}.items()):
            for setting in timepiece.settings:
                yield index, setting

    async def listen(self, port: int = 0) -> None:
        """Open all listeners, at ``port`` of as many addresses of loopback (0: any free one)."""
        loop = asyncio.get_running_loop()
        for listener in range(_groups(self.world.count) * len(SUPPLIERS)):
            host = _host(listener)
            try:
                server = await loop.create_server(partial(self.answer, listener), host, port, backlog=BACKLOG)
            except OSError as error:
                self.close()
                raise InputError(
                    "port-in-use", f"nothing can listen at {host} port {port} ({error.strerror})"
                ) from None
            self._servers.append(server)
            self._places.append((host, server.sockets[0].getsockname()[1]))

    def answer(self, listener: int) -> "FleetLine":
        """Somebody has connected to a listener."""
        return FleetLine(self, listener)

    def close(self) -> None:
        """Listen no more."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def places(self) -> Iterator[tuple[Who, Place]]:
        """Every meter and where it is to be found."""
        for index in range(self.world.count):
            who = self.world.who(index)
            fault = self.world.fault(who)
            listener, device = _listener(index), index // len(SUPPLIERS) % LISTENER_METERS + 1
            host, port = self._places[listener]
            if fault is not None and fault.name == "unreachable" and fault.attempts == 0:
                host, port = EMPTY_HOST, DISCARD_PORT
            yield who, Place(host=host, port=port, address=Address(device, PHYSICAL_ADDRESS, HDLC_ADDRESS_BYTES))

    # Meters that wake up.

    def find(self, listener: int, device: int) -> int | None:
        """The number of the meter that a listener knows as ``device``."""
        group, supplier = divmod(listener, len(SUPPLIERS))
        if not 1 <= device <= LISTENER_METERS:
            return None
        index = (group * LISTENER_METERS + device - 1) * len(SUPPLIERS) + supplier
        return index if index < self.world.count else None

    def wake(self, index: int) -> Awake:
        """The meter with a line more; built if nobody talked to it."""
        awake = self._awake.get(index)
        if awake is None:
            awake = self._awake[index] = self._build(index)
        awake.lines += 1
        return awake

    def leave(self, index: int) -> None:
        """A line less; after the last one only the counters are kept."""
        awake = self._awake[index]
        awake.lines -= 1
        if awake.lines == 0:
            del self._awake[index]
            station = awake.station
            if station.meter.timepiece.settings:
                self._set[index] = station.meter.timepiece
            row = self._state[index]
            row["peer"] = station.points[station.client].peer_counter
            row["own"] = station.next_counter
            row["day"], row["reads"] = station.read_day, station.reads

    def _build(self, index: int) -> Awake:
        world, row = self.world, self._state[index]
        who = world.who(index)
        fault = world.fault(who)
        name = "" if fault is None else fault.name
        attempt = 0 if fault is None else self._attempt(index)
        acts = fault is not None and fault.hits(attempt)
        meter = SimulatedMeter(
            companion_of(who.supplier, name == "null-clocks"),
            world.household(index),
            now=self.now,
            timezone=world.timezone,
            name=device_name(who),
            timepiece=self._set.get(index) or Timepiece(self.now, self._clock_error_s(who, fault)),
            disturbance=world.disturbance(who, fault),
            forgets=self._has_clocks,
        )
        ek = bytes(octet ^ 0xFF for octet in who.ek) if name == "wrong-key" and acts else who.ek
        device = index // len(SUPPLIERS) % LISTENER_METERS + 1
        station = Station(
            meter=meter,
            system_title=who.system_title,
            keys=SessionKeys(ek=ek, ak=who.ak),
            challenge=challenges(who),
            transport=who.supplier.transport,
            logical_device=device,
            address=Address(device, PHYSICAL_ADDRESS, HDLC_ADDRESS_BYTES),
            max_profile_reads=self._max_profile_reads,
            read_day=int(row["day"]),
            reads=int(row["reads"]),
        )
        counting = name if acts else ""
        if fault is None and self._repeated < self.trouble.repeats and not self.meets(index):
            self._repeated += 1
            counting = "replayed-counter"
        station.counters = _counters(counting, max(int(row["own"]), self._first_counter))
        station.points[station.client].peer_counter = int(row["peer"])
        if acts and name == "mid-block-drop":
            station.max_pdu = station.points[station.client].max_pdu = SMALL_PDU_BYTES
            station.points[station.client].answer_limit = SMALL_PDU_BYTES
        if acts and name == "hostile":
            station.handler = HostileMeter(meter)
        return Awake(station=station, fault=fault if acts else None, attempt=attempt)

    def _clock_error_s(self, who: Who, fault: Fault | None) -> int:
        return self.world.clock_error_s(who, fault) if self._has_clocks else 0

    def _attempt(self, index: int) -> int:
        """Count one more attempt of today to visit a meter that has a fault."""
        row = self._state[index]
        today = local_day(int(self.now()), self.world.timezone).toordinal()
        if row["day"] != today:
            row["day"], row["reads"], row["attempts"] = today, 0, 0
        row["attempts"] += 1
        return int(row["attempts"])


class FleetLine(Line):
    """A line to one of the meters of a listener."""

    def __init__(self, running: Running, listener: int) -> None:
        super().__init__(None)
        self._running = running
        self._listener = listener
        self._greeting = b""
        self.index: int | None = None
        """The number of the meter that is meant; None: not known yet, or not any more."""
        self._fault = ""
        self._answers = 0
        self._attempt = 0
        self._free_s = 0.0
        self._on_the_way: deque[bytes] = deque()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client; the first say which meter is meant."""
        if self.session is None and self.transport is not None:
            data = self._greeting + data
            device = _destination(data)
            if device is None:
                self._greeting = data
                if len(data) > MAX_GREETING_BYTES:
                    self.transport.abort()
                return
            index = self._running.find(self._listener, device)
            if index is None:
                self.transport.abort()
                return
            self._meet(index)
        fault = self._fault
        if self.index is not None:
            fault = self._running.meets(self.index) or fault
        if fault in ("unreachable", "cell-outage"):
            self._abort()
        elif fault == "half-open":
            if self._answers == 0 and self.transport is not None:
                asyncio.get_running_loop().call_later(HALF_OPEN_S, self.transport.abort)
            self._answers += 1
        elif fault == "garbage":
            self.answer(noise(self._running.world.seed, self.index, self._attempt))
            if self.transport is not None:
                self.transport.close()
        else:
            super().data_received(data)

    def _meet(self, index: int) -> None:
        awake = self._running.wake(index)
        self.index, self._greeting, self._attempt = index, b"", awake.attempt
        self._fault = "" if awake.fault is None else awake.fault.name
        self.session = awake.station.session()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def answer(self, octets: bytes) -> None:
        """Send one answer when the line has carried it."""
        self._answers += 1
        blocks = 0 if self.session is None else self.session.blocks_sent
        if self._fault == "mid-block-drop" and blocks > BLOCKS_BEFORE_DROP:
            self._abort()
            return
        delay_s = SLOW_S if self._fault == "slow" else 0.0
        if self._running.latency is not None:
            world = self._running.world
            delay_s += self._running.latency.draw_s(world.seed, self.index, self._attempt, self._answers)
        if delay_s and self.transport is not None:
            # A slow line is slow and keeps its order: what is said later never overtakes what was said before.
            loop = asyncio.get_running_loop()
            self._free_s = max(self._free_s, loop.time() + delay_s)
            self._on_the_way.append(octets)
            loop.call_at(self._free_s, self._late)
        else:
            super().answer(octets)

    def _late(self) -> None:
        octets = self._on_the_way.popleft()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(octets)

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone, and the meter with it if it was the last."""
        super().connection_lost(exc)
        if self.index is not None:
            self._running.leave(self.index)
            self.index = None


def _groups(count: int) -> int:
    return -(-count // (LISTENER_METERS * len(SUPPLIERS)))


def _listener(index: int) -> int:
    position, supplier = divmod(index, len(SUPPLIERS))
    return position // LISTENER_METERS * len(SUPPLIERS) + supplier


def _host(listener: int) -> str:
    high, low = divmod(listener, HOSTS_PER_BYTE)
    return f"127.{FIRST_NET + high // HOSTS_PER_BYTE}.{high % HOSTS_PER_BYTE}.{low + 1}"


def _destination(data: bytes) -> int | None:
    """Which logical device the first bytes of a line are for: None while that is not clear."""
    if data[:1] == bytes((FLAG,)):
        frame = data.lstrip(bytes((FLAG,)))
        if len(frame) < 2 + HDLC_ADDRESS_BYTES:
            return None
        return (frame[2] >> 1) << 7 | frame[3] >> 1
    return int.from_bytes(data[4:6], "big") if len(data) >= 6 else None


def _counters(fault: str, first: int) -> CounterRange:
    if fault == "replayed-counter":
        return ReplayedCounters(first, MAX_COUNTER)
    if fault == "lowered-counter":
        return LoweredCounters(first, MAX_COUNTER)
    return CounterRange(first, MAX_COUNTER)
