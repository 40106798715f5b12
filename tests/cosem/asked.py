"""Carrying out a plan without a line: a meter's objects answer each question at once, and what was asked is kept."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kwartier.cosem.access import Entries, Range, parse
from kwartier.dlms.events import Answer, Get, Operation, Refusal

Result = TypeVar("Result")


class Objects(Protocol):
    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int: ...


@dataclass
class Asked:
    """The questions of one plan, and what came of it."""

    result: Any = None
    questions: list[Get] = field(default_factory=list)
    answers: list[bytes | int] = field(default_factory=list)

    @property
    def buffers(self) -> list[Get]:
        return [one for one in self.questions if (one.class_id, one.attribute) == (7, 2)]

    @property
    def ways(self) -> list[str]:
        """How rows were asked for, in short: ``range+columns``, ``entry``, ``whole``."""
        return [_way(one) for one in self.buffers]

    def selected(self, number: int = -1) -> Range | Entries:
        access = self.buffers[number].access
        assert access is not None
        return parse(access)


def _way(one: Get) -> str:
    if one.access is None:
        return "whole"
    asked = parse(one.access)
    if isinstance(asked, Range):
        return "range+columns" if asked.columns else "range"
    return "entry+columns" if asked.first_column > 1 or asked.last_column else "entry"


def carry_out(
    plan: Generator[Operation, Any, Any],
    meter: Objects,
    intercept: Callable[[Get], bytes | int | None] = lambda one: None,
) -> Asked:
    """``intercept`` may answer in the meter's place. More than the question allows fails, as in a session."""
    done = Asked()
    try:
        question = next(plan)
        while True:
            assert isinstance(question, Get)
            done.questions.append(question)
            answer = intercept(question)
            if answer is None:
                answer = meter.get(question.class_id, question.obis, question.attribute, question.access)
            done.answers.append(answer)
            if isinstance(answer, int):
                event: Answer | Refusal = Refusal(operation=question, result=answer, result_name=f"result {answer}")
            else:
                assert len(answer) <= question.max_bytes, "more than the question allows"
                event = Answer(operation=question, value=answer)
            question = plan.send(event)
    except StopIteration as stop:
        done.result = stop.value
        return done
