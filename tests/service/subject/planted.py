"""An installation with three connections whose readings are numbers that are nowhere else, and a search for them.

The search looks at every byte of every file of the home - as whole numbers of four, six and eight bytes of either order and
as text - and into every file of readings, with every key of a day that there ever was.
"""

import json
import random
import re
import shutil
import struct
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.parquet import encryption
from sqlalchemy import insert, select

from kwartier.clock import midnight
from kwartier.database import reading, writing
from kwartier.fleet.ean import check_digit
from kwartier.fleet.visits import VisitRecord
from kwartier.gate.ids import Ids
from kwartier.keys.days import DayKeys
from kwartier.keys.vault import open_vault
from kwartier.model import STATE, Readings, Volumes
from kwartier.service.home import Home, open_home
from kwartier.store.log import Log
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import KINDS, VALIDATED
from kwartier.tables import (
    access_connections,
    accesses,
    claims,
    day_keys,
    dues,
    exchanges,
    findings,
    reading_ids,
    substitutes,
    validation_findings,
)
from tests import postgres
from tests.living import new_home
from tests.store.entries import ZONE, entry, readings

ONE_DAY = timedelta(days=1)
TODAY = date(2026, 11, 26)
NOW = midnight(TODAY, ZONE) + 10 * 3600
OLD = [date(2025, 12, 30) + timedelta(days=number) for number in range(4)]
"""Over New Year, and older than anything has to be kept."""
YOUNG = [date(2026, 11, 20), date(2026, 11, 21)]
DAYS = [*OLD, *YOUNG]
SEED = 20_261_126
PERSONS = 3
LAST = ("last_import_wh", "last_export_wh")
PEAK = ("peak_import_wh", "peak_export_wh")
UNREAD = YOUNG[0]
"""A day of which the state has no register of its own: it carries the last one of the days before."""


def wall() -> float:
    return NOW


def ean(number: int) -> str:
    body = f"2087{number:013d}"
    return body + str(check_digit(body))


def day_of(number: int, day: date) -> Readings:
    """The readings of one connection and day: registers and differences that are in no other."""
    chance = random.Random(f"{SEED}-{number}-{day}")
    found = readings(day, day + ONE_DAY)
    steps = [chance.randrange(1 << 28, 1 << 30) for _ in found.times[1:]]
    first = chance.randrange(1 << 40, 1 << 41)
    column = first + np.concatenate([[0], np.cumsum(np.array(steps, np.int64))])
    return replace(found, registers={"import_wh": column, "export_wh": column + (1 << 50)})


def volumes_of(number: int, day: date, identity: int) -> Volumes:
    """What validation makes of them: the same differences, the last registers, and the largest quarter of all days so far."""
    registers = day_of(number, day).registers
    last = day_of(number, OLD[-1]) if day == UNREAD else day_of(number, day)
    state = dict.fromkeys(STATE, number + 1)
    for channel in registers:
        state[f"last_{channel}"] = int(last.registers[channel][-1])
        state[f"last_{channel.removesuffix('_wh')}_at"] = int(last.times[-1])
        state[f"peak_{channel}"] = int(np.diff(day_of(number, OLD[0]).registers[channel]).max())
    return Volumes(
        day=day,
        ids=np.array([identity]),
        energy_wh={name: np.diff(column)[np.newaxis].astype(np.int32) for name, column in registers.items()},
        quality={name: np.zeros((1, len(column) - 1), np.uint8) for name, column in registers.items()},
        state={name: np.array([value], np.int64) for name, value in state.items()},
    )


def planted_home(folder: Path, kind: str, encrypted: str) -> Path:
    """Three connections, each with a meter, with readings, rewritten into days and segments, and with traces everywhere.

    A copy of one that is made once, beside the folders that the tests of this process have.
    """
    first = folder.parent / f"planted-{kind}-{encrypted}"
    if not first.exists():
        made = first.with_suffix(".part")
        made.mkdir()
        _plant(made, kind, encrypted)
        made.rename(first)
    home = shutil.copytree(first / "home", folder / "home")
    settings = home / "kwartier.toml"
    if kind == "postgresql":
        text = settings.read_text("utf-8")
        address = str(tomllib.loads(text)["database"])
        settings.write_text(text.replace(address, postgres.copy_of(address)), "utf-8")
    return home


