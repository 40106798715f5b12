"""Files of readings are opened in one room only."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "kwartier"
LIBRARIES = ("deltalake", "pyarrow.parquet", "pyarrow.dataset")
ROWFILE = SOURCE / "rowfile.py"
"""Reads and writes the files of operators, and knows of no store."""
TABLEFILE = SOURCE / "tablefile.py"
"""Reads and writes tables of the database, in which there are no readings."""


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its head or within."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return names


def opens_tables(path: Path) -> bool:
    return any(name == one or name.startswith(f"{one}.") for name in imported(path) for one in LIBRARIES)


def test_only_the_store_and_the_reader_of_operators_files_open_tables() -> None:
    found = {path for path in SOURCE.rglob("*.py") if opens_tables(path)}
    assert {path.parent.name for path in found - {ROWFILE, TABLEFILE}} == {"store"}
    assert {ROWFILE, TABLEFILE} <= found


@pytest.mark.parametrize("reader", ["kwartier.store.reader", "kwartier.store.volumes_reader"])
def test_the_readers_of_the_store_are_the_gates_alone(reader: str) -> None:
    readers = {path for path in SOURCE.rglob("*.py") if reader in imported(path)}
    assert {path.parent.name for path in readers} == {"gate"}
