"""What every party took from and fed into a grid area, for who settles imbalance: ``EnergyAccount_MarketDocument``.

It is built like version 4.1 of the document of IEC 62325-451-4, of which no schema lies at hand: a test holds the order of
its elements, and nothing validates it. ``in`` is what flowed into the grid and ``out`` what was taken from it. Beside the
parties stand the losses and the residual of the area, which no party answers for; a residual may be negative.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow

from kwartier.errors import InputError
from kwartier.export.aggregated import sum_codes
from kwartier.export.codes import TSO, Codes
from kwartier.export.document import Content, Document, Header
from kwartier.export.series import PROVIDED, Energy, check_quarters, worst
from kwartier.export.twin import Lines, table
from kwartier.export.wording import (
    ACTIVE_ENERGY,
    DECLARATION,
    KILOWATT_HOUR,
    QUARTER,
    interval,
    leaf,
    leaves,
    quantity,
    second,
)
from kwartier.model import Times
from kwartier.settle.tables import Part, Sum

ROOT = "EnergyAccount_MarketDocument"
NAMESPACE = "urn:iec62325.351:tc57wg16:451-4:energyaccountdocument:4:1"
MEASUREMENT_VALUES = "A45"
INTERMEDIATE, FINAL = "A01", "A02"
IMBALANCE_SETTLEMENT = "A06"
SUMMARY = "A02"
METERED_DATA_AGGREGATOR, SYSTEM_OPERATOR = "A09", "A04"
AGGREGATED_ENERGY, LOSSES = "A14", "A15"
OF_A_PARTY, OF_AN_AREA = "A03", "A14"
FIXED_BLOCKS = "A01"
MAX_VERSION = 999
"""A revision number has three digits."""
ROLES = {Part.METERED: "party", Part.PROFILED: "party", Part.LOSS: "loss", Part.RESIDUAL: "residual"}


class Account(NamedTuple):
    """What a document tells in one series. ``role``: of a party, of losses, or of what is left over."""

    role: str
    brp: str
    in_wh: Energy
    in_codes: list[str]
    out_wh: Energy
    out_codes: list[str]


def account(content: Content) -> Iterator[Document]:
    """A document for each settled grid area, to the operator of the transmission grid."""
    for area in sorted(content.settled):
        accounts = _accounts([one for one in content.sums if one.grid_area == area], content.times)
        if accounts:
            yield Document(
                subject=area,
                recipient=TSO,
                pieces=partial(_pieces, accounts, content.times, area),
                rows=partial(_rows, accounts, content.times, area),
            )


def _accounts(sums: Sequence[Sum], times: Times) -> list[Account]:
    """Parties by their names, then losses and residual."""
    found: dict[tuple[str, str], list[Sum]] = {}
    for one in sums:
        if one.part in ROLES:
            check_quarters(times, one.energy_wh, one.calculated_wh, one.estimated_wh)
            found.setdefault((ROLES[one.part], one.brp), []).append(one)
    order = {role: place for place, role in enumerate(("party", "loss", "residual"))}
    keys = sorted(found, key=lambda key: (order[key[0]], key[1]))
    return [
        Account(*key, *_one_way(found[key], "export", times), *_one_way(found[key], "import", times)) for key in keys
    ]


def _one_way(sums: Sequence[Sum], direction: str, times: Times) -> tuple[Energy, list[str]]:
    """The sum of one direction with its qualities; 0, and as provided, where there is nothing of it."""
    chosen = [one for one in sums if one.direction == direction]
    if not chosen:
        return np.zeros(len(times), np.int64), [PROVIDED] * len(times)
    energy_wh: Energy = sum((one.energy_wh for one in chosen[1:]), chosen[0].energy_wh)
    return energy_wh, worst([sum_codes(one) for one in chosen])


def _pieces(accounts: Sequence[Account], times: Times, area: str, header: Header, codes: Codes) -> Iterator[str]:
    if not 1 <= header.version <= MAX_VERSION:
        raise InputError("bad-message", f"{header.version} is no version from 1 to {MAX_VERSION}")
    yield f'{DECLARATION}<{ROOT} xmlns="{NAMESPACE}">'
    yield leaves([("mRID", header.message_id), ("revisionNumber", f"{header.version}"), ("type", MEASUREMENT_VALUES)])
    yield f"<docStatus>{leaf('value', FINAL if header.final else INTERMEDIATE)}</docStatus>"
    yield leaves(
        [
            ("process.processType", IMBALANCE_SETTLEMENT),
            ("process.classificationType", SUMMARY),
            ("sender_MarketParticipant.mRID", header.sender),
            ("sender_MarketParticipant.marketRole.type", METERED_DATA_AGGREGATOR),
            ("receiver_MarketParticipant.mRID", header.receiver),
            ("receiver_MarketParticipant.marketRole.type", SYSTEM_OPERATOR),
            ("createdDateTime", second(header.created_at)),
        ]
    )
    yield interval("period.timeInterval", times)
    for number, one in enumerate(accounts, 1):
        first = leaves(
            [
                ("mRID", f"{header.message_id}-{number}"),
                ("businessType", LOSSES if one.role == "loss" else AGGREGATED_ENERGY),
                ("product", ACTIVE_ENERGY),
                ("objectAggregation", OF_A_PARTY if one.role == "party" else OF_AN_AREA),
                ("curveType", FIXED_BLOCKS),
                ("area_Domain.mRID", codes.area(area)),
                *([("marketParticipant.mRID", codes.party(one.brp))] if one.role == "party" else []),
                ("measurement_Unit.name", KILOWATT_HOUR),
            ]
        )
        inner = f"{interval('timeInterval', times)}{leaf('resolution', QUARTER)}{_points(one)}"
        yield f"\n<TimeSeries>{first}<Period>{inner}</Period></TimeSeries>"
    yield f"\n</{ROOT}>\n"


def _points(one: Account) -> str:
    columns = zip(one.in_wh.tolist(), one.in_codes, one.out_wh.tolist(), one.out_codes, strict=True)
    return "".join(
        f"<Point><position>{place}</position>"
        f"<in_Quantity.quantity>{quantity(in_wh)}</in_Quantity.quantity>"
        f"<in_Quantity.quality>{in_code}</in_Quantity.quality>"
        f"<out_Quantity.quantity>{quantity(out_wh)}</out_Quantity.quantity>"
        f"<out_Quantity.quality>{out_code}</out_Quantity.quality></Point>"
        for place, (in_wh, in_code, out_wh, out_code) in enumerate(columns, 1)
    )


def _rows(accounts: Sequence[Account], times: Times, area: str, header: Header) -> pyarrow.Table:
    def lines(one: Account) -> Lines:
        words: Mapping[str, str] = {"grid_area": area, "role": one.role, "brp": one.brp}
        return Lines(
            words=words,
            times=times,
            energy_wh={"in_wh": one.in_wh, "out_wh": one.out_wh},
            codes={"in_quality": one.in_codes, "out_quality": one.out_codes},
        )

    return table(header, [lines(one) for one in accounts])
