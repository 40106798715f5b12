"""Chance without a generator: numbers that are a pure function of what they are for.

A fleet is never drawn and kept; whatever is asked of a meter is computed from (seed, meter, what). Small things come out of a
hash of words; long columns out of a mixing of 64-bit numbers that numpy does at once.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

MASK = (1 << 64) - 1
WORD_BYTES = 8
_STEP = 0x9E3779B97F4A7C15
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(bits) for bits in (30, 27, 31, 11))
_PER_STEP = 2.0**-53

Seeds = npt.NDArray[np.uint64]


def octets(count: int, *words: object) -> bytes:
    """``count`` bytes (up to 64) that belong to ``words``, and to no others."""
    return blake2b("/".join(map(str, words)).encode(), digest_size=count).digest()


def number(*words: object) -> int:
    """A number of 64 bits that belongs to ``words``."""
    return int.from_bytes(octets(WORD_BYTES, *words), "big")


def fraction(*words: object) -> float:
    """A number from 0 up to 1 that belongs to ``words``."""
    return (number(*words) >> 11) * _PER_STEP


def fractions(seed: int, counters: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """For each counter a number from 0 up to 1: the mixing function SplitMix64 at ``seed + counter * step``."""
    mixed: Seeds = counters.astype(np.uint64)
    mixed = mixed * np.uint64(_STEP) + np.uint64(seed & MASK)
    mixed = (mixed ^ (mixed >> _S30)) * _FIRST
    mixed = (mixed ^ (mixed >> _S27)) * _SECOND
    mixed ^= mixed >> _S31
    return (mixed >> _S11).astype(np.float64) * _PER_STEP
