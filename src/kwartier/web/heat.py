"""The heat map of gaps as a picture: a row a cohort, a column a day or an hour, each square filled like a glass.

The surest kind lies at the bottom, and whatever is there at all is at least a fifth of the square high; nothing lies between
two squares that was not counted. A letter says where the fault lies in most of what is not as it should be. What was not
validated, or may not be shown, is a dash and no square. Written as text: a picture of a few thousand squares takes some
milliseconds, and the words are those of the page.
"""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from kwartier.export.pictures.palette import FAINT, KINDS, KNOWN, LINE, MARKS, PAPER, TEXT, Kind, Scheme
from kwartier.service.views.gaps import ALL, COHORT, FEW, LEGEND, REST, Gaps, Row, Square
from kwartier.web.rendering import share
from kwartier.web.words import Words

SQUARE, GAP = 26, 2
SHARE_WIDTH, HEAD_HEIGHT, FOOT = 74, 40, 8
LETTER_WIDTH = 7
LEAST = SQUARE // 5
"""The least height of a kind that is there."""
UNKNOWN, HIDDEN = "–", "*"
"""What stands for a square that was not validated, and for one of too few meters."""
MAX_NAME = 26
"""Characters of a cohort's name; the table has all of them."""
NAMES = {FEW: "gaps.row-few", REST: "gaps.row-rest", ALL: "gaps.row-all"}
"""The texts of rows that are no cohort."""
PATTERNS = {
    Kind.CALCULATED: '<path d="M1 0V6M4 0V6" {0}/>',
    Kind.LATE: '<path d="M-1 -1L7 7M-1 5L1 7M5 -1L7 1" {0}/>',
    Kind.ESTIMATED: '<path d="M-1 7L7 -1M-1 1L1 -1M5 7L7 5" {0}/>',
    Kind.MISSING: '<path d="M-1 7L7 -1M-1 -1L7 7" {0}/>',
}
"""What lies over the ink of a kind, in squares of six by six."""


def heat(gaps: Gaps, words: Words, scheme: Scheme) -> bytes:
    """The picture as SVG."""
    rows = [*gaps.rows, *([gaps.total] if gaps.total is not None else [])]
    return "\n".join(_lines(gaps, rows, words, scheme)).encode()


def name_of(row: Row, words: Words) -> str:
    """What a row is called."""
    if row.what == COHORT:
        return f"{row.within} {row.cohort}".strip() or words("gaps.no-name")
    return words(NAMES[row.what], count=row.cohorts)


def name_width(rows: Sequence[Row], words: Words) -> int:
    """How much room the names need."""
    return 12 + LETTER_WIDTH * max((min(MAX_NAME, len(name_of(row, words))) for row in rows), default=0)


def complete(part: int, whole: int, words: Words) -> str:
    """A share of quarters as the page writes it."""
    return share(part / whole if whole else None, words.language)


def _lines(gaps: Gaps, rows: Sequence[Row], words: Words, scheme: Scheme) -> Iterator[str]:
    names = name_width(rows, words)
    width = names + len(gaps.columns) * SQUARE + SHARE_WIDTH
    height = HEAD_HEIGHT + len(rows) * SQUARE + FOOT
    title, below = words("gaps.title"), words("gaps.picture", rows=len(rows), columns=len(gaps.columns))
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    yield ' role="img" aria-labelledby="title description">'
    yield f'<title id="title">{escape(title)}</title><desc id="description">{escape(below)}</desc>'
    yield f"<style>{_styles(scheme)}</style>"
    yield f"<defs>{''.join(_patterns(scheme))}</defs>"
    yield f'<rect width="{width}" height="{height}" fill="{PAPER.of(scheme)}"/>'
    yield from _head(gaps, names, words)
    for place, row in enumerate(rows):
        yield from _row(
            row, (names, HEAD_HEIGHT + place * SQUARE), [one.run is not None for one in gaps.columns], words
        )
    yield "</svg>"


def _styles(scheme: Scheme) -> str:
    inks = {"text": TEXT, "faint": FAINT, "line": LINE}
    filled = "".join(f".{name}{{fill:{ink.of(scheme)}}}" for name, ink in inks.items())
    kinds = "".join(f".{kind}{{fill:url(#{kind})}}" for kind in KINDS)
    chip = f".chip{{fill:{PAPER.of(scheme)};stroke:{TEXT.of(scheme)};stroke-width:.75}}"
    edge = f".missing{{stroke:{MARKS[Kind.MISSING].ink.of(scheme)}}}"
    fonts = "text{font:12px system-ui,sans-serif}.small{font-size:10px}.r{font:700 9px system-ui,sans-serif}"
    return f"{fonts}{filled}{kinds}{chip}{edge}"


