"""The measurements as a table for people and as JSON for machines."""

from collections.abc import Mapping, Sequence

from bench.measuring import OWN, OWN_MANY, PDUS, Costs

WIDTH = 24
CELL = 12


def as_json(
    costs: Costs, decoded: Mapping[str, float], skips: Mapping[str, Sequence[str]], about: Mapping[str, object]
) -> dict[str, object]:
    """Every median and ratio, and what the peers leave out."""
    names = list(dict.fromkeys(name for name, _ in costs))
    return {
        "about": dict(about),
        "session_us": {
            name: {
                str(pdu): {
                    "median": round(costs[name, pdu].median_us, 1),
                    "best": round(costs[name, pdu].best_us, 1),
                    "counters": round(costs[name, pdu].counters_median_us, 1),
                }
                for pdu in PDUS
            }
            for name in names
        },
        "session_ratio": {
            own: {
                name: {str(pdu): round(costs[name, pdu].median_us / costs[own, pdu].median_us, 1) for pdu in PDUS}
                for name in names
                if name not in (OWN, OWN_MANY)
            }
            for own in (OWN, OWN_MANY)
        },
        "decode_us": {name: round(taken, 1) for name, taken in decoded.items()},
        "decode_ratio": {name: round(taken / decoded[OWN], 1) for name, taken in decoded.items() if name != OWN},
        "skips": {name: list(left_out) for name, left_out in skips.items()},
    }


def as_text(
    costs: Costs, decoded: Mapping[str, float], skips: Mapping[str, Sequence[str]], about: Mapping[str, object]
) -> str:
    """The same as a table."""
    names = list(dict.fromkeys(name for name, _ in costs))
    lines = [
        "client CPU of one whole session, in microseconds: user and system, sockets and all checks included",
        f"median of {about['batches']} batches, and the least disturbed one in brackets",
        "",
        _line("", [f"PDU {pdu}" for pdu in PDUS]),
    ]
    for name in names:
        cells = [f"{costs[name, pdu].median_us:.0f} ({costs[name, pdu].best_us:.0f})" for pdu in PDUS]
        lines.append(_line(name, cells))
        if name in (OWN, OWN_MANY):
            lines.append(_line("  of it for counters", [f"{costs[name, pdu].counters_median_us:.0f}" for pdu in PDUS]))
    lines += ["", "how many times as much as kwartier (ratio of medians)", ""]
    for own in (OWN, OWN_MANY):
        for name in names:
            if name not in (OWN, OWN_MANY):
                ratios = [f"{costs[name, pdu].median_us / costs[own, pdu].median_us:.1f}" for pdu in PDUS]
                lines.append(_line(f"{name} / {own.removeprefix(OWN).strip(', ') or 'one at a time'}", ratios))
    lines += ["", "decoding the deciphered buffer of a day alone, in microseconds", ""]
    for name, taken in decoded.items():
        lines.append(_line(name, [f"{taken:.1f}", f"{taken / decoded[OWN]:.1f} x"]))
    lines += ["", "what each leaves out that kwartier does:"]
    for name, left_out in skips.items():
        lines += [f"  {name} {one}" for one in left_out]
    lines += ["", "all clients read the same values from one meter; " + ", ".join(f"{k} {v}" for k, v in about.items())]
    return "\n".join(lines)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<{WIDTH}}" + "".join(f"{cell:>{CELL + 4}}" for cell in cells)
