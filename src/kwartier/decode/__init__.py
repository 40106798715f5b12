"""What is in these bytes? A capture taken apart, layer by layer, for people and for programs.

The rest of the package reads what it asked for; this room reads whatever somebody has: a frame from a log, a push from
a serial line, a telegram of the consumer port. It uses the codecs of :mod:`kwartier.dlms` and adds no second one. It
decides nothing and keeps nothing, needs no home, and what no tag vouches for is shown only when that was asked for, and
marked.
"""

from kwartier.decode.layers import NO_KEYS, Decoded, Keys, Layer, Message
from kwartier.decode.stretch import Stretch
from kwartier.decode.walk import Walk
from kwartier.errors import InputError, KwartierError

__all__ = ["NO_KEYS", "Decoded", "Keys", "Layer", "Message", "decode"]


def decode(capture: bytes, keys: Keys = NO_KEYS) -> Decoded:
    """Everything that ``capture`` holds, as far as it can be read with ``keys``.

    What is wrong with the bytes is in the result (``error``), beside the layers that were found before it. What is
    wrong with the question, such as a key that is missing where it was half given, is raised as an :class:`InputError`.
    """
    if not capture:
        raise InputError("empty-capture", "there is nothing to decode")
    found = Decoded()
    try:
        Walk(found, keys).capture(Stretch(capture))
    except InputError:
        raise
    except KwartierError as error:
        found.error = error
    return found
