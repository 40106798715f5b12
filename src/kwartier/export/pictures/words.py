"""Numbers as a picture says them: rounded down, so that all is all and nothing is nothing."""

QUARTERS_AN_HOUR = 4
PER_MILLE = 1000


def unit_of(highest_wh: int) -> tuple[str, int]:
    """The unit of mean power in which ``highest_wh`` in a quarter reads well, and how many watts it is."""
    watts = highest_wh * QUARTERS_AN_HOUR
    for name, size in (("GW", 10**9), ("MW", 10**6), ("kW", 10**3)):
        if watts >= 2 * size:
            return name, size
    return "W", 1


def in_kwh(energy_wh: int) -> str:
    """An energy in kWh to the watt-hour, its thousands apart."""
    whole, rest = divmod(energy_wh, 1000)
    return f"{grouped(whole)}.{rest:03d} kWh"


def readable(energy_wh: int) -> str:
    """An energy with seven figures at most, rounded down."""
    for name, size in (("GWh", 10**9), ("MWh", 10**6)):
        if energy_wh >= 10 * size:
            whole, rest = divmod(energy_wh * 1000 // size, 1000)
            return f"{grouped(whole)}.{rest:03d} {name}"
    return in_kwh(energy_wh)


def grouped(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def share(part: int, whole: int) -> str:
    """A part in per cent, rounded down, so that 100 % is all and 0 % nothing."""
    if not whole:
        return "–"
    tenths = part * PER_MILLE // whole
    return f"{tenths // 10}.{tenths % 10} %" if tenths or not part else "< 0.1 %"


def quarters(count: int) -> str:
    """A number of quarters."""
    return "1 quarter" if count == 1 else f"{grouped(count)} quarters"
