"""Nothing is asked of a meter that does not stand in the closed list, whatever a companion, a layout or a meter says.

Each plan that a visit can carry out is walked with meters that answer, refuse, talk nonsense and break off. Companions that
want more are refused when they are loaded; those that get past that, made by hand here, end with an error on the line.
"""

import ast
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.collect.visit import _counter_plan
from kwartier.cosem import access, allowed
from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.allowed import check
from kwartier.cosem.asking import Interrupted, Reply
from kwartier.cosem.classes import CLASSES, SUPPLY_AFFECTING
from kwartier.cosem.clock_steps import ClockPolicy
from kwartier.cosem.companion import Companion, CosemObject, load
from kwartier.cosem.harvest import Stretch, read_stretches
from kwartier.cosem.reading import read_quarters
from kwartier.dlms.events import Act, Answer, ExceptionReceived, Get, GetList, Operation, Refusal, Set
from kwartier.dlms.obis import dotted, obis
from kwartier.errors import InputError, KwartierError
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter
from tests.conftest import ROOT
from tests.contracts.test_companion import visited

NAMES = companions.companions()
NOW = datetime(2026, 10, 27, 3, tzinfo=UTC).timestamp()
DAYS = (date(2026, 10, 25), date(2026, 10, 26))
HOUSEHOLD = seeded(20_260_304)
POWER, POWER_OUT = obis("1-0:1.7.0"), obis("1-0:2.7.0")
CLOCKS = ClockPolicy(tolerance_s=10, step_s=30, trusted=lambda: True)
MAX_QUESTIONS = 100
NEVER = [POWER, POWER_OUT, *(obis(f"1-0:{phase}{quantity}.7.0") for phase in (2, 3, 4, 5, 6, 7) for quantity in (1, 2))]
"""Power, voltage and current at this moment, in all and of each phase."""

Said = bytes | int | str
"""An answer, a data-access-result, or the service error of an exception."""
Answering = Callable[[Operation, SimulatedMeter], Said]
Walk = Generator[Operation, Reply, object]


def truthful(one: Operation, meter: SimulatedMeter) -> Said:
    if isinstance(one, Get):
        return meter.get(one.class_id, one.obis, one.attribute, one.access)
    assert isinstance(one, Set)
    return meter.set(one.class_id, one.obis, one.attribute, one.access, one.value) or b""


def asked(plan: Walk, meter: SimulatedMeter, answering: Answering, break_after: int = MAX_QUESTIONS) -> list[Operation]:
    """Everything that a plan asks of a meter that answers so; the line breaks after so many questions."""
    seen: list[Operation] = []
    try:
        operation = next(plan)
        while len(seen) < MAX_QUESTIONS:
            seen.append(operation)
            if len(seen) > break_after:
                plan.throw(Interrupted(()))
                break
            said = answering(operation, meter)
            if isinstance(said, int):
                reply: Reply = Refusal(operation=operation, result=said, result_name=f"{said}")
            elif isinstance(said, str):
                reply = ExceptionReceived(operation=operation, state_error="service-not-allowed", service_error=said)
            else:
                reply = Answer(operation=operation, value=said)
            operation = plan.send(reply)
    except (StopIteration, Interrupted, KwartierError):
        pass
    assert len(seen) < MAX_QUESTIONS
    return seen


def plans(companion: Companion, known: layouts.Layout | None = None) -> list[Callable[[], Walk]]:
    """Each way in which a visit asks: by hand, by night, and the counter through the public client."""
    told = {"meter": "m-1", "timezone": "Europe/Amsterdam", "now": lambda: NOW, "known": known}
    stretches = (Stretch(start=DAYS[0], end=DAYS[1]),)
    night = {"stretches": stretches, "capture_delay_s": 60, "before_rows": lambda: None, "clocks": CLOCKS}
    return [
        lambda: read_quarters(companion, start=DAYS[0], end=DAYS[1], clock=True, **told),  # type: ignore[arg-type]  # as told above
        lambda: read_stretches(companion, **told, **night),  # type: ignore[arg-type]  # as told above
        lambda: _counter_plan(companion.counter_obis),
    ]


