"""Any bytes as a companion of one's own, alone or on top of one that comes with kwartier: a companion or a typed error."""

import atexit
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from kwartier.cosem import companion as companions
from kwartier.errors import KwartierError

_folder = TemporaryDirectory()
atexit.register(_folder.cleanup)
HEADS = (b"", b'extends = "smr-5.5"\n', b'extends = "own"\n', b'extends = "modular-1"\n[objects.clock]\n')


def one(data: bytes) -> None:
    if not data:
        return
    folder = Path(_folder.name)
    (folder / "own.toml").write_bytes(HEADS[data[0] % len(HEADS)] + data[1:])
    with suppress(KwartierError):
        assert companions.load("own", folder).quarter.rows > 0
