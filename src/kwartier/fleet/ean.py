"""EAN-18 codes of connections (GS1 GSRN): eighteen digits, the last of which checks the others."""

EAN_DIGITS = 18
_VALUES = bytes(max(0, octet - ord("0")) for octet in range(256))
"""The value of each digit, by its character: sums over bytes are some times faster than digit by digit."""


def check_digit(digits: str) -> int:
    """The check digit of the digits before it: GS1 modulo 10, weights 3, 1, 3, ... from the right."""
    values = digits.encode("ascii").translate(_VALUES)[::-1]
    return -(3 * sum(values[::2]) + sum(values[1::2])) % 10


def read_ean(text: str) -> str:
    """``text`` if it is an EAN-18; ``ValueError`` saying what is wrong with it."""
    if len(text) != EAN_DIGITS or not (text.isascii() and text.isdigit()):
        raise ValueError(f"is not {EAN_DIGITS} digits")
    expected = check_digit(text[:-1])
    if int(text[-1]) != expected:
        raise ValueError(f"has check digit {text[-1]}, {expected} belongs there")
    return text
