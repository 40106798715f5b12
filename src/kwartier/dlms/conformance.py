"""The conformance block: 24 bits in which client and server tell which services they can do.

The client proposes, the server answers with the intersection, and both keep to it (Green Book 9.4.6.1). Bit 0 of the
standard is the most significant bit of the three bytes.
"""

from enum import IntFlag


class Conformance(IntFlag):
    """The bits by their Green Book names, as numbers of the 24-bit block."""

    RESERVED_ZERO = 1 << 23
    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    RESERVED_SEVEN = 1 << 16
    ATTRIBUTE0_SUPPORTED_WITH_SET = 1 << 15
    PRIORITY_MGMT_SUPPORTED = 1 << 14
    ATTRIBUTE0_SUPPORTED_WITH_GET = 1 << 13
    BLOCK_TRANSFER_WITH_GET_OR_READ = 1 << 12
    BLOCK_TRANSFER_WITH_SET_OR_WRITE = 1 << 11
    BLOCK_TRANSFER_WITH_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


_NAMES = tuple((int(bit), (bit.name or "").lower().replace("_", "-")) for bit in Conformance)


def conformance_names(bits: int) -> tuple[str, ...]:
    """The names of the bits that are set in ``bits``, in the order of the standard: ``("get", "selective-access")``."""
    return tuple(name for bit, name in _NAMES if bits & bit)
