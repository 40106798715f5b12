"""Any bytes into a wrapper link, whole and in small pieces: the same APDUs or the same error."""

from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import KwartierError


def one(data: bytes) -> None:
    assert _outcome(data, 1) == _outcome(data, len(data) or 1)


def _outcome(data: bytes, step: int) -> tuple[list[bytes], str]:
    link = WrapperLink(source=0, destination=None)
    apdus: list[bytes] = []
    try:
        for at in range(0, len(data), step):
            apdus += link.receive(data[at : at + step], 0.0)
    except KwartierError as error:
        return [], error.code
    return apdus, ""
