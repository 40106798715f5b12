"""Any bytes as blocks of one general block transfer: each byte below 0x40 takes so many bytes for the next block."""

from kwartier.dlms.gbt import Block, Receiver
from kwartier.errors import KwartierError

MAX_BYTES = 1000


def one(data: bytes) -> None:
    receiver = Receiver(max_bytes=MAX_BYTES)
    at = 0
    while at < len(data):
        stop = at + 1 + (data[at] & 0x3F)
        try:
            block = Block.decode(b"\xe0" + data[at + 1 : stop])
            assert Block.decode(block.encode()) == block
            whole, _ = receiver.feed(block.encode())
        except KwartierError:
            return
        assert whole is None or len(whole) <= MAX_BYTES
        at = stop