def _plant(folder: Path, kind: str, encrypted: str) -> None:
    home = folder / "home"
    home.mkdir()
    lines = ['client_system_title = "4B57540102030405"', f'encryption = "{encrypted}"']
    if encrypted == "none":
        lines.append('encryption_decision = "a test, to look into every byte"')
    if kind == "postgresql":
        lines.append(f'database = "{postgres.with_tables(kind, folder)}"')
    (home / "kwartier.toml").write_text("\n".join(lines) + "\n", "utf-8")
    new_home(home)
    fleet = ["meter,ean,host,port,system_title,companion,valid_from"]
    fleet += [f"m{one},{ean(one)},127.0.0.1,4059,4B575400000000{one:02d},smr-5.5,2020-01-01" for one in range(PERSONS)]
    (folder / "fleet.csv").write_text("\n".join(fleet) + "\n")
    with open_home(home) as opened:
        opened.registry.import_file(folder / "fleet.csv", at=0)
        store, validated = opened.open_store(), opened.open_validated()
        for number in range(PERSONS):
            for day in DAYS:
                with writing(opened.engine) as connection:
                    wanted = [(ean(number), f"m{number}", day.year)]
                    (identity,) = Ids(opened.engine).ids_of(connection, wanted).values()
                store.append(f"{number}-{day}", [entry(identity, day_of(number, day), known_at=NOW - 5)])
                validated.append(number + 1, day, [volumes_of(number, day, identity)])
            _trace(opened, number)
        for table in KINDS:
            Rewriter(opened.store_folder, opened.day_keys, table).rewrite(TODAY)
            assert list((opened.store_folder / table.segments).rglob("*.parquet")), "there are copies, too"


def _trace(home: Home, number: int) -> None:
    """What else the database knows of a connection and its days."""
    with writing(home.engine) as connection:
        for place, day in enumerate(DAYS):
            name = f"{number}{place}".rjust(32, "a")
            scope = f'{{"start": "{day}", "end": "{day + ONE_DAY}"}}'
            row = {
                "id": name,
                "at": NOW - 9,
                "actor": "os:test",
                "purpose": "complaint",
                "reason": "why",
                "scope": scope,
            }
            connection.execute(insert(accesses), [{**row, "recipient": "supplier", "verdict": "granted"}])
            connection.execute(insert(access_connections), [{"access": name, "ean": ean(number)}])
            visit, meter, on = f"v{number}-{place}", f"m{number}", day + ONE_DAY
            began = datetime(on.year, on.month, on.day, 1).astimezone()
            home.visits.record_within(
                connection,
                [
                    VisitRecord(
                        id=visit, meter=meter, ean=ean(number), date=on, started=began, ended=began, outcome="done",
                        asked=True, purpose="settlement", reason="night", actor="os:night",
                    )
                ],
            )  # fmt: skip  # one visit, whose names matter and whose layout does not
            claim = {"ean": ean(number), "date": on, "meter": meter, "visit": visit, "state": "fulfilled", "reads": 1}
            connection.execute(insert(claims), [{**claim, "opened_at": NOW, "fulfilled_at": NOW}])
            due = {"day": day, "meter": meter, "ean": ean(number), "dso": "", "timezone": ZONE, "state": "stored"}
            times = {"earliest": 0, "next_at": 0, "deadline": 0, "attempts": 1, "quarters": 96, "present": 96}
            connection.execute(insert(dues), [{**due, **times}])
            identity = connection.execute(
                select(reading_ids.c.id).where(reading_ids.c.ean == ean(number), reading_ids.c.year == day.year)
            ).scalar_one()
            mark = {"reading": identity, "day": day, "code": "clock-step", "reason": "set", "at": NOW}
            connection.execute(insert(findings), [mark])
            of_run = {"run": number + 1, "reading": identity, "day": day, "channel": "import_wh", "first": 3, "last": 4}
            connection.execute(insert(validation_findings), [{**of_run, "code": "V7", "severity": "fail"}])
            made = {"rule": "V7", "method": "E3", "quality": "estimated", "inputs": f"{day - ONE_DAY}"}
            connection.execute(insert(substitutes), [{**of_run, **made}])
        registers = day_of(number, OLD[0]).registers["import_wh"].tolist()
        exchange = {
            "old_meter": f"x{number}",
            "new_meter": f"m{number}",
            "moment": 1,
            "ean": ean(number),
            "day": OLD[0],
        }
        names = ("closing_import_wh", "closing_export_wh", "opening_import_wh", "opening_export_wh")
        connection.execute(
            insert(exchanges), [{**exchange, **dict(zip(names, registers[1:5], strict=True)), "known_at": 1}]
        )


