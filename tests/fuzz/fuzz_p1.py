"""Any bytes as a telegram: one that adds up, one whose CRC is wrong, or a typed error; and any text as hex."""

from contextlib import suppress

from kwartier.decode.p1 import crc16, moment, parse_telegram
from kwartier.decode.text import capture_of
from kwartier.errors import KwartierError


def one(data: bytes) -> None:
    with suppress(KwartierError):
        capture_of(data, "input")
    # Once as it is, and once with its end and CRC put right, so that the lines between them are reached.
    covered = b"/KWT5 fuzz\r\n" + data.replace(b"!", b"?") + b"\r\n!"
    whole = covered + f"{crc16(covered):04X}\r\n".encode()
    for telegram in (b"/" + data, whole):
        try:
            found = parse_telegram(telegram)
            found.check()
        except KwartierError:
            continue
        assert found.length <= len(telegram)
        for _, values in found.objects:
            for value in values:
                moment(value)
