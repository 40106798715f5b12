"""The simulated fleet on the network in memory: the same meters, heard by a watch, some of which fall silent for a while."""

from collections import Counter
from collections.abc import Callable
from itertools import count

from kwartier.simulate.running import Awake, FleetLine, Running
from kwartier.simulate.virtual.watch import Ear, Watch
from kwartier.simulate.world import SUPPLIERS, World

MANY_READS = 1000
"""More reads a day than any night makes: here it is the watch that minds them, not the meter."""


class WatchedFleet(Running):
    """A fleet whose lines are overheard. ``now`` gives UTC seconds; the same ``first_counter`` makes the same meters."""

    def __init__(self, world: World, *, now: Callable[[], float], first_counter: int) -> None:
        super().__init__(world, now=now, has_clocks=True, max_profile_reads=MANY_READS, first_counter=first_counter)
        self.watch = Watch()
        self.numbers = count(1)
        """Of the lines."""
        self.silent_cells: set[str] = set()
        self.silences: Counter[str] = Counter()
        """How many answers each cell has kept to itself."""
        self.met: Counter[str] = Counter()
        """How often each fault of a meter was met."""

    def answer(self, listener: int) -> "WatchedLine":
        """Somebody has connected to a listener."""
        return WatchedLine(self, listener)

    def wake(self, index: int) -> Awake:
        """The meter with a line more; what is wrong with it is counted."""
        awake = super().wake(index)
        if awake.fault is not None:
            self.met[awake.fault.name] += 1
        return awake

    def is_silent(self, index: int) -> bool:
        """Whether nothing that the meter says comes through, just now."""
        if not self.silent_cells:
            return False
        cell = self.world.who(index).cell
        if cell in self.silent_cells:
            self.silences[cell] += 1
            return True
        return False


class WatchedLine(FleetLine):
    """A line to one of its meters."""

    def __init__(self, fleet: WatchedFleet, listener: int) -> None:
        super().__init__(fleet, listener)
        self._fleet = fleet
        self._ear = Ear(SUPPLIERS[listener % len(SUPPLIERS)].transport)
        self._unheard: list[bytes] = []
        self._number = next(fleet.numbers)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client: heard first, then answered."""
        self._unheard += self._ear.apdus(data)
        super().data_received(data)
        if self.index is not None:
            for apdu in self._unheard:
                self._fleet.watch.hear(self._number, self.index, apdu)
            self._unheard.clear()

    def answer(self, octets: bytes) -> None:
        """Send one answer, if anything comes through."""
        if self.index is None or not self._fleet.is_silent(self.index):
            super().answer(octets)