def meter_of(companion: Companion, *, ahead_s: int = 70) -> SimulatedMeter:
    return SimulatedMeter(companion, HOUSEHOLD, now=lambda: NOW, clock_error_s=ahead_s)


def gets(operation: Operation) -> set[tuple[int, bytes, int, str]]:
    """What an operation asks for or writes, one for each attribute and each column that it names."""
    if isinstance(operation, Set):
        return {(operation.class_id, operation.obis, operation.attribute, "set")}
    assert isinstance(operation, Get)
    found = {(operation.class_id, operation.obis, operation.attribute, "get")}
    if operation.access is not None:
        selected = access.parse(operation.access)
        if isinstance(selected, access.Range):
            columns = (selected.by, *selected.columns)
            found |= {(one.class_id, one.obis, one.attribute, "column") for one in columns}
    return found


def refusing(attribute: int) -> Answering:
    def answer(one: Operation, meter: SimulatedMeter) -> Said:
        return 3 if getattr(one, "attribute", 0) == attribute else truthful(one, meter)

    return answer


def refusing_selection(one: Operation, meter: SimulatedMeter) -> Said:
    return 3 if isinstance(one, Get) and one.access is not None else truthful(one, meter)


def with_other_columns(columns: tuple[access.CaptureObject, ...]) -> Answering:
    """A meter that says that its quarter profile holds ``columns``."""
    from kwartier.dlms import axdr

    value = axdr.encode(axdr.array(*(access.object_data(one) for one in columns)))

    def answer(one: Operation, meter: SimulatedMeter) -> Said:
        is_columns = isinstance(one, Get) and (one.class_id, one.attribute) == (7, 3)
        return value if is_columns else truthful(one, meter)

    return answer


def curious(companion: Companion) -> tuple[access.CaptureObject, ...]:
    """What the profile of a meter might hold beside what is wanted."""
    wanted = layouts.of_companion(companion).columns
    others = [access.CaptureObject(class_id=class_id, obis=one, attribute=2) for one in NEVER for class_id in (3, 5)]
    return (*wanted[:1], *others[:20], *wanted[1:])


WAYS: list[Answering] = [
    truthful,
    refusing_selection,
    *(refusing(attribute) for attribute in range(1, 9)),
    lambda _one, _meter: 3,
    lambda _one, _meter: 1,
    lambda _one, _meter: b"",
    lambda _one, _meter: b"\x00",
    lambda _one, _meter: "operation-not-possible",
]


def everything(companion: Companion) -> list[Operation]:
    """All that is asked of meters of this kind, in whatever way they answer."""
    known = layouts.of_companion(companion)
    answering = [*WAYS, with_other_columns(curious(companion))]
    seen = []
    for make in [*plans(companion), *plans(companion, known)]:
        for way in answering:
            for ahead_s in (0, 70):
                seen += asked(make(), meter_of(companion, ahead_s=ahead_s), way)
        for after in range(8):
            seen += asked(make(), meter_of(companion), truthful, break_after=after)
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_asked_stands_in_the_list_and_all_that_stands_there_is_asked(name: str) -> None:
    seen = set()
    for operation in everything(load(name)):
        check(operation)
        seen |= gets(operation)
    listed = set()
    for row in allowed.allowed().values():
        # A register may be of class 4, and these companions have none of those.
        class_id = row.classes[0]
        listed |= {(class_id, row.obis, attribute, "get") for attribute in row.get}
        listed |= {(class_id, row.obis, attribute, "set") for attribute in row.set}
        listed |= {(class_id, row.obis, 2, "column")} if row.column else set()
    assert seen == listed
    assert not {one for _, one, _, _ in seen} & set(NEVER)


@given(
    name=st.sampled_from(NAMES),
    which=st.integers(0, 2),
    said=st.lists(st.none() | st.integers(1, 250) | st.binary(max_size=40), min_size=1, max_size=12),
)
def test_no_answer_talks_a_plan_into_asking_for_more(name: str, which: int, said: list[bytes | int | None]) -> None:
    companion, turn = load(name), iter(said)

    def answer(one: Operation, meter: SimulatedMeter) -> Said:
        chosen = next(turn, 3)
        return truthful(one, meter) if chosen is None else chosen

    for operation in asked(plans(companion)[which](), meter_of(companion), answer):
        check(operation)


