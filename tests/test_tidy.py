"""The house rules, as tests: what a reader of this code may count on without looking.

Each rule walks the source as Python itself parses it. Where a rule has exceptions they are listed here, each with its reason,
and an exception that is needed no longer fails too.
"""

import ast
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from kwartier.errors import KwartierError, explanations
from tests.conftest import ROOT

SOURCE = ROOT / "src" / "kwartier"
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
LEAVES = {leaf.__name__ for leaf in KwartierError.__subclasses__()}

MUTABLE_DATACLASSES = {
    "collect/desk.py:UnderWay": "a batch, and how far it got",
    "collect/engine.py:Tally": "counts up while a night runs",
    "collect/line.py:Traffic": "counts up while a conversation runs",
    "cosem/asking.py:No": "the last refusal, overwritten by the next",
    "cosem/order.py:Candidates": "columns that are narrowed down step by step",
    "decode/frames.py:Piece": "filled while a capture is walked",
    "decode/layers.py:Decoded": "filled while a capture is walked",
    "decode/layers.py:Layer": "filled while a capture is walked",
    "decode/layers.py:Message": "filled while a capture is walked",
    "decode/show.py:Node": "a tree that grows",
    "dlms/hdlc.py:Address": "two numbers that read best in order",
    "dlms/server.py:AssociationPoint": "its peer counter moves, and outlives every session",
    "service/night.py:Progress": "what the processes of a night said last",
    "service/night.py:_Worker": "a process, and what it said last",
    "service/rehearsal/process.py:Host": "what is wrong with it just now",
    "service/rehearsal/process.py:Stage": "what is wrong just now, and what went wrong so far",
    "simulate/host.py:Station": "its counters move while it is visited",
    "simulate/running.py:Awake": "counts the lines that are open to a meter",
    "web/events.py:Topic": "the newest of what is watched, and who waits for the next",
    "store/table.py:_Day": "an index that grows with the files of its day",
}
"""Dataclasses that are not frozen, slotted and keyword-only, and why."""

REFUSED_FILES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base", "core", "types"}
REFUSED_WORDS = ("Manager", "Helper", "Util", "Dto", "DTO", "ServiceObject", "Asset", "Sensor")
UNITS = {"wh", "kwh", "mwh", "ms", "us", "ns", "w", "kw"}
TIMED = re.compile(r"(^|_)(timeout|pause|period|duration|interval)$")
EXCUSE = re.compile(
    r"#.*?(noqa|type: *ignore|fmt: *(?P<layout>skip|off))"
    r"(?P<code>: *[A-Z]+[0-9]+(, *[A-Z]+[0-9]+)*|\[[a-z, -]+\])?(?P<reason>.*)$"
)
MIN_REASON = 6
OTHER_SKIPS = {"pytest.skip", "pytest.importorskip", "pytest.xfail"} | {
    f"pytest.mark.{one}" for one in ("skip", "skipif", "xfail")
}
SECRET = re.compile(r"(^|_)(ek|ak|kek|lls|key|keys|secret|password|dedicated|master)$")


def python_files(*folders: str) -> list[Path]:
    """The Python files in ``folders`` of the project."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """The file as a tree."""
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of that tree."""
    return list(ast.walk(parsed(path)))


def shown(path: Path) -> str:
    """How a complaint names a file."""
    return str(path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT))


Rule = Callable[[Path], Iterator[str]]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """All its arguments, of every kind."""
    given = function.args
    stars = [one for one in (given.vararg, given.kwarg) if one is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *stars]


def annotated_names(path: Path) -> Iterator[tuple[int, str, str]]:
    """Each name with a type: line, name, type."""
    for node in nodes(path):
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield node.lineno, node.arg, ast.unparse(node.annotation)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name | ast.Attribute):
            name = node.target.id if isinstance(node.target, ast.Name) else node.target.attr
            yield node.lineno, name, ast.unparse(node.annotation)


