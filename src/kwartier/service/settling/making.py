"""A settlement made from its basis: the recipe, the kernel on an engine, and the second path that holds the sums.

Everything that is of one connection comes through a grant, within what it has pinned. The same basis gives the same settlement,
bit for bit, whatever has been stored since: what counts of the store is told by the run of validation alone.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from kwartier.compute.choice import engine_of
from kwartier.gate.grant import Grant
from kwartier.gate.ids import Links
from kwartier.gate.volumes import Work
from kwartier.model import Stack, Volumes
from kwartier.names import names_of
from kwartier.service.home import Home
from kwartier.service.settling.gathering import Basis, gathered
from kwartier.service.settling.second_path import moved, rows_of
from kwartier.settle.conservation import Evidence, conserved
from kwartier.settle.kernel import SettleKernel
from kwartier.settle.members import members
from kwartier.settle.recipe import settled
from kwartier.settle.second import second
from kwartier.settle.tables import Settled

Show = Callable[[int, int], None]
"""Told how many meters of how many have been held against their registers."""
Seen = TypeVar("Seen", Stack, Volumes)


def silent(done: int, count: int) -> None:
    """Nobody wants to know."""


def made(home: Home, grant: Grant, basis: Basis, show: Show = silent) -> Settled:
    """The settlement of a day with its checks; ``grant`` is for settlement, and pinned until this returns.

    Raises ``StateError`` bad-table, and what an engine raises.
    """
    work = grant.work(basis.day, basis.run)
    given = gathered(home, basis, work)
    who = members(given)
    with engine_of(home.settings.engine, home.vault_folder) as engine:
        partial = engine.run(work.source, work.pieces, SettleKernel(who.membership, given.quarters))
    # Both paths end in sums of groups; until there the second one reads each row for itself.
    rows = rows_of(_shown(grant.volumes(basis.day, basis.run), 0, 2 * len(work.ids), show))
    stacks = _shown(grant.day(basis.day, (rows.ids, rows.versions)), len(work.ids), 2 * len(work.ids), show)
    told = moved(rows, stacks, _exchanged(home, basis, work))
    return conserved(
        Evidence(
            settled=settled(given, who, partial),
            membership=who.membership,
            partial=partial,
            second=second(given, told),
            bounds=basis.bounds,
        )
    )


def _exchanged(home: Home, basis: Basis, work: Work) -> frozenset[int]:
    """The ids at connections where a meter was exchanged on the day: what their registers moved is not the day's volume."""
    there = {one.ean for one in home.registry.exchanges_on(basis.day, known=basis.known)}
    if not there:
        return frozenset()
    return frozenset(work.ids[np.isin(work.eans, names_of(sorted(there)))].tolist())


def _shown(found: Iterator[tuple[Seen, Links]], done: int, count: int, show: Show) -> Iterator[Seen]:
    for one, _ in found:
        yield one
        done += len(one)
        show(done, count)
