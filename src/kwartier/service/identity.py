"""Who is asking, for one installation: names are proved by ``who/``, roles come from the table of ``kwartier.toml``.

Where there is no such table the home is one person's: the user of the system who owns it has every role but those of a
customer - he can read the master key anyway - and nobody else has any.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import case, func, select

from kwartier.database import reading
from kwartier.errors import InputError, StateError
from kwartier.gate.policy import ALLOWED
from kwartier.service.home import Home
from kwartier.service.home import actor as os_name
from kwartier.service.two import pairs_of
from kwartier.tables import accesses, connections
from kwartier.who import mtls, oidc
from kwartier.who.accounts import Accounts
from kwartier.who.actor import Actor, Identity
from kwartier.who.oidc import Issuer
from kwartier.who.pairs import Pairs
from kwartier.who.roles import GROUP, RoleTable, patterns_of, roles, roles_of

SIMULATED = "20"
"""How the EAN of a connection begins that is nobody's."""
MAX_ACTORS = 100_000
MIN_SUPPLIER = 3
"""Letters of the first word of a supplier's name that is looked for in the names of actors."""
_WORD = re.compile(r"[^\W_]+")
USED, UNUSED, UNMAPPED, UNTOLD = "used", "unused", "unmapped", "not-recorded"


def actor(home: Home) -> Actor:
    """Who is at the keyboard."""
    return acting(home, Identity(name=os_name(), via="os"))


def who_is(
    home: Home, *, at: float, token: str | None = None, certificate: bytes | None = None, nonce: str | None = None
) -> Actor:
    """Who is on a line: by a token of an issuer, else by the certificate (DER) that TLS has verified. ``at``: UTC seconds.

    ``nonce``: the token has to answer the sign-in that this was drawn for.

    Raises ``SecurityError`` bad-token, unknown-issuer, expired-token, bad-certificate; ``InputError`` bad-jwks.
    """
    if token is not None:
        return acting(home, oidc.verify(token, issuers(home), at=at, nonce=nonce))
    if certificate is not None:
        return acting(home, mtls.identity_of(certificate, at=at))
    raise InputError("bad-argument", "neither a token nor a certificate says who is asking")


def log_in(home: Home, name: str, password: str, *, at: int) -> Actor:
    """Who has an account of a simulated installation. Raises as :meth:`kwartier.who.accounts.Accounts.log_in`."""
    return acting(home, accounts(home).log_in(name, password, at=at))


def acting(home: Home, identity: Identity) -> Actor:
    """A name that was proved, with the roles that it has here."""
    given = roles_of(identity.name, role_table(home), identity.groups)
    return Actor(name=identity.name, roles=given, via=identity.via)


def role_table(home: Home) -> RoleTable:
    """The table of this installation, or what holds without one."""
    if home.settings.roles:
        return home.settings.roles
    owner = os_name(home.path.stat().st_uid)
    return {owner: tuple(name for name, role in roles().items() if not role.self)}


