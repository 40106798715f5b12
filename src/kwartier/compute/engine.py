"""A computation over many pieces of a table: each piece is mapped by itself, and what comes of them is merged.

The result does not depend on how the pieces were spread or in which order they came: merging sums of whole numbers is the
same either way. An engine knows nothing of what it computes and nothing of where pieces come from.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import pyarrow

Piece = TypeVar("Piece")
Partial = TypeVar("Partial")
Piece_contra = TypeVar("Piece_contra", contravariant=True)


class Source(Protocol[Piece_contra]):
    """Where the rows of a piece come from; sent to the workers of a cluster, so it must survive pickling."""

    def read(self, piece: Piece_contra) -> pyarrow.Table:
        """The rows of one piece."""
        ...


class Kernel(Protocol[Partial]):
    """What is computed; sent to the workers of a cluster, too."""

    def map(self, rows: pyarrow.Table, onto: Partial | None = None) -> Partial:
        """The result for some rows, merged with ``onto``; may change and return that."""
        ...

    def merge(self, one: Partial, other: Partial) -> Partial:
        """Two results as one; may change and return ``one``."""
        ...


class Engine(Protocol):
    """Runs kernels; ``local.py`` and ``spark.py`` have one each."""

    def run(self, source: Source[Piece], pieces: Sequence[Piece], kernel: Kernel[Partial]) -> Partial | None:
        """The result over all pieces; None where there are none. Raises what a piece raises."""
        ...