class Search:
    """Looks for the numbers of one connection and some days. It keeps every key of a day that there was when it began."""

    def __init__(self, home: Path, number: int, days: Sequence[date], *, in_state: bool = True) -> None:
        self.home = home
        self.in_state = in_state
        found = [day_of(number, day).registers[name] for day in days for name in ("import_wh", "export_wh")]
        self.registers = np.unique(np.concatenate(found))
        self.steps = np.unique(np.concatenate([np.diff(one) for one in found]))
        columns = [np.diff(one).tolist() for one in found]
        self.pairs = {
            int.from_bytes(struct.pack("<ii", *two), "little") for one in columns for two in pairwise(one)
        } | {int.from_bytes(struct.pack(">ii", *two), "big") for one in columns for two in pairwise(one)}
        self.texts = {str(one).encode() for one in [*self.registers.tolist(), *self.steps.tolist()]}
        self.digests: list[int] = []
        self.keys: dict[date, bytes] = {}
        with open_home(home) as opened, reading(opened.engine) as connection:
            sealed = {row.day: row.sealed for row in connection.execute(select(day_keys))}
            vault = open_vault(opened.vault_folder)
            self.keys = {day: vault.open(octets, f"readings of {day}") for day, octets in sealed.items()}
        self.digests = sorted({one for table in self.rows() for one in self._digests(table)})

    def anywhere(self) -> list[str]:
        """Every file that has one of the numbers, by its bytes or by what it holds."""
        found = [
            str(path.relative_to(self.home))
            for path in sorted(one for one in self.home.rglob("*") if one.is_file())
            if self._in_bytes(path.read_bytes())
        ]
        return found + [name for name, table in self.opened() if self._has(table)]

    def _in_bytes(self, octets: bytes) -> bool:
        """At any offset; SQLite keeps these registers in six bytes. Of differences two in a row count: one is in much noise."""
        wide = [*self.registers.tolist(), *self.digests, *self.pairs]
        for width, numbers in ((6, self.registers), (8, np.array(wide, np.int64))):
            if len(octets) < width:
                continue
            windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(octets, np.uint8), width)
            for place in (range(width), range(width - 1, -1, -1)):
                values = np.zeros(len(windows), np.uint64)
                for power, column in enumerate(place):
                    values |= windows[:, column].astype(np.uint64) << np.uint64(8 * power)
                if np.isin(values.view(np.int64), numbers).any():
                    return True
        return any(one in self.texts for one in re.findall(rb"[0-9]+", octets))

    def rows(self) -> Iterator[pyarrow.Table]:
        return (table for _, table in self.opened())

    def opened(self) -> Iterator[tuple[str, pyarrow.Table]]:
        """Every file of readings, whether anything names it or not."""
        for path in sorted(self.home.rglob("*.parquet")):
            if (table := self._open(path)) is not None:
                yield str(path.relative_to(self.home)), table

    def _open(self, path: Path) -> pyarrow.Table | None:
        name = f"{path.parent.name}/{path.name}"
        if {VALIDATED.folder, VALIDATED.segments} & set(path.parts):
            name = f"{VALIDATED.below}/{name}"
        attempts: list[Any] = [None]
        if self.keys:
            attempts = [self._decryption(key, name) for key in self.keys.values()]
        for attempt in attempts:
            try:
                return pq.ParquetFile(path, decryption_properties=attempt).read()
            except (OSError, pyarrow.ArrowException):
                continue
        raise AssertionError(f"{name} opens under no key that there ever was")

    @staticmethod
    def _decryption(key: bytes, name: str) -> object:
        class Opened(DayKeys):
            def _key(self, day: date, *, new: bool) -> bytes:
                return key

        of_file = Opened.file_key(object.__new__(Opened), TODAY, name, new=False)
        return encryption.create_decryption_properties(of_file, aad_prefix=name.encode())  # type: ignore[attr-defined]  # the stubs do not know it

    def _has(self, table: pyarrow.Table) -> bool:
        steps = [pc.list_flatten(table[name]).to_numpy() for name in ("import_wh", "export_wh")]
        if any(np.isin(one, self.steps).any() for one in steps):
            return True
        if "run" in table.column_names:
            known = ((LAST, self.registers), (PEAK, self.steps))
            return self.in_state and any(
                bool(np.isin(table[one], numbers).any()) for names, numbers in known for one in names
            )
        openings = [table[f"opening_{name}"].to_numpy() for name in ("import_wh", "export_wh")]
        return bool(
            any(np.isin(one, self.registers).any() for one in openings)
            or np.isin(table["digest"].to_numpy(), np.array(self.digests, np.int64)).any()
        )

    def _digests(self, table: pyarrow.Table) -> list[int]:
        if "digest" not in table.column_names:
            return []
        openings = table["opening_import_wh"].to_numpy()
        return [int(one) for one in table["digest"].to_numpy()[np.isin(openings, self.registers)]]


def every_value(home: Home, number: int) -> Mapping[date, list[tuple[object, ...]]]:
    """Every row of a connection with all of its columns, as the files have them."""
    with reading(home.engine) as connection:
        ids = set(connection.execute(select(reading_ids.c.id).where(reading_ids.c.ean == ean(number))).scalars())
    from kwartier.store.files import Files

    found: dict[date, list[tuple[object, ...]]] = {}
    for kind in KINDS:
        log = Log(home.store_folder, encrypted=home.day_keys is not None, kind=kind)
        log.refresh()
        files = Files(log.root, home.day_keys, kind)
        for day, paths in log.days().items():
            for path in paths:
                rows = files.read(path).to_pylist()
                found.setdefault(day, []).extend(tuple(map(repr, row.values())) for row in rows if row["id"] in ids)
    return {day: sorted(rows, key=repr) for day, rows in sorted(found.items())}


def told(home: Home, *kinds: str) -> list[dict[str, object]]:
    """What the audit log of a home has of some kinds."""
    log = home.log.opened()
    found = [json.loads(one) for one in log.records(0, log.size)]
    return [one for one in found if one["kind"] in kinds]
