"""Small curves in text: eight heights of a block, and nothing where there is no value."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = "·"


def curve(values: Sequence[int | None], width: int) -> str:
    """``values`` (0 or more; None: missing) as at most ``width`` blocks, each the mean of its share.

    A share with a value missing shows as a dot, so that a gap is never smoothed over.
    """
    size = len(values)
    if not size:
        return ""
    width = min(width, size)
    shares = [values[place * size // width : (place + 1) * size // width] for place in range(width)]
    means = [None if None in share else sum(one or 0 for one in share) / len(share) for share in shares]
    highest = max((mean for mean in means if mean is not None), default=0) or 1
    top = len(BLOCKS) - 1
    return "".join(GAP if mean is None else BLOCKS[round(mean / highest * top)] for mean in means)


def bar(value: int | None, highest: int, width: int) -> str:
    """``value`` as a horizontal bar of at most ``width`` characters."""
    if value is None:
        return GAP
    return "█" * round(value / highest * width) if highest else ""
