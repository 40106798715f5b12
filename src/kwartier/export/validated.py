"""What each connection took and fed in, for its supplier: CIM ``NotifyValidatedMeasureData_MarketDocument``, type E66.

The schema is the public one of another country; that of the Dutch sector is not public. A document holds so many series at
most, so a supplier gets several, and of each supplier no more series lie in memory than fit into one.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow

from kwartier.export.codes import GS1, Code, Codes
from kwartier.export.document import Content, Document, Header, head
from kwartier.export.series import Series, codes_of
from kwartier.export.twin import Lines, table
from kwartier.export.wording import (
    ACTIVE_ENERGY,
    DECLARATION,
    KILOWATT_HOUR,
    POINT_TYPES,
    leaves,
    period,
    second,
)

ROOT = "NotifyValidatedMeasureData_MarketDocument"
NAMESPACE = "urn:ediel.org:measure:notifyvalidatedmeasuredata:0:1"
PERIODIC_METERING = "E23"
METERED_DATA_RESPONSIBLE, ENERGY_SUPPLIER = "MDR", "DDQ"
MAX_SERIES = 1_000
"""In one document: some ten megabytes."""


def validated(content: Content) -> Iterator[Document]:
    """Documents of the series in settled areas, each to the supplier of its connections."""
    settled = content.settled
    waiting: dict[str, list[Series]] = {}
    parts: dict[str, int] = {}
    for series in content.series:
        if series.grid_area not in settled or series.is_empty:
            continue
        gathered = waiting.setdefault(series.supplier, [])
        gathered.append(series)
        if len(gathered) == MAX_SERIES:
            yield _document(waiting.pop(series.supplier), parts)
    for supplier in sorted(waiting):
        yield _document(waiting[supplier], parts)


def _document(series: Sequence[Series], parts: dict[str, int]) -> Document:
    supplier = series[0].supplier
    parts[supplier] = parts.get(supplier, 0) + 1
    return Document(
        subject=f"part {parts[supplier]}",
        recipient=supplier,
        pieces=partial(_pieces, series),
        rows=partial(_rows, series),
    )


def _pieces(series: Sequence[Series], header: Header, codes: Codes) -> Iterator[str]:
    del codes  # connections have their own, and parties stand in the header only
    yield f'{DECLARATION}<{ROOT} xmlns="{NAMESPACE}">'
    yield leaves(head(header, "E66", PERIODIC_METERING, (METERED_DATA_RESPONSIBLE, ENERGY_SUPPLIER)))
    for number, one in enumerate(series, 1):
        first = leaves(
            [
                ("mRID", f"{header.message_id}-{number}"),
                ("marketEvaluationPoint.mRID", Code(one.ean, GS1)),
                ("marketEvaluationPoint.type", POINT_TYPES[one.direction]),
                ("registration_DateAndOrTime.dateTime", second(header.known_at)),
                ("product", ACTIVE_ENERGY),
                ("quantity_Measure_Unit.name", KILOWATT_HOUR),
            ]
        )
        yield f"\n<Series>{first}{period(one.times, one.energy_wh.tolist(), codes_of(one.quality))}</Series>"
    yield f"\n</{ROOT}>\n"


def _rows(series: Sequence[Series], header: Header) -> pyarrow.Table:
    return table(
        header,
        [
            Lines(
                words={
                    "ean": one.ean,
                    "direction": one.direction,
                    "grid_area": one.grid_area,
                    "brp": one.brp,
                    "supplier": one.supplier,
                },
                times=one.times,
                energy_wh={"energy_wh": one.energy_wh},
                codes={"quality": codes_of(one.quality)},
            )
            for one in series
        ],
    )
