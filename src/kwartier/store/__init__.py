"""Readings on disk: columns in a Delta Lake table, appended and never changed."""

from kwartier.store.encode import Entry
from kwartier.store.table import Appended, Store
from kwartier.store.validated import Validated

__all__ = ["Appended", "Entry", "Store", "Validated"]
