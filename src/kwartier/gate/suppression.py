"""Which sums are withheld, so that no group below the minimum is shown and none can be computed from those that are.

Groups stand in a tree: the whole fleet, its areas, the transformers in them. Every sum of the tree that is not withheld is
taken for known, whoever asks for which level of it. Then what is known of a sum, once everything known inside it is taken
off, is the sum of the groups withheld there. The tree is in order when that remainder is either nobody or at least the
minimum, for every sum that is known: all else that can be computed is a combination of such remainders, and they share no
connection. Where a remainder is too small another group is withheld beside it, the smallest that is there.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Where a group stands: the whole is (), an area (area,), a transformer (area, transformer)."""
BELOW = "below-minimum"
"""The group has fewer connections than the minimum."""
COMPLEMENTARY = "complementary"
"""With this sum one could compute another that is withheld."""
SHOWN = ""


def withheld(counts: Mapping[Path, int], minimum: int) -> dict[Path, str]:
    """Why each sum is withheld, or :data:`SHOWN`: of the groups in ``counts``, and of all that they are part of.

    ``counts``: how many connections are counted in each of the finest groups.
    """
    tree = _Tree(counts, minimum)
    tree.protect()
    return tree.reasons


class _Tree:
    """The groups, and what is said of each so far."""

    def __init__(self, counts: Mapping[Path, int], minimum: int) -> None:
        self._minimum = minimum
        self._counts: dict[Path, int] = {(): 0}
        self._parts: dict[Path, list[Path]] = {}
        for leaf, count in counts.items():
            for depth in range(len(leaf) + 1):
                path = leaf[:depth]
                if depth and path not in self._counts:
                    self._parts.setdefault(path[:-1], []).append(path)
                self._counts[path] = self._counts.get(path, 0) + count
        self.reasons = {path: BELOW if count < minimum else SHOWN for path, count in self._counts.items()}

    def protect(self) -> None:
        """Withhold what has to be withheld besides, from the finest groups upward."""
        for path in sorted(self._parts, key=lambda path: (-len(path), path)):
            if self.reasons[path] == SHOWN and 0 < self._remainder(path) < self._minimum:
                self._hide(self._smallest_shown(path))

    def _remainder(self, path: Path) -> int:
        """How many connections of ``path`` are in no known sum inside it."""
        if path not in self._parts:
            return self._counts[path]
        return sum(self._remainder(part) for part in self._parts[path] if self.reasons[part] != SHOWN)

    def _hide(self, path: Path) -> None:
        """Withhold a sum that was shown, and enough inside it that it cannot be added up from its parts."""
        self.reasons[path] = COMPLEMENTARY
        if path in self._parts and self._remainder(path) == 0:
            self._hide(self._smallest_shown(path))

    def _smallest_shown(self, path: Path) -> Path:
        # There is one: were all its parts withheld, the remainder would be all of it, which is no less than the minimum.
        shown: Iterable[Path] = (part for part in self._parts[path] if self.reasons[part] == SHOWN)
        return min(shown, key=lambda part: (self._counts[part], part))
