"""What every format has in common: what there is to tell, and the documents that it is told in.

A format is one function: it takes the :class:`Content` of a day and gives :class:`Document` after document, each for one
recipient. A document knows what it says and not yet under which id: that is drawn, and kept, by who sends it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow

from kwartier.export.codes import Code, Codes
from kwartier.export.series import Series
from kwartier.export.wording import second
from kwartier.model import Times
from kwartier.settle.tables import Area, AreaState, Sum

ELECTRICITY = "23"
"""The business sector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A version of a local day. Series come in an order that is the same whenever the same version is told."""

    day: date
    times: Times = field(repr=False)
    """The quarter ends (UTC s), n for n quarters."""
    areas: Sequence[Area]
    sums: Sequence[Sum] = ()
    series: Iterable[Series] = field(default=(), repr=False)

    @property
    def settled(self) -> frozenset[str]:
        """The grid areas that add up: of the others nothing is told."""
        return frozenset(one.grid_area for one in self.areas if one.state == AreaState.SETTLED)

    @property
    def withheld(self) -> tuple[Area, ...]:
        """The others."""
        return tuple(one for one in self.areas if one.state != AreaState.SETTLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Under which id a document goes from whom to whom, and which version of the day it tells."""

    message_id: str
    created_at: int
    """UTC s; as long as the id is the same, so is this."""
    known_at: int
    """Since when what it says is known (UTC s)."""
    sender: Code
    receiver: Code
    version: int
    final: bool = False
    """Whether the version is the last one of its day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One message: what it is about, to whom it goes by name, and how it reads. Day and version apart, these two name it."""

    subject: str
    recipient: str
    pieces: Callable[[Header, Codes], Iterator[str]] = field(repr=False)
    """The message as text, piece by piece."""
    rows: Callable[[Header], pyarrow.Table] = field(repr=False)
    """The same as a table: a row a quarter."""


Format = Callable[[Content], Iterator[Document]]


def head(header: Header, kind: str, process: str, roles: tuple[str, str]) -> list[tuple[str, str | Code]]:
    """The first elements of E66 and E31. ``roles``: of sender and receiver."""
    return [
        ("mRID", header.message_id),
        ("type", kind),
        ("process.processType", process),
        ("businessSector.type", ELECTRICITY),
        ("sender_MarketParticipant.mRID", header.sender),
        ("sender_MarketParticipant.marketRole.type", roles[0]),
        ("receiver_MarketParticipant.mRID", header.receiver),
        ("receiver_MarketParticipant.marketRole.type", roles[1]),
        ("createdDateTime", second(header.created_at)),
    ]
