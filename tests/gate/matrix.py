"""Who may do what, in full: every role, purpose, source and resolution, with everything there that a purpose may need.

``python -m tests.gate.matrix`` writes ``matrix.txt``, and a person looks at it whenever it changes: what is in it was approved.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path

from kwartier.gate.policy import Approval, Facts, Mandate, Scope, UseCase, decide
from kwartier.gate.purposes import Resolution, Source, purposes
from tests.gate.rooms import Somebody

FILE = Path(__file__).with_name("matrix.txt")
EAN = "871687910000500037"
DAY = date(2026, 11, 24)
TOMORROW = DAY + timedelta(days=1)
STRANGER = "supplier-of-meters"
"""A role that does not exist: nobody has it, and nothing comes of it."""
ALL_CHANNELS = ("import_wh", "export_wh")
CASE = UseCase(
    id="case",
    channels=ALL_CHANNELS,
    resolution=Resolution.QUARTER,
    area="",
    valid_from=DAY,
    valid_to=TOMORROW,
    ended=False,
)


def facts(name: str) -> Facts:
    """Everything that a purpose may need, for whoever is called ``name``."""
    mandates = [Mandate(holder=name, kind=kind, valid_from=DAY, valid_to=TOMORROW) for kind in ("mandate", "own")]
    approval = Approval(requested_by=name, approved_by="os:another")
    return Facts(today=DAY, use_case=CASE, mandates={EAN: mandates}, approval=approval)


def lines() -> Iterator[str]:
    """A line for each question, with what the answer is: about one connection, about all, about sums.

    What a role has nothing to do with is left out; for a role that no purpose knows, that is said.
    """
    reaches: tuple[tuple[str, tuple[str, ...], str], ...] = (
        ("one", (EAN,), ""),
        ("all", (), ""),
        ("by area", (), "grid_area"),
        ("by brp", (), "brp"),
    )
    known = sorted({role for purpose in purposes().values() for role in purpose.who})
    for role in (*known, STRANGER):
        asking = Somebody(f"os:{role}", frozenset({role}))
        found = 0
        for name, source, resolution in product(purposes(), Source, Resolution):
            told = {}
            for reach, eans, by in reaches:
                asked = Scope(start=DAY, end=TOMORROW, source=source, resolution=resolution, eans=eans, by=by)
                told[reach] = decide(asking, name, asked, facts(asking.name)).rule
            if set(told.values()) != {"wrong-role"}:
                found += 1
                answers = ", ".join(f"{reach} {rule}" for reach, rule in told.items())
                yield f"{role:20} {name:15} {source.value:6} {resolution.value:8} {answers}"
        if not found:
            yield f"{role:20} nothing at all"


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n")
