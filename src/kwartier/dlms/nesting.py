"""Values within values, without recursion: a peer chooses how deep it nests and how much it announces.

Reading is one loop over an explicit stack. :class:`Nest` is that stack, and the one place where depth and number of values
are bounded, whether what is read is kept or only passed over.
"""

from kwartier.dlms.datatypes import Data
from kwartier.errors import WireError

MAX_DEPTH = 8
"""Arrays and structures within each other."""
MAX_ELEMENTS = 100_000
"""Values in one piece of data: arrays, structures and the members of all of them together."""
_PASSED = Data(0, None)


class Nest:
    """Puts values into the containers they belong to, and keeps the bounds. ``keep=False`` only counts."""

    __slots__ = ("_missing", "_most", "_open", "keep", "left")

    def __init__(self, *, keep: bool = True, most: int = MAX_ELEMENTS) -> None:
        self.keep = keep
        self._most = most
        self._open: list[tuple[int, list[Data]]] = []
        self._missing: list[int] = []
        self.left = most
        """How many more values there may be."""

    def spend(self, values: int) -> None:
        """Count ``values`` more."""
        self.left -= values
        if self.left < 0:
            raise WireError("too-many-elements", f"more than {self._most} values in one piece of data")

    def add(self, data: Data) -> Data | None:
        """Put a value in its place: the whole, once nothing is open any more."""
        self.spend(1)
        return self._place(data)

    def open(self, tag: int, count: int, at: int) -> Data | None:
        """Begin a container of ``count`` members."""
        if len(self._open) >= MAX_DEPTH:
            raise WireError("too-deep", f"more than {MAX_DEPTH} arrays and structures within each other at offset {at}")
        if count > self.left:
            raise WireError("too-many-elements", f"a container of {count} values at offset {at}")
        self.spend(1)
        if count == 0:
            return self._place(Data(tag, ()))
        self._open.append((tag, []))
        self._missing.append(count)
        return None

    def _place(self, data: Data) -> Data | None:
        while self._open:
            tag, items = self._open[-1]
            if self.keep:
                items.append(data)
            self._missing[-1] -= 1
            if self._missing[-1]:
                return None
            self._open.pop()
            self._missing.pop()
            data = Data(tag, tuple(items)) if self.keep else _PASSED
        return data
