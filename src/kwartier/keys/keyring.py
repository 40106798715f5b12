"""The keys of meters: imported, sealed, and handed to a visit as what it needs.

Keys may come before the meter that they belong to. Importing keys for a meter that has some replaces them and records that;
the record tells when, who and the fingerprint of the encryption key, never a key. A file is one transaction, counters
included: all of it is there, or nothing.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from kwartier import rowfile
from kwartier.database import insert_once, reading, writing
from kwartier.dlms.protection import MAX_COUNTER, SessionKeys
from kwartier.dlms.suite import SUITES
from kwartier.errors import SecurityError, StateError
from kwartier.keys.counters import CounterKey, Counters
from kwartier.keys.vault import Vault
from kwartier.rowfile import Column
from kwartier.tables import FOREVER, key_events, meter_keys, meters, vaults

KEY_BYTES = tuple(sorted({suite.key_bytes for suite in SUITES.values()}))
MAX_LLS_BYTES = 64
DELIVERY, OPERATOR = "delivery", "operator"
BATCH = 500


def _password(text: str) -> rowfile.Value:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if not 0 < len(value) <= MAX_LLS_BYTES:
        raise ValueError(f"is not 1 to {MAX_LLS_BYTES} bytes in hex")
    return value


_Record = dict[str, str | bytes | int]
_LIKE_A_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_KEY = rowfile.hexadecimal(*KEY_BYTES)
COLUMNS = (
    Column(name="meter", read=rowfile.name, secret=True),
    Column(name="kek", read=_KEY, secret=True),
    Column(name="ak", read=_KEY, secret=True),
    Column(name="ek", read=_KEY, secret=True),
    Column(name="lls", read=_password, default=None, secret=True),
    Column(name="broadcast_ek", read=_KEY, default=None, secret=True),
    Column(name="counter", read=rowfile.whole(0, MAX_COUNTER), default=None, secret=True),
    Column(name="origin", read=rowfile.one_of(DELIVERY, OPERATOR), default=DELIVERY, secret=True),
)
"""``keys.csv``. No cell of it is ever shown, for a key may stand in the wrong column: what is wrong is said without it."""
_SECRETS = ("kek", "ak", "ek", "lls", "broadcast_ek")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKeys:
    """The opened keys of one meter; its repr shows none of them."""

    meter: str
    origin: str
    ek_fingerprint: str
    session: SessionKeys = field(repr=False)
    kek: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did."""

    new: int
    replaced: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """One change of a meter's keys: ``imported`` or ``replaced``, when (UTC seconds), by whom, and a fingerprint."""

    at: int
    action: str
    actor: str
    ek_fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What there is, in numbers."""

    meters: int
    with_keys: int
    delivery: int
    operator: int
    without_meter: int
    counters_nearly_spent: int


class Keyring:
    """The keys in one database, under one vault."""

    __slots__ = ("_engine", "_vault", "counters")

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self.counters = Counters(engine)

    def claim(self) -> None:
        """This database belongs to this vault from now on. ``SecurityError`` wrong-master-key when it has another one."""
        with writing(self._engine) as connection:
            insert_once(connection, vaults, [{"id": 1, "check_value": self._vault.check_value}])
        self.check()

    def check(self) -> None:
        """``SecurityError`` wrong-master-key when the database belongs to another vault."""
        if _check_value(self._engine) != self._vault.check_value:
            raise SecurityError("wrong-master-key", "the master key is not the one that this database belongs to")

    def import_file(
        self, path: Path, *, at: int, actor: str, own_title: bytes, skip_bad: bool = False, refused: Path | None = None
    ) -> Imported:
        """Take in ``keys.csv``: all of it, or with ``skip_bad`` the good rows. ``at``: UTC seconds.

        A ``counter`` cell is the highest counter that was used with that encryption key and our system title,
        ``own_title``, wherever it was used: we go on after it. The highest counters that meters used under these keys are
        forgotten: a meter that was reset starts anew, and this import is how an operator says so. Refused rows go to
        ``refused`` without their secrets.
        """
        rows = rowfile.read(path, COLUMNS, unique="meter", skip_bad=skip_bad)
        good = sorted((row for _, row in rows.good), key=lambda row: str(row["meter"]))
        records = [self._record(row, at) for row in good]
        raised = {
            CounterKey(ek_fingerprint=fingerprint, title=own_title.hex()): used + 1
            for fingerprint, used in _highest_used(good, records).items()
        }
        replaced = 0
        with writing(self._engine) as connection:
            for first in range(0, len(records), BATCH):
                replaced += _store(connection, records[first : first + BATCH], actor)
            self.counters.forget_peers_within(connection, [str(record["ek_fingerprint"]) for record in records])
            self.counters.raise_all(connection, raised)
            if rows.bad and refused is not None:
                rowfile.write_refused(refused, [_without_secrets(one) for one in rows.bad], beside=path)
        return Imported(new=len(good) - replaced, replaced=replaced, refused=len(rows.bad))

    def _record(self, row: rowfile.Row, at: int) -> _Record:
        meter, ek = str(row["meter"]), row["ek"]
        if not isinstance(ek, bytes):
            raise StateError("no-keys", f"no encryption key for meter {meter}")
        secret = {name: value.hex() for name in _SECRETS if isinstance(value := row[name], bytes)}
        return {
            "meter": meter,
            "sealed": self._vault.seal(json.dumps(secret).encode(), _bound_to(meter)),
            "ek_fingerprint": self._vault.fingerprint(ek),
            "origin": str(row["origin"]),
            "imported_at": at,
        }

    def origin_of(self, meter: str) -> str | None:
        """Where the keys of ``meter`` come from; None where there are none. Opens nothing."""
        with reading(self._engine) as connection:
            return connection.execute(
                select(meter_keys.c.origin).where(meter_keys.c.meter == meter)
            ).scalar_one_or_none()

    def events_of(self, meter: str) -> list[KeyEvent]:
        """Every change of the keys of ``meter``, the first one first."""
        query = select(key_events).where(key_events.c.meter == meter).order_by(key_events.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [
            KeyEvent(at=row["at"], action=row["action"], actor=row["actor"], ek_fingerprint=row["ek_fingerprint"])
            for row in rows
        ]

    def keys_of_many(self, names: Sequence[str]) -> dict[str, MeterKeys]:
        """The keys of many meters, opened; those that have none are not in it. Raises as :meth:`keys_of`."""
        found: dict[str, MeterKeys] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(names), BATCH):
                query = select(meter_keys).where(meter_keys.c.meter.in_(names[first : first + BATCH]))
                found.update((row.meter, self._opened(row)) for row in connection.execute(query))
        return found

    def keys_of(self, meter: str) -> MeterKeys | None:
        """The keys of ``meter``, opened; None where there are none. ``SecurityError`` when the record was tampered with."""
        return self.keys_of_many([meter]).get(meter)

    def _opened(self, row: Row[tuple[object, ...]]) -> MeterKeys:
        opened = self._vault.open(row.sealed, _bound_to(row.meter))
        secret = {name: bytes.fromhex(text) for name, text in json.loads(opened).items()}
        return MeterKeys(
            meter=row.meter,
            origin=row.origin,
            ek_fingerprint=row.ek_fingerprint,
            session=SessionKeys(ek=secret["ek"], ak=secret["ak"], lls=secret.get("lls")),
            kek=secret["kek"],
        )

    def status(self) -> Status:
        """How many meters have keys, and where those come from."""
        with reading(self._engine) as connection:
            named = select(meters.c.meter).where(meters.c.known_until == FOREVER).distinct().subquery()
            known = connection.execute(select(func.count()).select_from(named)).scalar_one()
            counted = connection.execute(
                select(meter_keys.c.origin, func.count())
                .join(named, named.c.meter == meter_keys.c.meter)
                .group_by(meter_keys.c.origin)
            ).all()
            origins: dict[str, int] = {row[0]: row[1] for row in counted}
            keyed = connection.execute(select(func.count()).select_from(meter_keys)).scalar_one()
        return Status(
            meters=known,
            with_keys=sum(origins.values()),
            delivery=origins.get(DELIVERY, 0),
            operator=origins.get(OPERATOR, 0),
            without_meter=keyed - sum(origins.values()),
            counters_nearly_spent=self.counters.nearly_spent(),
        )


def is_claimed(engine: Engine) -> bool:
    """Whether the database belongs to a vault already."""
    return _check_value(engine) is not None


def _check_value(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return connection.execute(select(vaults.c.check_value)).scalar_one_or_none()


def _bound_to(meter: str) -> str:
    return f"keys of meter {meter}"


def _store(connection: Connection, records: Sequence[_Record], actor: str) -> int:
    """Put the records in the place of those of the same meters; how many were replaced."""
    names = [record["meter"] for record in records]
    known = set(connection.execute(select(meter_keys.c.meter).where(meter_keys.c.meter.in_(names))).scalars())
    connection.execute(delete(meter_keys).where(meter_keys.c.meter.in_(known)))
    connection.execute(insert(meter_keys), records)
    connection.execute(
        insert(key_events),
        [
            {
                "meter": record["meter"],
                "at": record["imported_at"],
                "actor": actor,
                "action": "replaced" if record["meter"] in known else "imported",
                "ek_fingerprint": record["ek_fingerprint"],
            }
            for record in records
        ],
    )
    return len(known)


def _highest_used(rows: Sequence[rowfile.Row], records: Sequence[_Record]) -> dict[str, int]:
    """The highest ``counter`` cell of each encryption key: meters may share one."""
    highest: dict[str, int] = {}
    for row, record in zip(rows, records, strict=True):
        if isinstance(used := row["counter"], int):
            fingerprint = str(record["ek_fingerprint"])
            highest[fingerprint] = max(used, highest.get(fingerprint, 0))
    return highest


def _without_secrets(bad: rowfile.BadRow) -> rowfile.BadRow:
    """The row with its meter's name only, and that only where it cannot be a key in the wrong column."""
    meter = bad.cells.get("meter", "")
    shown = meter if rowfile.is_name(meter) and not _LIKE_A_KEY.search(meter) else ""
    return rowfile.BadRow(line=bad.line, column=bad.column, reason=bad.reason, cells={"meter": shown})
