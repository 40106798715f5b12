"""Whether somebody may see some readings for a purpose: a list of rules, each with its article and its reason.

The rules are asked in their order, and all of them have to agree; the first that does not is the answer. What no rule was
written for is denied. Nothing here looks anything up: what has to be known is brought along, so that the same question has the
same answer in a test, in `gate explain` and in the gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from kwartier.fleet.readout import Mode
from kwartier.gate.purposes import Hold, Need, Purpose, Resolution, Source, purposes

MAX_SHOWN = 40
MAX_NAMED = 100
"""Connections that one grant may name: each has its place in the record of every use."""
ALLOWED = "granted"
OWN = "own"
"""The kind of a mandate by which somebody is the customer of a connection."""


class Asking(Protocol):
    """Who asks; ``kwartier.who`` has one."""

    @property
    def name(self) -> str:
        """Such as ``os:eva``."""
        ...

    @property
    def roles(self) -> frozenset[str]:
        """What they may act as."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is asked for. ``end`` is the first local day that is not in it.

    No ``eans``: the whole fleet's. ``resolution`` and ``channels`` None: as far as the purpose goes. ``by``: a fact of
    connections that sums are grouped by; empty: figures of each connection. ``area``: of this grid area alone.
    """

    start: date
    end: date
    eans: tuple[str, ...] = ()
    source: Source = Source.STORE
    resolution: Resolution | None = None
    channels: tuple[str, ...] | None = None
    by: str = ""
    area: str = ""
    use_case: str = ""
    approval: str = ""

    @property
    def days(self) -> int:
        """How many."""
        return (self.end - self.start).days

    @property
    def named(self) -> list[str]:
        """The connections that it names, each once."""
        return list(dict.fromkeys(self.eans))

    def reduced(self, purpose: Purpose) -> "Scope":
        """With what was left open filled in: as far as the purpose goes."""
        channels = purpose.channels if self.channels is None else self.channels
        resolution = self.resolution or purpose.resolution
        return replace(self, resolution=resolution, channels=() if resolution is Resolution.NONE else channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """A use case under the code of conduct, as far as it bounds what may be seen."""

    id: str
    channels: tuple[str, ...]
    resolution: Resolution
    area: str
    valid_from: date
    valid_to: date
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """Who may see a connection on its customer's behalf, of which days."""

    holder: str
    kind: str
    valid_from: date
    valid_to: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who asked for something that needs two, and who approved of it; empty: nobody yet."""

    requested_by: str
    approved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What has to be known to decide; the connections are those that the scope names."""

    today: date
    use_case: UseCase | None = None
    mandates: Mapping[str, Sequence[Mandate]] = field(default_factory=dict)
    approval: Approval | None = None
    modes: Mapping[str, Mode] = field(default_factory=dict)
    """Connections that are not read from afar on some of the days."""
    holds: Mapping[str, frozenset[Hold]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything that a rule may look at."""

    asking: Asking
    purpose: Purpose
    scope: Scope
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its name is the code of the refusal; ``check`` gives the reason why not, or nothing."""

    code: str
    article: str
    check: Callable[[Question], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer. ``rule``: the one that said no, or "granted"; ``steps``: each rule that was asked, and what it said."""

    allowed: bool
    rule: str
    article: str
    reason: str
    steps: tuple[tuple[str, str, str], ...] = ()


def decide(asking: Asking, purpose: str, scope: Scope, facts: Facts) -> Verdict:
    """Whether it may be seen, with the complete reason. Every question has an answer."""
    known = purposes().get(purpose)
    if known is None:
        names = ", ".join(purposes())
        code = "unknown-purpose" if purpose else "no-purpose"
        what = f"{purpose[:MAX_SHOWN]!r} is none of {names}" if purpose else f"say what the readings are for: {names}"
        return Verdict(allowed=False, rule=code, article=LIMITATION, reason=what, steps=((code, LIMITATION, what),))
    question = Question(asking=asking, purpose=known, scope=scope.reduced(known), facts=facts)
    steps: list[tuple[str, str, str]] = []
    for rule in RULES:
        reason = rule.check(question)
        article = rule.article or known.article
        steps.append((rule.code, article, reason))
        if reason:
            return Verdict(allowed=False, rule=rule.code, article=article, reason=reason, steps=tuple(steps))
    reason = f"{asking.name} may, for {known.name}"
    return Verdict(allowed=True, rule=ALLOWED, article=known.article, reason=reason, steps=tuple(steps))


# The rules.

LIMITATION, MINIMISATION, SECURITY = "AVG art. 5(1)(b)", "AVG art. 5(1)(c)", "AVG art. 32"


def _in_force(asked: Question) -> str:
    purpose, today = asked.purpose, asked.facts.today
    if purpose.valid_from <= today < purpose.valid_to:
        return ""
    return f"{purpose.name} holds from {purpose.valid_from} up to {purpose.valid_to}, and today is {today}"


def _role(asked: Question) -> str:
    if asked.asking.roles & asked.purpose.who:
        return ""
    return (
        f"{asked.asking.name} is none of {', '.join(sorted(asked.purpose.who))}, who may act for {asked.purpose.name}"
    )


def _source(asked: Question) -> str:
    purpose, source = asked.purpose, asked.scope.source
    return "" if source in purpose.sources else f"for {purpose.name} nothing comes from the {source}"


def _consumption(asked: Question) -> str:
    if asked.purpose.resolution is not Resolution.NONE or asked.scope.resolution is Resolution.NONE:
        return ""
    return f"for {asked.purpose.name} no consumption is read or shown"


def _resolution(asked: Question) -> str:
    wanted, finest = asked.scope.resolution or asked.purpose.resolution, asked.purpose.resolution
    return "" if wanted.is_within(finest) else f"for {asked.purpose.name} the finest is {finest}, not {wanted}"


def _channels(asked: Question) -> str:
    more = sorted(set(asked.scope.channels or ()) - set(asked.purpose.channels))
    return f"for {asked.purpose.name} {', '.join(more)} is not shown" if more else ""


def _reach(asked: Question) -> str:
    purpose, scope = asked.purpose, asked.scope
    if scope.days > purpose.days:
        return f"for {purpose.name} one grant spans {purpose.days} days, not {scope.days}"
    if len(scope.eans) > MAX_NAMED:
        return f"one grant names {MAX_NAMED} connections at the most, not {len(scope.eans)}"
    if not scope.eans and not purpose.fleet:
        return f"for {purpose.name} the connections have to be named"
    other = next((ean for ean in scope.eans if not ean.startswith(purpose.eans)), None)
    return "" if other is None else f"for {purpose.name} connection {other} may not be seen"


def _sums(asked: Question) -> str:
    purpose, scope = asked.purpose, asked.scope
    if scope.by:
        if scope.eans:
            return "a sum is of everybody in a group, and no connection is named"
        if scope.by in purpose.groups:
            return ""
        known = ", ".join(purpose.groups) or "nothing"
        return f"for {purpose.name} nothing is summed by {scope.by[:MAX_SHOWN]}, but by {known}"
    if purpose.per_connection:
        return ""
    return f"for {purpose.name} there are sums by {', '.join(purpose.groups)} and nothing of one connection"


def _use_case(asked: Question) -> str:
    scope, case, today = asked.scope, asked.facts.use_case, asked.facts.today
    if Need.USE_CASE not in asked.purpose.needs:
        return ""
    if case is None:
        return f"there is no use case {scope.use_case[:MAX_SHOWN]!r}" if scope.use_case else "it takes a use case"
    if case.ended or not case.valid_from <= today < case.valid_to:
        return f"use case {case.id} held from {case.valid_from} up to {case.valid_to} and is over or not begun"
    wanted = scope.resolution or asked.purpose.resolution
    if not wanted.is_within(case.resolution):
        return f"use case {case.id} goes down to {case.resolution}, not to {wanted}"
    more = sorted(set(scope.channels or ()) - set(case.channels))
    if more:
        return f"use case {case.id} has no {', '.join(more)}"
    if case.area and scope.area != case.area:
        return f"use case {case.id} is about grid area {case.area} alone"
    return ""


def _mandate(asked: Question) -> str:
    if Need.MANDATE not in asked.purpose.needs:
        return ""
    return _named_by_mandate(asked, "mandate")


def _own(asked: Question) -> str:
    """Who acts in an office's role asks on behalf of the customer, and the office answers for that."""
    if Need.OWN_CONNECTION not in asked.purpose.needs or asked.asking.roles & (asked.purpose.who - {"customer"}):
        return ""
    return _named_by_mandate(asked, OWN)


def _named_by_mandate(asked: Question, kind: str) -> str:
    scope, today = asked.scope, asked.facts.today
    for ean in scope.eans:
        held = [
            one
            for one in asked.facts.mandates.get(ean, ())
            if one.holder == asked.asking.name and one.kind == kind and one.valid_from <= today < one.valid_to
        ]
        if not held:
            return f"{asked.asking.name} has no {kind} of the customer at {ean} that holds today"
    return ""


def _four_eyes(asked: Question) -> str:
    approval = asked.facts.approval
    if Need.FOUR_EYES not in asked.purpose.needs:
        return ""
    if approval is None:
        return "somebody else has to approve of it first"
    if approval.requested_by != asked.asking.name:
        return f"it was asked for by {approval.requested_by}, and is used by {asked.asking.name}"
    if not approval.approved_by or approval.approved_by == approval.requested_by:
        return "nobody else has approved of it yet"
    return ""


def _holds(asked: Question) -> str:
    stopping = {Hold.RESTRICTION, Hold.OBJECTION} - asked.purpose.despite
    for ean, held in asked.facts.holds.items():
        found = sorted(held & stopping)
        if found:
            return f"of connection {ean} there is a {found[0]}, and {asked.purpose.name} does not go on despite it"
    return ""


def _readout(asked: Question) -> str:
    if asked.scope.source is not Source.METER or asked.purpose.resolution is Resolution.NONE:
        return ""
    ean, mode = next(iter(asked.facts.modes.items()), ("", Mode.REMOTE))
    return f"connection {ean} is {mode}: its meter is not read for consumption" if ean else ""


RULES = (
    Rule(code="purpose-not-in-force", article=LIMITATION, check=_in_force),
    Rule(code="wrong-role", article=SECURITY, check=_role),
    Rule(code="wrong-source", article=MINIMISATION, check=_source),
    Rule(code="no-consumption", article=MINIMISATION, check=_consumption),
    Rule(code="too-fine", article=MINIMISATION, check=_resolution),
    Rule(code="channel-not-shown", article=MINIMISATION, check=_channels),
    Rule(code="out-of-scope", article=LIMITATION, check=_reach),
    Rule(code="only-sums", article=MINIMISATION, check=_sums),
    Rule(code="no-use-case", article="Gedragscode Slim Netbeheer (Stcrt. 2022, 11739)", check=_use_case),
    Rule(code="no-mandate", article="AVG art. 7", check=_mandate),
    Rule(code="not-own-connection", article="AVG art. 15", check=_own),
    Rule(code="needs-approval", article=SECURITY, check=_four_eyes),
    Rule(code="held", article="AVG art. 18 and 21", check=_holds),
    Rule(code="not-read-out", article="BOAUM art. 4 via Energiewet art. 7.52 (text not verified)", check=_readout),
)
