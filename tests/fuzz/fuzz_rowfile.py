"""Any bytes as a ``fleet.csv``, and behind its header: rows, rows that are refused with a reason, or a typed error."""

import atexit
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from kwartier import rowfile
from kwartier.errors import KwartierError
from kwartier.fleet.columns import columns

_folder = TemporaryDirectory()
atexit.register(_folder.cleanup)
COLUMNS = columns(("smr-5.5",))
HEADS = (
    b"",
    b"meter,ean,host,port,system_title,companion\n",
    b"\xef\xbb\xbfmeter,ean,host,port,system_title,companion,transport\r\n",
)


def one(data: bytes) -> None:
    if not data:
        return
    path = Path(_folder.name) / "fleet.csv"
    path.write_bytes(HEADS[data[0] % len(HEADS)] + data[1:])
    with suppress(KwartierError):
        rowfile.read(path, COLUMNS, unique="meter", skip_bad=bool(data[0] & 0x80))
