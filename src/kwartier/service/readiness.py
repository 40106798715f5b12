"""Whether an installation can do its work at this moment: what a server answers to whoever watches over it."""

import os
from collections.abc import Mapping

from kwartier.database import is_current
from kwartier.errors import KwartierError
from kwartier.service.auditing import log_folder
from kwartier.service.files import room_for
from kwartier.service.home import Home


def ready(home: Home) -> Mapping[str, bool]:
    """What was looked at, and whether it is well: the database, the audit log, and the store with room to write."""
    return {"database": _database(home), "log": _log(home), "store": _store(home)}


def _database(home: Home) -> bool:
    try:
        return is_current(home.engine)
    except KwartierError:
        return False


def _log(home: Home) -> bool:
    """A log that nobody has written to yet is made with the first record."""
    folder = log_folder(home.path)
    return os.access(folder if folder.exists() else home.path, os.R_OK | os.W_OK | os.X_OK)


def _store(home: Home) -> bool:
    folder = home.store_folder if home.store_folder.exists() else home.path
    return os.access(folder, os.R_OK | os.X_OK) and room_for(home.store_folder).is_enough
