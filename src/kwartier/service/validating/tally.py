"""What was seen of a day so far: quarters by quality, what each rule said, and of whom other days may know more now."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from kwartier.gate.ids import Link, Links
from kwartier.model import Missing, Quality, Registers, Volumes
from kwartier.service.validating.runs import Checked
from kwartier.validate.day import Day, Verdicts
from kwartier.validate.differences import Look
from kwartier.validate.parameters import Parameters
from kwartier.validate.rules import many
from kwartier.validate.rules.registers import V7
from kwartier.validate.rules.rule import FAIL, Over, Rule
from kwartier.validate.rules.table import RULES

Key = tuple[str, str]
"""A connection and a meter: what an id stands for in whatever year."""
AT_THE_VISIT = "enforced while a meter is read; nothing that fails it is stored"
NO_TRANSFORMERS = "no figures of transformers come in"


class Tally:
    """What was seen so far, in rows. ``is_again``: the day was looked at before."""

    def __init__(self, *, is_again: bool) -> None:
        self._is_again = is_again
        self.quarters = Counter[str]()
        """Those of both directions, by quality."""
        self.contradicted = set[Key]()
        """Whose opening is another register than the one that the day before closed with."""
        self.touched = set[Key]()
        """Whose gap over midnight has its end, or its beginning, on this day; of one that is looked at again, all."""
        self._rows = self._held = 0
        self._evaluated, self._not_evaluated = Counter[str](), Counter[str]()
        self._failed, self._warned = Counter[str](), Counter[str]()
        self._ratios: list[Mapping[str, many.Counts]] = []

    def note(self, seen: Look, verdicts: Verdicts, links: Links, parameters: Parameters) -> None:
        """What the rules said of some rows."""
        day = seen.day
        self._rows += len(day)
        self._evaluated.update(verdicts.evaluated)
        self._not_evaluated.update(verdicts.not_evaluated)
        said: dict[tuple[str, str], list[Registers]] = defaultdict(list)
        for one in verdicts.said:
            said[one.code, one.severity].append(one.spans.rows)
        for (code, severity), rows in said.items():
            counted = self._failed if severity == FAIL else self._warned
            counted[code] += len(np.unique(np.concatenate(rows)))
        self._ratios.append(many.ratios(seen, parameters))
        self._note_midnight(day, links, parameters)

    def _note_midnight(self, day: Day, links: Links, parameters: Parameters) -> None:
        opens = int(day.times[0])
        held, contradicted, touched = (np.zeros(len(day), np.bool_) for _ in range(3))
        for channel, registers in day.stack.registers.items():
            before, there = day.around.before[channel], day.stack.missing[channel] == Missing.PRESENT
            both = before.there & (before.at == opens) & there[:, 0]
            held |= both
            contradicted |= both & (np.abs(registers[:, 0] - before.register_wh) > parameters.sum.tolerance_wh)
            touched |= before.there & (before.at < opens) & there.any(axis=1)
        self._held += int(held.sum())
        self.contradicted |= keys_of(links.take(contradicted))
        self.touched |= keys_of(links if self._is_again else links.take(touched))

    def counted(self, done: Volumes) -> Volumes:
        """The same, its quarters counted."""
        for quality in done.quality.values():
            codes = np.bincount(quality.ravel(), minlength=len(Quality))
            self.quarters.update({one.name.lower(): int(codes[one]) for one in Quality})
        return done

    def checks(self, parameters: Parameters) -> list[Checked]:
        """What each rule said, in the order of the table."""
        return [self._check(rule, parameters) for rule in RULES]

    def _check(self, rule: Rule, parameters: Parameters) -> Checked:
        if rule.over is Over.VISIT:
            return Checked(code=rule.code, evaluated=0, not_evaluated=0, failed=0, warned=0, reason=AT_THE_VISIT)
        if rule.code == many.V16:
            return Checked(
                code=rule.code, evaluated=0, not_evaluated=self._rows, failed=0, warned=0, reason=NO_TRANSFORMERS
            )
        if rule.code == many.V17:
            return self._cohorts(rule, parameters)
        skipped = self._not_evaluated[rule.code]
        reason = f"needs {rule.needs}" if skipped else ""
        if rule.code == V7 and self._held:
            said = f"{self._held} openings held against the closing of the day before, {len(self.contradicted)} differ"
            reason = f"{reason}; {said}" if reason else said
        return Checked(
            code=rule.code,
            evaluated=self._evaluated[rule.code],
            not_evaluated=skipped,
            failed=self._failed[rule.code],
            warned=self._warned[rule.code],
            reason=reason,
        )

    def _cohorts(self, rule: Rule, parameters: Parameters) -> Checked:
        judged = many.cohorts(many.counted(self._ratios), parameters)
        evaluated = sum(one.rows for one in judged if one.evaluated)
        odd = [one for one in judged if one.severity]
        said = [f"{one.subject}: {one.away_percent:+d} %" for one in odd]
        reason = "; ".join(said) if said else f"needs {rule.needs}" if evaluated < self._rows else ""
        return Checked(
            code=rule.code,
            evaluated=evaluated,
            not_evaluated=self._rows - evaluated,
            failed=0,
            warned=sum(one.rows for one in odd),
            reason=reason,
        )


def keys_of(links: Links) -> set[Key]:
    """Those of many."""
    return {key_of(link) for link in links}


def key_of(link: Link) -> Key:
    """The connection and the meter."""
    return link.ean, link.meter
