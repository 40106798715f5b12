"""What a broken transfer leaves: the rows that had come whole, and what is still wanted.

Every block of an answer is verified before it is kept, so the rows in front of a break are as good as any. The next visit asks
for the rest only.
"""

from dataclasses import replace

import numpy as np

from kwartier.cosem.layout import Layout
from kwartier.cosem.profile import Frame, readings_of, shapes_of
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Tag
from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import WireError
from kwartier.model import Missing, Readings

MAX_ROWS = 1 << 16
"""Rows that a broken buffer may claim to hold."""


def whole_rows(partial: bytes) -> bytes | None:
    """The buffer (A-XDR) of the rows that are whole in the first part of one; None where there is none."""
    cursor = Cursor(partial)
    try:
        if cursor.u8() != Tag.ARRAY:
            return None
        claimed = min(cursor.length(), MAX_ROWS)
    except WireError:
        return None
    first = end = cursor.at
    whole = 0
    while whole < claimed:
        try:
            axdr.skip(cursor)
        except WireError:
            break
        whole, end = whole + 1, cursor.at
    return bytes((Tag.ARRAY,)) + encode_length(whole) + partial[first:end] if whole else None


def salvaged(partial: bytes, layout: Layout, frame: Frame) -> Readings | None:
    """The readings in the first part of a buffer; every quarter that is not among them was not received."""
    buffer = whole_rows(partial)
    if buffer is None:
        return None
    columns = layout.needed() if layout.asking is not None and layout.asking.columns else None
    try:
        found = readings_of(buffer, layout, frame, shapes=shapes_of(layout, columns))
    except WireError:
        return None
    missing = {}
    for name, reasons in found.missing.items():
        missing[name] = np.where(reasons == Missing.NOT_IN_BUFFER, np.uint8(Missing.NOT_RECEIVED), reasons)
    return replace(found, missing=missing)


def wanted_span(have: Readings) -> tuple[int, int] | None:
    """The first and last stamp (UTC seconds) that were not received; None: all were."""
    gone = np.zeros(len(have.times), np.bool_)
    for reasons in have.missing.values():
        gone |= reasons == Missing.NOT_RECEIVED
    places = np.flatnonzero(gone)
    return (int(have.times[places[0]]), int(have.times[places[-1]])) if len(places) else None


def merged(have: Readings, later: Readings) -> Readings:
    """``later``, completed by what had been received before."""
    registers, missing = {}, {}
    status, clock_status = later.status.copy(), later.clock_status.copy()
    for name, reasons in later.missing.items():
        kept = (have.missing[name] == Missing.PRESENT) & (reasons != Missing.PRESENT)
        registers[name] = np.where(kept, have.registers[name], later.registers[name])
        missing[name] = np.where(kept, np.uint8(Missing.PRESENT), reasons)
        status[kept], clock_status[kept] = have.status[kept], have.clock_status[kept]
    findings = tuple(dict.fromkeys((*have.findings, *later.findings)))
    beside = {one.time: one for one in (*have.beside, *later.beside)}
    return replace(
        later,
        registers=registers,
        missing=missing,
        status=status,
        clock_status=clock_status,
        findings=findings,
        beside=tuple(beside[at] for at in sorted(beside)),
    )