def defined_names(path: Path) -> Iterator[tuple[int, str]]:
    """Each name that a file gives to something."""
    for node in nodes(path):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


# The rules. Each names what breaks it.


def short_files(path: Path) -> Iterator[str]:
    """A file has at most 500 lines."""
    count = len(path.read_text("utf-8").splitlines())
    if count > MAX_FILE_LINES:
        yield f"{count} lines"


def short_functions(path: Path) -> Iterator[str]:
    """A function has at most 60 lines."""
    for one in functions(path):
        count = (one.end_lineno or one.lineno) - one.lineno + 1
        if count > MAX_FUNCTION_LINES:
            yield f"{one.lineno}: {one.name} has {count} lines"


def no_any(path: Path) -> Iterator[str]:
    """No public signature says Any."""
    for one in functions(path):
        if one.name.startswith("_") and not one.name.startswith("__"):
            continue
        annotations = [argument.annotation for argument in arguments(one)] + [one.returns]
        for annotation in annotations:
            if annotation is not None and re.search(r"\bAny\b", ast.unparse(annotation)):
                yield f"{one.lineno}: {one.name}"


def integer_energy(path: Path) -> Iterator[str]:
    """Energy is whole watt-hours: nothing that ends in _wh is a float, or comes from a division."""
    returned = [(one.lineno, one.name, ast.unparse(one.returns)) for one in functions(path) if one.returns is not None]
    for line, name, kind in [*annotated_names(path), *returned]:
        if name.lower().endswith("_wh") and "float" in kind:
            yield f"{line}: {name}: {kind}"
    for node in nodes(path):
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if any(name.lower().endswith("_wh") for name in names) and _is_floating(node.value):
                yield f"{node.lineno}: {names[0]} = {ast.unparse(node.value)}"


def _is_floating(value: ast.expr) -> bool:
    for node in ast.walk(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("float", "np.float64", "numpy.float64"):
            return True
    return False


def units_last(path: Path) -> Iterator[str]:
    """A unit stands last in a name, and a length of time has one."""
    for line, name in defined_names(path):
        parts = name.lower().strip("_").split("_")
        if UNITS & set(parts[:-1]):
            yield f"{line}: {name}"
    for line, name, kind in annotated_names(path):
        if TIMED.search(name.lower()) and re.fullmatch(r"(int|float)( \| None)?", kind):
            yield f"{line}: {name} has no unit"


def plain_names(path: Path) -> Iterator[str]:
    """No file and no name says that the design was not done."""
    if path.stem.lower() in REFUSED_FILES or path.parent.name.lower() in REFUSED_FILES:
        yield "is no name for a file"
    for line, name in defined_names(path):
        if any(word in name for word in REFUSED_WORDS):
            yield f"{line}: {name}"


def secrets_not_shown(path: Path) -> Iterator[str]:
    """A field of a dataclass that holds key material is left out of its repr."""
    for node in nodes(path):
        if not isinstance(node, ast.ClassDef) or _dataclass_options(node) is None:
            continue
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                kept = field.value is not None and "repr=False" in ast.unparse(field.value)
                if SECRET.search(field.target.id) and "bytes" in ast.unparse(field.annotation) and not kept:
                    yield f"{field.lineno}: {node.name}.{field.target.id}"


def excuses_have_reasons(path: Path) -> Iterator[str]:
    """Whatever silences a tool names what it silences and says why, on the same line."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            found = EXCUSE.search(token.string) if token.type == tokenize.COMMENT else None
            if found is None:
                continue
            is_named = found["code"] is not None or found["layout"] is not None
            if not is_named or len(found["reason"].strip(" -#")) < MIN_REASON:
                yield f"{token.start[0]}: {token.string}"


def skips_say_why(path: Path) -> Iterator[str]:
    """A test is skipped by ``skip_unless`` only, and no failure is expected."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in OTHER_SKIPS and path.name != "conftest.py":
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "rule",
    [short_files, short_functions, no_any, integer_energy, units_last, plain_names, secrets_not_shown],
    ids=lambda rule: rule.__name__,
)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    assert [f"{shown(path)}: {found}" for path in python_files("src") for found in rule(path)] == [], rule.__doc__


