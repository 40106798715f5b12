"""Volumes that two persons agree on by hand: one asks with a file, another approves exactly that, and then it is done once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from kwartier import rowfile
from kwartier.clock import QUARTER_S, local_day, midnight
from kwartier.errors import InputError
from kwartier.fleet.ean import read_ean
from kwartier.market.columns import quarter
from kwartier.service.home import Home
from kwartier.service.two import pairs_of
from kwartier.service.validating.manual import ByHand
from kwartier.validate.day import CHANNELS
from kwartier.validate.usable import MAX_WH
from kwartier.who.actor import Actor

OPERATION = "manual-volumes"
"""What it is called among the operations that take two."""
MAX_REASON = 200
COLUMNS = (
    rowfile.Column(name="ean", read=read_ean),
    rowfile.Column(name="meter", read=rowfile.name),
    rowfile.Column(name="channel", read=rowfile.one_of(*CHANNELS)),
    rowfile.Column(name="quarter", read=quarter),
    rowfile.Column(name="energy_wh", read=rowfile.whole(0, MAX_WH), secret=True),
    rowfile.Column(name="reason", read=rowfile.words(MAX_REASON)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What a file says of one local day; ``digest`` (SHA-256, hex) is of the file to the letter."""

    day: date
    volumes: Sequence[ByHand] = field(repr=False)
    quarters: int
    digest: str


def read_agreed(path: Path, timezone: str) -> Agreed:
    """The volumes in ``path``, all of one local day. Raises ``InputError`` bad-manual-volumes and as files of rows do."""
    rows = rowfile.read_columns(path, COLUMNS, unique=("meter", "channel", "quarter"))
    names = [column.name for column in COLUMNS]
    cells = sorted(
        tuple(row) for chunk in rows.good for row in zip(*(chunk.columns[name] for name in names), strict=True)
    )
    days = {local_day(int(row[3]) - 1, timezone) for row in cells}
    if len(days) != 1:
        raise InputError("bad-manual-volumes", f"{path.name} has quarters of {len(days)} local days, and takes one")
    (day,) = days
    opens = midnight(day, timezone)
    volumes: list[ByHand] = []
    for (ean, meter, channel, reason, _), several in groupby(enumerate(cells), key=_stretch):
        run = [row for _, row in several]
        first = (int(run[0][3]) - opens) // QUARTER_S - 1
        energy_wh = tuple(int(row[4]) for row in run)
        volumes.append(ByHand(ean=ean, meter=meter, channel=channel, first=first, energy_wh=energy_wh, reason=reason))
    digest = sha256(path.read_bytes()).hexdigest()
    return Agreed(day=day, volumes=tuple(volumes), quarters=len(cells), digest=digest)


def _stretch(placed: tuple[int, tuple[rowfile.Value, ...]]) -> tuple[str, str, str, str, int]:
    """Equal for rows of a meter and channel whose quarters follow each other."""
    place, (ean, meter, channel, ends, _, reason) = placed
    return str(ean), str(meter), str(channel), str(reason), int(ends or 0) - place * QUARTER_S


def ask(home: Home, agreed: Agreed, actor: Actor, *, at: int) -> str:
    """Ask for it; what it is to be approved by. Raises as :meth:`kwartier.who.pairs.Pairs.request`."""
    meters = len({one.meter for one in agreed.volumes})
    text = f"{agreed.quarters} quarters of {meters} meters on {agreed.day}"
    return pairs_of(home.engine, home.settings).request(OPERATION, agreed.digest, actor, text=text, at=at)


def spend(home: Home, agreed: Agreed, approval: str, *, at: int) -> None:
    """Use an approval of exactly this up. Raises as :meth:`kwartier.who.pairs.Pairs.spend`."""
    pairs_of(home.engine, home.settings).spend(approval, OPERATION, agreed.digest, at=at)
