"""The methods, as the table that the documentation is printed from: what each does, when, and where it comes from.

They are tried in this order, and the first that can be used is.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One row."""

    code: str
    title: str
    when: str
    shape: str
    """How the energy is spread."""
    energy: str
    """Where it comes from, if not from the registers at both ends."""
    source: str


METHODS = (
    Method(
        code="E1",
        title="read again",
        when="the meter's buffer still has the rows (10 days) and the day's claim on reading it is not used up;"
        " done by a visit, and what is put in their place until then is marked `may_still_come`",
        shape="-",
        energy="the meter",
        source="buffer of 960 rows",
    ),
    Method(
        code="E6",
        title="check meter",
        when="the registers at the ends do not tell the energy, a second meter's total of the day is known, and all else of the"
        " day is",
        shape="E3, E4 or E5, else all quarters alike",
        energy="the second meter's total less what is known",
        source="Itron, AEMO 11",
    ),
    Method(
        code="E7",
        title="zero",
        when="events prove that there was no power over a whole quarter; not if the registers at the ends or the check meter"
        " say that something was used and no other quarter is left for it",
        shape="zero there; the other quarters of the gap by the next method",
        energy="-",
        source="AEMO 19",
    ),
    Method(
        code="E2",
        title="straight line",
        when="at most {linear_quarters} quarters, both registers are known, and neither of their rows says the power failed",
        shape="all quarters alike",
        energy="-",
        source="CA VEE",
    ),
    Method(
        code="E3",
        title="average of like days",
        when="at most {profile_beyond_days} days, and {like_days} valid like days for each day of the gap",
        shape="the sum of the {like_days} nearest",
        energy="their average",
        source="CA VEE, Itron",
    ),
    Method(
        code="E4",
        title="like day",
        when="at most {profile_beyond_days} days, and a valid like day for each day of the gap",
        shape="one like day for each, the best by the table",
        energy="that of the like day",
        source="WA Metering Code app. 3 method 14",
    ),
    Method(
        code="E5",
        title="profile",
        when="there is a profile; without registers at both ends, a year volume too",
        shape="the profile of the connection's category and direction",
        energy="year volume by profile",
        source="nedu",
    ),
    Method(
        code="E8",
        title="agreed by hand",
        when="two persons agree on volumes, with a reason; it then holds over every other",
        shape="-",
        energy="what was agreed; not held against the registers",
        source="AEMO 16",
    ),
)