@pytest.mark.parametrize(
    "rule", [short_files, short_functions, excuses_have_reasons, skips_say_why], ids=lambda rule: rule.__name__
)
def test_tests_and_tools_keep_the_rule(rule: Rule) -> None:
    files = python_files("src", "tests", "docs", "bench")
    assert [f"{shown(path)}: {found}" for path in files for found in rule(path)] == [], rule.__doc__


BREAKING: list[tuple[Rule, str]] = [
    (short_files, "\n" * (MAX_FILE_LINES + 1)),
    (short_functions, "def f():\n" + "    pass\n" * MAX_FUNCTION_LINES),
    (no_any, "def f(a: list[Any]): ..."),
    (integer_energy, "def f(import_wh: float): ..."),
    (integer_energy, "total_wh = kwh * 1000.0"),
    (integer_energy, "total_wh = watts / 4"),
    (units_last, "wh_total = 1"),
    (units_last, "def f(timeout: float): ..."),
    (plain_names, "class MeterManager: ..."),
    (secrets_not_shown, "@dataclass\nclass A:\n    ek: bytes"),
    (excuses_have_reasons, "x = 1  # no" + "qa: E501"),
    (excuses_have_reasons, "x = 1  # type: " + "ignore"),
    (excuses_have_reasons, "x = 1  # fmt: " + "skip"),
    (skips_say_why, "pytest.skip('later')"),
    (skips_say_why, "@pytest.mark.xfail\ndef test(): ..."),
]


@pytest.mark.parametrize(("rule", "text"), BREAKING)
def test_a_file_that_breaks_the_rule_is_found(
    rule: Rule, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.py"
    path.write_text(text)
    assert list(rule(path))


# Rules over the whole.


def _dataclass_options(node: ast.ClassDef) -> dict[str, bool] | None:
    """The options of its ``@dataclass``; None: it is none."""
    for one in node.decorator_list:
        called = one.func if isinstance(one, ast.Call) else one
        if ast.unparse(called).endswith("dataclass"):
            options = one.keywords if isinstance(one, ast.Call) else []
            return {str(each.arg): ast.unparse(each.value) == "True" for each in options}
    return None


def test_dataclasses_are_frozen_slotted_and_keyword_only_but_for_a_few() -> None:
    loose = set()
    for path in python_files("src"):
        for node in nodes(path):
            options = _dataclass_options(node) if isinstance(node, ast.ClassDef) else None
            if options is not None and not all(options.get(name) for name in ("frozen", "slots", "kw_only")):
                assert isinstance(node, ast.ClassDef)
                loose.add(f"{shown(path)}:{node.name}")
    assert loose == set(MUTABLE_DATACLASSES)


def _raised() -> Iterator[tuple[str, str, str]]:
    """Every error that is made with a code as text: where, leaf, code."""
    for path in python_files("src"):
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LEAVES and node.args:
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{shown(path)}:{node.lineno}", node.func.id, part.value


def test_every_code_that_is_raised_has_a_row_under_the_right_leaf() -> None:
    rows = explanations()
    wrong = [(where, leaf, code) for where, leaf, code in _raised() if code not in rows or rows[code].leaf != leaf]
    assert wrong == []


def test_every_row_of_the_table_of_errors_is_raised_somewhere() -> None:
    texts = {
        node.value
        for path in python_files("src")
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(set(explanations()) - texts) == []


def test_errors_are_made_with_a_code_that_can_be_looked_up() -> None:
    """The first argument is a text, a choice of texts, a name that holds one, or the code of another error."""
    for path in python_files("src"):
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LEAVES:
                assert node.args, f"{shown(path)}:{node.lineno}"
                assert not isinstance(node.args[0], ast.JoinedStr), f"{shown(path)}:{node.lineno}"
