"""The keys of meters: imported, sealed, and handed to a visit as what it needs.

Keys may come before the meter that they belong to. Importing keys for a meter that has some replaces them and records that;
the record tells when, who and the fingerprint of the encryption key, never a key.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, delete, func, insert, select

from kwartier import rowfile
from kwartier.database import key_events, meter_keys, meters, reading, writing
from kwartier.dlms.protection import MAX_COUNTER, SessionKeys
from kwartier.dlms.suite import SUITES
from kwartier.errors import StateError
from kwartier.keys.counters import CounterKey, Counters
from kwartier.keys.vault import Vault
from kwartier.rowfile import Column

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


_KEY = rowfile.hexadecimal(*KEY_BYTES)
COLUMNS = (
    Column(name="meter"),
    Column(name="kek", read=_KEY, secret=True),
    Column(name="ak", read=_KEY, secret=True),
    Column(name="ek", read=_KEY, secret=True),
    Column(name="lls", read=_password, default=None, secret=True),
    Column(name="broadcast_ek", read=_KEY, default=None, secret=True),
    Column(name="counter", read=rowfile.whole(0, MAX_COUNTER), default=None),
    Column(name="origin", read=rowfile.one_of(DELIVERY, OPERATOR), default=DELIVERY),
)
"""``keys.csv``. A row of it is never shown: what is wrong is said without the cell."""
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

    def import_file(
        self, path: Path, *, at: int, actor: str, own_title: bytes, skip_bad: bool = False, refused: Path | None = None
    ) -> Imported:
        """Take in ``keys.csv``: all of it, or with ``skip_bad`` the good rows. ``at``: UTC seconds.

        ``own_title`` is the system title whose counter a ``counter`` cell raises. Refused rows go to ``refused`` without
        their secrets.
        """
        rows = rowfile.read(path, COLUMNS, unique="meter", skip_bad=skip_bad)
        good = [row for _, row in rows.good]
        replaced = 0
        for first in range(0, len(good), BATCH):
            replaced += self._store(good[first : first + BATCH], at, actor)
        for row in good:
            counter, ek = row["counter"], row["ek"]
            if isinstance(counter, int) and isinstance(ek, bytes):
                key = CounterKey(ek_fingerprint=self._vault.fingerprint(ek), title=own_title.hex())
                self.counters.raise_to(key, counter)
        if rows.bad and refused is not None:
            rowfile.write_refused(refused, [_without_secrets(one) for one in rows.bad])
        return Imported(new=len(good) - replaced, replaced=replaced, refused=len(rows.bad))

    def _store(self, rows: Sequence[rowfile.Row], at: int, actor: str) -> int:
        records, events = [], []
        for row in rows:
            meter, ek = str(row["meter"]), row["ek"]
            if not isinstance(ek, bytes):
                raise StateError("no-keys", f"no encryption key for meter {meter}")
            fingerprint = self._vault.fingerprint(ek)
            secret = {name: value.hex() for name in _SECRETS if isinstance(value := row[name], bytes)}
            sealed = self._vault.seal(json.dumps(secret).encode(), _bound_to(meter))
            records.append(
                {
                    "meter": meter,
                    "sealed": sealed,
                    "ek_fingerprint": fingerprint,
                    "origin": row["origin"],
                    "imported_at": at,
                }
            )
            events.append({"meter": meter, "at": at, "actor": actor, "ek_fingerprint": fingerprint})
        names = [str(record["meter"]) for record in records]
        with writing(self._engine) as connection:
            known = set(connection.execute(select(meter_keys.c.meter).where(meter_keys.c.meter.in_(names))).scalars())
            connection.execute(delete(meter_keys).where(meter_keys.c.meter.in_(known)))
            connection.execute(insert(meter_keys), records)
            connection.execute(
                insert(key_events),
                [{**event, "action": "replaced" if event["meter"] in known else "imported"} for event in events],
            )
        return len(known)

    def keys_of(self, meter: str) -> MeterKeys | None:
        """The keys of ``meter``, opened; None where there are none. ``SecurityError`` when the record was tampered with."""
        with reading(self._engine) as connection:
            row = connection.execute(select(meter_keys).where(meter_keys.c.meter == meter)).mappings().one_or_none()
        if row is None:
            return None
        secret = {
            name: bytes.fromhex(text)
            for name, text in json.loads(self._vault.open(row["sealed"], _bound_to(meter))).items()
        }
        return MeterKeys(
            meter=meter,
            origin=row["origin"],
            ek_fingerprint=row["ek_fingerprint"],
            session=SessionKeys(ek=secret["ek"], ak=secret["ak"], lls=secret.get("lls")),
            kek=secret["kek"],
        )

    def status(self) -> Status:
        """How many meters have keys, and where those come from."""
        with reading(self._engine) as connection:
            known = connection.execute(select(func.count()).select_from(meters)).scalar_one()
            counted = connection.execute(
                select(meter_keys.c.origin, func.count())
                .join(meters, meters.c.meter == meter_keys.c.meter)
                .group_by(meter_keys.c.origin)
            ).all()
            origins: dict[str, int] = {origin: count for origin, count in counted}
            keyed = connection.execute(select(func.count()).select_from(meter_keys)).scalar_one()
        return Status(
            meters=known,
            with_keys=sum(origins.values()),
            delivery=origins.get(DELIVERY, 0),
            operator=origins.get(OPERATOR, 0),
            without_meter=keyed - sum(origins.values()),
            counters_nearly_spent=self.counters.nearly_spent(),
        )


def _bound_to(meter: str) -> str:
    return f"keys of meter {meter}"


def _without_secrets(bad: rowfile.BadRow) -> rowfile.BadRow:
    cells = {name: "" if name in _SECRETS else text for name, text in bad.cells.items()}
    return rowfile.BadRow(line=bad.line, column=bad.column, reason=bad.reason, cells=cells)
