"""What a party answers for in a grid area, for that party: CIM ``NotifyAggregatedMeasureData_MarketDocument``, type E31.

The schema is the public one of another country; that of the Dutch sector is not public. Each series is a sum over the
connections of one supplier in one direction: those settled by their readings, or those spread by profile.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import pyarrow

from kwartier.errors import InputError
from kwartier.export.codes import Codes
from kwartier.export.document import Content, Document, Header, head
from kwartier.export.series import CALCULATED, ESTIMATED, PROVIDED, Energy, check_quarters, worst
from kwartier.export.twin import Lines, table
from kwartier.export.wording import ACTIVE_ENERGY, DECLARATION, KILOWATT_HOUR, POINT_TYPES, leaves, period
from kwartier.model import Times
from kwartier.settle.tables import Part, Sum

ROOT = "NotifyAggregatedMeasureData_MarketDocument"
NAMESPACE = "urn:ediel.org:measure:notifyaggregatedmeasuredata:0:1"
METERED_DATA_AGGREGATION = "A05"
METERED_DATA_AGGREGATOR, BALANCE_RESPONSIBLE = "DEA", "DDK"
PROFILED, NON_PROFILED = "E01", "E02"
SETTLEMENT_METHODS = {Part.METERED: NON_PROFILED, Part.PROFILED: PROFILED}
LAST_RUN = 10
"""The list of codes has no eleventh run; the number itself stands in every series."""


class Total(NamedTuple):
    """What a document tells in one series."""

    grid_area: str
    brp: str
    supplier: str
    direction: str
    method: str
    """How it was settled: E01 or E02."""
    energy_wh: Energy
    codes: list[str]


def aggregated(content: Content) -> Iterator[Document]:
    """A document for each settled grid area and party in it, to the party."""
    for (area, brp), totals in groupby(totalled(content), lambda one: (one.grid_area, one.brp)):
        found = tuple(totals)
        yield Document(
            subject=area,
            recipient=brp,
            pieces=partial(_pieces, found, content.times),
            rows=partial(_rows, found, content.times),
        )


def totalled(content: Content) -> list[Total]:
    """What parties answer for in settled areas, in the order of names; sums that differ only in method are added up."""
    settled = content.settled
    found: dict[tuple[str, str, str, str, str], list[Sum]] = {}
    for one in content.sums:
        if one.grid_area in settled and one.part in SETTLEMENT_METHODS:
            key = (one.grid_area, one.brp, one.supplier, one.direction, SETTLEMENT_METHODS[one.part])
            found.setdefault(key, []).append(one)
    return [_total(content, key, found[key]) for key in sorted(found)]


def _total(content: Content, key: tuple[str, str, str, str, str], sums: Sequence[Sum]) -> Total:
    for one in sums:
        check_quarters(content.times, one.energy_wh, one.calculated_wh, one.estimated_wh)
    energy_wh: Energy = sum((one.energy_wh for one in sums[1:]), sums[0].energy_wh)
    return Total(*key, energy_wh, worst([sum_codes(one) for one in sums]))


def sum_codes(one: Sum) -> list[str]:
    """How sure each quarter of a sum is: as its least sure part. What is spread by profile is estimated as a whole."""
    if one.part == Part.PROFILED:
        return [ESTIMATED] * len(one.energy_wh)
    if one.part == Part.RESIDUAL:
        return [CALCULATED] * len(one.energy_wh)
    both = zip(one.calculated_wh.tolist(), one.estimated_wh.tolist(), strict=True)
    return [ESTIMATED if estimated else CALCULATED if calculated else PROVIDED for calculated, estimated in both]


def _pieces(totals: Sequence[Total], times: Times, header: Header, codes: Codes) -> Iterator[str]:
    if header.version < 1:
        raise InputError("bad-message", f"{header.version} is no version")
    run = [("settlement_Series.version", f"D{header.version:02d}")] if header.version <= LAST_RUN else []
    yield f'{DECLARATION}<{ROOT} xmlns="{NAMESPACE}">'
    yield leaves(head(header, "E31", METERED_DATA_AGGREGATION, (METERED_DATA_AGGREGATOR, BALANCE_RESPONSIBLE)))
    for number, one in enumerate(totals, 1):
        first = leaves(
            [
                ("mRID", f"{header.message_id}-{number}"),
                ("version", f"{header.version}"),
                *run,
                ("marketEvaluationPoint.type", POINT_TYPES[one.direction]),
                ("marketEvaluationPoint.settlementMethod", one.method),
                ("meteringGridArea_Domain.mRID", codes.area(one.grid_area)),
                ("energySupplier_MarketParticipant.mRID", codes.party(one.supplier)),
                ("balanceResponsibleParty_MarketParticipant.mRID", codes.party(one.brp)),
                ("product", ACTIVE_ENERGY),
                ("quantity_Measure_Unit.name", KILOWATT_HOUR),
            ]
        )
        yield f"\n<Series>{first}{period(times, one.energy_wh.tolist(), one.codes)}</Series>"
    yield f"\n</{ROOT}>\n"


def _rows(totals: Sequence[Total], times: Times, header: Header) -> pyarrow.Table:
    return table(
        header,
        [
            Lines(
                words={
                    "grid_area": one.grid_area,
                    "brp": one.brp,
                    "supplier": one.supplier,
                    "direction": one.direction,
                    "settlement_method": one.method,
                },
                times=times,
                energy_wh={"energy_wh": one.energy_wh},
                codes={"quality": one.codes},
            )
            for one in totals
        ],
    )