def issuers(home: Home) -> list[Issuer]:
    """The issuers of the settings with their keys. Raises ``InputError`` bad-jwks."""
    found = []
    for alias, one in home.settings.oidc.items():
        path = home.path / one.jwks  # a whole path stays what it is
        found.append(
            Issuer(
                alias=alias,
                issuer=one.issuer,
                audience=one.audience,
                algorithms=frozenset(one.algorithms),
                keys=oidc.read_keys(_octets(path), str(path), one.algorithms),
                skew_s=one.skew_s,
                roles_claim=one.roles_claim,
            )
        )
    return found


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(oidc.MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise InputError("bad-jwks", f"{path}: {error.strerror}") from None


def accounts(home: Home) -> Accounts:
    """The accounts of the installation, which are refused as soon as one connection may be somebody's."""
    return Accounts(home.engine, simulated=lambda: is_simulated(home))


def is_simulated(home: Home) -> bool:
    """Whether every connection that was ever known, to whichever operator, is nobody's."""
    # If the first and the last of them in order begin so, all do: the ends of an index, and no look at each.
    with reading(home.engine) as connection:
        ends = [connection.execute(select(end(connections.c.ean))).scalar() for end in (func.min, func.max)]
    return all(one is None or one.startswith(SIMULATED) for one in ends)


def pairs(home: Home) -> Pairs:
    """The operations that two have to want."""
    return pairs_of(home.engine, home.settings)


# The report by which somebody decides, now and then, who still needs what.


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the table of roles with an actor that it fits, or an actor that no line fits; times in UTC seconds.

    ``state``: the line was ``used`` since the report begins, or ``unused``; the actor is ``unmapped``; or ``not-recorded``,
    of a group and of who may be in one: only their issuer knows that.
    """

    pattern: str
    actor: str
    roles: tuple[str, ...]
    uses: int
    last_used: int | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Who has which roles, and who used a grant since ``since``; times in UTC seconds."""

    since: int
    made_at: int
    lines: tuple[Line, ...]
    vendor_principals: tuple[str, ...]
    """Lines and actors that are a supplier's, which nobody may be."""
    suppliers: tuple[str, ...]
    """The suppliers of modules in this fleet, for whom was looked."""

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Actors that used a grant and have no role any more, or never had one."""
        return tuple(one.actor for one in self.lines if one.state == UNMAPPED)

    def table(self) -> dict[str, object]:
        """As JSON."""
        return {
            "since": _utc(self.since),
            "made_at": _utc(self.made_at),
            "vendor_principals": len(self.vendor_principals),
            "vendors_found": self.vendor_principals,
            "suppliers": self.suppliers,
            "lines": [{**asdict(one), "last_used": _utc(one.last_used)} for one in self.lines],
        }

    def csv(self) -> str:
        """One line of CSV each."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("pattern", "actor", "roles", "uses", "last_used", "state"))
        for one in self.lines:
            row = (one.pattern, one.actor, " ".join(one.roles), one.uses, _utc(one.last_used) or "", one.state)
            writer.writerow([f"'{cell}" if str(cell).startswith(("=", "+", "-", "@")) else cell for cell in row])
        return out.getvalue()


def recertification(home: Home, since: int, *, at: int) -> Report:
    """Every line of the table of roles, when it was last used, and every actor that used a grant without one.

    ``since`` and ``at``, UTC seconds: how far to look back, and now. Raises ``StateError`` too-many-actors.
    """
    table, uses = role_table(home), _uses(home, since)
    lines: list[Line] = []
    older: dict[str, int] = {}
    for name, (count, last) in uses.items():
        fitting = patterns_of(name, table)
        if count and not fitting:
            state = UNTOLD if _may_be_grouped(name, table) else UNMAPPED
            lines.append(Line(pattern="", actor=name, roles=(), uses=count, last_used=last, state=state))
        for pattern in fitting:
            older[pattern] = max(last, older.get(pattern, last))
            if count:
                given = tuple(table[pattern])
                lines.append(Line(pattern=pattern, actor=name, roles=given, uses=count, last_used=last, state=USED))
    used = {one.pattern for one in lines}
    for pattern in table.keys() - used:
        state = UNTOLD if pattern.startswith(f"{GROUP}:") else UNUSED
        roles_given, last_used = tuple(table[pattern]), older.get(pattern)
        lines.append(Line(pattern=pattern, actor="", roles=roles_given, uses=0, last_used=last_used, state=state))
    suppliers = tuple(sorted({one.supplier for one in home.registry.suppliers()}))
    names = {*table, *uses, *(f"account:{one.name}" for one in accounts(home).known())}
    return Report(
        since=since,
        made_at=at,
        lines=tuple(sorted(lines, key=lambda one: (one.state, one.pattern, one.actor))),
        vendor_principals=tuple(sorted(name for name in names if _is_vendor(name, table, suppliers))),
        suppliers=suppliers,
    )


def _is_vendor(name: str, table: RoleTable, suppliers: tuple[str, ...]) -> bool:
    """Whether a name is a supplier's: it holds the first word of one's name, or has a role that no list knows."""
    words = {word.lower() for word in _WORD.findall(name)}
    known = {word[0].lower() for one in suppliers if (word := _WORD.findall(one)) and len(word[0]) >= MIN_SUPPLIER}
    return not words.isdisjoint(known) or not set(table.get(name, ())) <= roles().keys()


def _may_be_grouped(name: str, table: RoleTable) -> bool:
    """Whether an actor may have roles by a group of its issuer."""
    kind, _, rest = name.partition(":")
    return kind == "oidc" and any(one.startswith(f"{GROUP}:{rest.partition(':')[0]}:") for one in table)


def _uses(home: Home, since: int) -> Mapping[str, tuple[int, int]]:
    """How often each actor was given a grant since a moment, and when last, be it before that."""
    recent = func.sum(case((accesses.c.at >= since, 1), else_=0))
    given = accesses.c.verdict == ALLOWED
    query = select(accesses.c.actor, recent, func.max(accesses.c.at)).where(given).group_by(accesses.c.actor)
    with reading(home.engine) as connection:
        rows = connection.execute(query.limit(MAX_ACTORS + 1)).all()
    if len(rows) > MAX_ACTORS:
        raise StateError("too-many-actors", f"more than {MAX_ACTORS} names have used grants")
    return {str(row[0]): (int(row[1]), int(row[2])) for row in rows}


def _utc(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
