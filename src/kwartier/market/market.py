"""What the market says, looked up as of a revision: the same question about the same revision has the same answer for ever."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from sqlalchemy import Engine, select

from kwartier.database import reading
from kwartier.market import importing, revisions, series, supplies
from kwartier.market.columns import Kind
from kwartier.market.importing import Imported
from kwartier.market.revisions import Revision
from kwartier.market.series import Series
from kwartier.market.supplies import Supplies
from kwartier.model import Times
from kwartier.tables import market_revisions


class Market:
    """Who answers for which connection, what flowed into areas and was lost there, and the shapes of profiles.

    Look-ups raise ``InputError`` unknown-revision for one that is not there; 0 is before the first, when nothing was known.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def import_file(
        self,
        path: Path,
        *,
        kind: Kind | None = None,
        at: int,
        actor: str,
        skip_bad: bool = False,
        refused: Path | None = None,
    ) -> Imported:
        """Take in a file (CSV or Parquet): all of it, or with ``skip_bad`` the good rows. ``at``: UTC seconds.

        ``kind``: what it is; None: its header and name say so. Raises ``InputError``: as files of rows do, unclear-kind.
        """
        known = importing.kind_of_file(path) if kind is None else kind
        return importing.import_file(
            self._engine, path, kind=known, at=at, actor=actor, skip_bad=skip_bad, refused=refused
        )

    def revision(self) -> int:
        """The last revision; 0: nothing was ever imported."""
        with reading(self._engine) as connection:
            return revisions.latest(connection)

    def revisions(self) -> list[Revision]:
        """All of them, oldest first."""
        return revisions.every(self._engine)

    def known_at(self, revision: int) -> int:
        """Since when a revision is known, in UTC seconds; 0 for 0."""
        query = select(market_revisions.c.known_at).where(market_revisions.c.revision == revision)
        with reading(self._engine) as connection:
            revisions.demand(connection, revision)
            return int(connection.execute(query).scalar() or 0)

    def supplies(self, day: date, revision: int) -> Supplies:
        """The connections that somebody is responsible for on a local day, by EAN."""
        with reading(self._engine) as connection:
            revisions.demand(connection, revision)
            return supplies.on_day(connection, day, revision)

    def areas(self, day: date, revision: int) -> list[str]:
        """The grid areas that have a connection on a local day, by name."""
        return list(self.counts(day, revision))

    def counts(self, day: date, revision: int) -> Mapping[str, Mapping[str, int]]:
        """How many connections of a local day each area has, by method; both in the order of names."""
        with reading(self._engine) as connection:
            revisions.demand(connection, revision)
            return supplies.counts(connection, day, revision)

    def profiles(self, day: date, revision: int) -> Mapping[str, list[str]]:
        """The profiles that each area's connections have on a local day."""
        with reading(self._engine) as connection:
            revisions.demand(connection, revision)
            return supplies.profiles(connection, day, revision)

    def energies(self, kind: Kind | str, times: Times, revision: int) -> Mapping[tuple[str, str], Series]:
        """By grid area and direction the infeed, or the losses, of the quarters that end at ``times`` (UTC s, ascending).

        A series of which no quarter is there is not there either.
        """
        with reading(self._engine) as connection:
            revisions.demand(connection, revision)
            return series.energies(connection, Kind(kind).value, times, revision)

    def fractions(self, times: Times, revision: int) -> Mapping[tuple[str, str, str], Series]:
        """By grid area, profile and direction the part of a year in each quarter, in units of 1e-12, with its quality."""
        with reading(self._engine) as connection:
            revisions.demand(connection, revision)
            return series.fractions(connection, times, revision)