# Companions that want more.


def hostile(companion: Companion, **changed: CosemObject) -> Companion:
    """The companion with other objects in the places of its own, as nobody can load it."""
    objects = {**companion.objects, **changed}
    quarter = companion.quarter
    columns = tuple(changed.get(one.name, one) for one in quarter.columns)
    status = None if quarter.status is None else changed.get(quarter.status.name, quarter.status)
    profiles = {**companion.profiles, "quarter": replace(quarter, columns=columns, status=status)}
    return replace(companion, objects=MappingProxyType(objects), profiles=MappingProxyType(profiles))


REGISTER = 'class = 3\nunit = 30\nsource = "found"\n'
WANTING: dict[str, str] = {
    "power as the import register": '[objects.import_wh]\nobis = "1-0:1.7.0"\n',
    "power as one register more": f'[objects.power_wh]\nobis = "1-0:2.7.0"\n{REGISTER}'
    '[profiles.quarter]\ncolumns = ["clock", "status", "import_wh", "export_wh", "power_wh"]\n',
    "voltage": f'[objects.voltage_wh]\nobis = "1-0:32.7.0"\n{REGISTER}'
    '[profiles.quarter]\ncolumns = ["clock", "status", "import_wh", "voltage_wh"]\n',
    "the power quality profile": '[profiles.quarter]\nobis = "1-0:99.1.1"\n',
    "the fraud log as the profile": '[profiles.quarter]\nobis = "0-0:99.98.1"\n',
    "a status that is something else": '[objects.status]\nobis = "0-0:96.3.10"\nclass = 70\n',
    "power as the counter": '[objects.invocation_counter]\nobis = "1-0:1.7.0"\nclass = 3\n',
    "another counter": '[objects.invocation_counter]\nobis = "0-0:96.1.0"\n',
    "another clock": '[objects.clock]\nobis = "0-0:1.0.1"\n',
    "another attribute of the clock": "[objects.clock]\nattribute = 3\n",
}


@pytest.mark.parametrize("text", WANTING.values(), ids=WANTING.keys())
def test_a_companion_that_wants_more_is_refused_when_it_is_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "curious.toml").write_text(f'extends = "smr-5.5"\ntitle = "curious"\n{text}', "utf-8")
    with pytest.raises(InputError) as caught:
        load("curious", tmp_path)
    assert caught.value.code == "never-asked"
    assert caught.value.detail.startswith("curious.toml: ")


def test_a_companion_may_know_of_what_is_never_asked(tmp_path: Path) -> None:
    text = f'extends = "smr-5.5"\ntitle = "knows"\n[objects.power_w]\nobis = "1-0:1.7.0"\n{REGISTER}'
    (tmp_path / "knows.toml").write_text(text, "utf-8")
    known = load("knows", tmp_path)
    assert POWER in {one.obis for one in known.objects.values()}
    assert not any(POWER in {one[1] for one in gets(operation)} for operation in everything(known))


codes = st.sampled_from(NEVER) | st.binary(min_size=6, max_size=6)


@given(
    name=st.sampled_from(NAMES),
    place=st.sampled_from(["import_wh", "export_wh", "status", "clock"]),
    code=codes,
    class_id=st.sampled_from(sorted(CLASSES)),
    which=st.integers(0, 1),
)
def test_whatever_a_companion_says_nothing_else_goes_on_the_line(
    name: str, place: str, code: bytes, class_id: int, which: int
) -> None:
    companion = load(name)
    own = companion.objects[place]
    other = hostile(companion, **{place: replace(own, obis=code, class_id=class_id)})
    try:
        meter = meter_of(other)
    except (KeyError, ValueError, KwartierError):
        return  # no meter can be so
    sent: list[Operation] = []

    def answer(one: Operation, playing: SimulatedMeter) -> Said:
        check(one)  # as the line does before it sends
        sent.append(one)
        return truthful(one, playing)

    asked(plans(other)[which](), meter, answer)
    listed = {row.obis for row in allowed.allowed().values()}
    assert {one for operation in sent for _, one, _, _ in gets(operation)} <= listed