def _patterns(scheme: Scheme) -> Iterator[str]:
    paper = PAPER.of(scheme)
    for kind in KINDS:
        mark = MARKS[kind]
        ink = mark.ink.of(scheme)
        ground, over = (paper, ink) if mark.is_open else (ink, paper)
        drawn = PATTERNS.get(kind, "").format(f'stroke="{over}" stroke-width="1" fill="none"')
        yield f'<pattern id="{kind}" width="6" height="6" patternUnits="userSpaceOnUse">'
        yield f'<rect width="6" height="6" fill="{ground}"/>{drawn}</pattern>'


def _head(gaps: Gaps, names: int, words: Words) -> Iterator[str]:
    """Days by their number, and the month where it begins; hours as they are called."""
    month = ""
    for place, column in enumerate(gaps.columns):
        middle = names + place * SQUARE + SQUARE / 2
        label = column.label
        if gaps.by == "day":
            label = f"{column.day:%d}"
            if f"{column.day:%Y-%m}" != month:
                month = f"{column.day:%Y-%m}"
                yield f'<text class="faint small" x="{middle - SQUARE / 2:g}" y="14">{month}</text>'
        yield f'<text class="faint small" x="{middle:g}" y="32" text-anchor="middle">{escape(label)}</text>'
    right = names + len(gaps.columns) * SQUARE + SHARE_WIDTH - 4
    yield f'<text class="faint small" x="{right}" y="32" text-anchor="end">{escape(words("gaps.complete"))}</text>'


def _row(row: Row, at: tuple[int, int], validated: Sequence[bool], words: Words) -> Iterator[str]:
    names, top = at
    name, base = name_of(row, words), top + SQUARE - 9
    short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    weight = "" if row.what == COHORT else ' font-style="italic"'
    yield f'<text class="text" x="{names - 6}" y="{base}" text-anchor="end"{weight}>{escape(short)}</text>'
    for place, square in enumerate(row.squares):
        left = names + place * SQUARE
        if square is None:
            sign = HIDDEN if validated[place] else UNKNOWN
            yield f'<text class="faint" x="{left + SQUARE / 2:g}" y="{base}" text-anchor="middle">{sign}</text>'
        else:
            yield from _square(square, left, top, words)
    total = complete(row.total.known, row.total.due, words)
    right = names + len(row.squares) * SQUARE + SHARE_WIDTH - 4
    yield f'<text class="text" x="{right}" y="{base}" text-anchor="end">{escape(total)}</text>'


def _square(square: Square, left: int, top: int, words: Words) -> Iterator[str]:
    floor = top + SQUARE - GAP / 2
    for kind, high in zip(KINDS, heights(square), strict=True):
        if high:
            floor -= high
            where = f'x="{left + GAP / 2:g}" y="{floor:g}" width="{SQUARE - GAP}" height="{high}"'
            yield f"<rect class={quoteattr(kind)} {where}/>"
    if square.reason:
        x, y = left + SQUARE / 2, top + SQUARE / 2
        letter = escape(words(f"reason-letter.{square.reason}"))
        yield f'<circle class="chip" cx="{x:g}" cy="{y:g}" r="6.5"/>'
        yield f'<text class="text r" x="{x:g}" y="{y + 3.2:g}" text-anchor="middle">{letter}</text>'


def heights(square: Square) -> list[int]:
    """How high each kind stands in a square, the surest first: in all the square, and :data:`LEAST` where it is there."""
    counts = by_kind(square)
    room = SQUARE - GAP
    found = [max(LEAST, count * room // square.due) if count else 0 for count in counts]
    if any(found):
        # What the least heights take, or rounding has left, is that of the highest.
        found[found.index(max(found))] += room - sum(found)
    return found


def by_kind(square: Square) -> list[int]:
    """Quarters of each kind."""
    found = dict.fromkeys(KINDS, 0)
    for code, count in zip(LEGEND, square.counts, strict=True):
        found[Kind(code.kind)] += count
    assert square.known == sum(found[kind] for kind in KNOWN)
    return list(found.values())
