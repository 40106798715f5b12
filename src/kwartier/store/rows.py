"""Readings to differences and back, for a stack of days of equal length at once.

A missing quarter is null and the next present entry carries the difference since the last present one. Where a difference
is negative or beyond int32 (reset, rollover, exchange), and where nothing was present before, a new base holds the register
itself and the entry beside it is 0.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from kwartier.model import Missing

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Bytes2 = npt.NDArray[np.uint8]
INT32_MAX = 2**31 - 1
SAID_BY_THE_METER = (Missing.NULL_DATA, Missing.UNPLACEABLE, Missing.CONFLICT)


def differences(registers: Integers, present: Mask) -> tuple[Integers, Mask]:
    """Differences of every place but the first, and the mask of the places that need a base."""
    if present.all():  # as it nearly always is
        found = np.diff(registers, axis=1)
        base = (found < 0) | (found > INT32_MAX)
        return (np.where(base, 0, found) if base.any() else found), base
    places = np.where(present, np.arange(registers.shape[1]), -1)
    before = np.maximum.accumulate(places, axis=1)[:, :-1]
    previous = np.take_along_axis(registers, np.maximum(before, 0), axis=1)
    found = registers[:, 1:] - previous
    here = present[:, 1:]
    base = here & ((before < 0) | (found < 0) | (found > INT32_MAX))
    return np.where(here & ~base, found, 0), base


def registers_of(
    opening: Integers, found: Integers | npt.NDArray[np.int32], bases: list[tuple[int, int, int]]
) -> Integers:
    """The registers of a stack of days; ``bases`` are (row, place, register). Where a value is missing, the last one."""
    whole = np.empty((len(opening), found.shape[1] + 1), np.int64)
    whole[:, 0], whole[:, 1:] = opening, found
    np.cumsum(whole, axis=1, out=whole)
    for row, place, register in sorted(bases):
        whole[row, place:] += np.int64(register) - whole[row, place]
    return whole


def digests(parts: list[Bytes2]) -> Integers:
    """One digest a row over the bytes of all parts side by side."""
    width = sum(part.shape[1] for part in parts)
    octets = np.concatenate(parts, axis=1).reshape(-1).data
    joined = b"".join(
        blake2b(octets[first : first + width], digest_size=8).digest() for first in range(0, len(octets), width)
    )
    return np.frombuffer(joined, np.int64)


def said(missing: Bytes2) -> Bytes2:
    """Reasons as far as the meter gave them; what only we know (not yet, not received) is one value."""
    if not missing.any():
        return missing
    kept = (missing == Missing.PRESENT) | np.isin(missing, SAID_BY_THE_METER)
    return np.where(kept, missing, Missing.NOT_IN_BUFFER).astype(np.uint8)