def test_a_visit_to_a_meter_that_has_it_ends_before_it_is_asked() -> None:
    companion = load("smr-5.5")
    other = hostile(companion, import_wh=replace(companion.objects["import_wh"], obis=POWER))
    visit = visited(other, "wrapper")
    assert visit.outcome == "never-asked"
    assert dotted(POWER) in str(visit.error)
    assert visit.result is None


def test_a_stored_layout_that_names_a_column_to_be_asked_for_is_not_believed() -> None:
    companion = load("smr-5.5")
    true = layouts.of_companion(companion)
    place = true.roles.index("import_wh")
    columns = list(true.columns)
    columns[place] = replace(columns[place], obis=POWER)
    # It captures more than is asked for, so that the request would name its columns.
    wider = replace(
        true,
        columns=(*columns, access.CaptureObject(class_id=1, obis=obis("0-0:96.1.1"), attribute=2)),
        roles=(*true.roles, layouts.IGNORED),
    )
    visit = visited(companion, "wrapper", known=wider)
    assert (visit.outcome, visit.result) == ("never-asked", None)


# Services.


@pytest.mark.parametrize("class_id", [*sorted(SUPPLY_AFFECTING), 1, 3, 7, 15, 18, 20, 64, 999])
def test_nothing_is_written_and_nothing_set_off(class_id: int) -> None:
    switch = obis("0-0:96.3.10")
    places = [switch, *(row.obis for row in allowed.allowed().values())]
    for place in places:
        for number in (1, 2, 3):
            for operation in (
                Set(class_id=class_id, obis=place, attribute=number, value=b"\x00"),
                Act(class_id=class_id, obis=place, method=number),
                Act(class_id=8, obis=place, method=number),
                Act(class_id=class_id, obis=place, method=number, value=b"\x00"),
            ):
                with pytest.raises(InputError) as caught:
                    check(operation)
                assert caught.value.code == "never-asked"


@pytest.mark.parametrize(
    "operation",
    [
        Get(class_id=3, obis=POWER, attribute=2),
        Get(class_id=3, obis=obis("1-0:1.8.0"), attribute=2),
        Get(class_id=8, obis=obis("0-0:1.0.0"), attribute=3),
        Get(class_id=1, obis=obis("1-0:99.1.0"), attribute=2),
        Get(class_id=7, obis=obis("1-0:99.2.0"), attribute=2),
        GetList(items=(Get(class_id=8, obis=obis("0-0:1.0.0"), attribute=2), Get(class_id=3, obis=POWER, attribute=2))),
        Set(class_id=8, obis=obis("0-0:1.0.0"), attribute=3, value=b"\x00"),
        Set(class_id=8, obis=obis("0-0:1.0.0"), attribute=2, value=b"\x00", access=b"\x01\x00"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_unknown_object_and_an_attribute_that_is_not_listed_are_refused(operation: Operation) -> None:
    with pytest.raises(InputError) as caught:
        check(operation)
    assert caught.value.code == "never-asked"


def test_there_is_one_place_that_asks_and_it_looks_at_the_list_first() -> None:
    """In the whole program only the line gives operations to a session."""
    asking = []
    for path in sorted((ROOT / "src" / "kwartier").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "ask":
                asking.append((path.name, ast.unparse(node)))
    assert asking == [("line.py", "session.ask(operation, now)")]
    source = (ROOT / "src" / "kwartier" / "collect" / "line.py").read_text("utf-8")
    assert source.index("check(operation)") < source.index("session.ask(operation, now)")


def test_the_list_is_about_objects_of_known_classes_and_none_can_interrupt_a_supply() -> None:
    for row in allowed.allowed().values():
        for class_id in row.classes:
            assert class_id in CLASSES, row.name
            assert class_id not in SUPPLY_AFFECTING, row.name
            assert max(row.get + row.set, default=1) <= len(CLASSES[class_id].attributes), row.name
