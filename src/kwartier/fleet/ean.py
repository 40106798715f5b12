"""EAN-18 codes of connections (GS1 GSRN): eighteen digits, the last of which checks the others."""

EAN_DIGITS = 18


def check_digit(digits: str) -> int:
    """The check digit of the digits before it: GS1 modulo 10, weights 3, 1, 3, ... from the right."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def read_ean(text: str) -> str:
    """``text`` if it is an EAN-18; ``ValueError`` saying what is wrong with it."""
    if len(text) != EAN_DIGITS or not (text.isascii() and text.isdigit()):
        raise ValueError(f"is not {EAN_DIGITS} digits")
    expected = check_digit(text[:-1])
    if int(text[-1]) != expected:
        raise ValueError(f"has check digit {text[-1]}, {expected} belongs there")
    return text
