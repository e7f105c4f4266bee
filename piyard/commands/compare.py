"""The task that sets stored results against each other, and refuses unlike ones."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard import history, say
from piyard.cli.desk_requests import CompareRequest
from piyard.comparison import alike, chosen, compared, conditions, notes, pairs, side, table
from piyard.comparison.alike import Difference
from piyard.comparison.chosen import Chosen
from piyard.comparison.compared import Compared
from piyard.comparison.conditions import NEVER
from piyard.comparison.pairs import Pair, Paired
from piyard.comparison.side import TIMES, Side
from piyard.errors import PiyardError, WrongInput
from piyard.history import EVERY, shelf
from piyard.result import Result
from piyard.stats.compare import compare as compare_samples

AGAIN = "invoke ab measures both builds in turns, and again before it fails"


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A pair with its results, and all that differs between them."""

    pair: Pair
    a: Result
    b: Result
    differences: Sequence[Difference]

    @property
    def job(self) -> str:
        """Which job it is, for people."""
        return compared.job_text(self.pair.a, self.pair.b)

    def comparison(self) -> Compared:
        """What became of the job's time."""
        return Compared(
            job=self.job,
            a=[self.pair.a],
            b=[self.pair.b],
            comparison=compare_samples(self.a.samples_ms, self.b.samples_ms),
            differences=self.differences,
        )


def compare(request: CompareRequest) -> None:
    """Print what became of each job from A to B.

    With ``fail_above`` raises ``SlowerThanAllowed`` when a job is significantly slower and its
    effect is above that; else ``WrongInput`` when some pairs are unlike.
    """
    limit = request.fail_above
    across = conditions.across(request.across)
    sides = side.parse(request.a), side.parse(request.b)
    results = [_read(pair) for pair in _pairs(sides)]
    read = results if request.emulated else _without_emulated(results)
    free = alike.free(_named(sides) | across, [pair.differences for pair in read])
    unlike = [pair for pair in read if alike.unlike(pair.differences, free)]
    fit = [pair for pair in read if not alike.unlike(pair.differences, free)]
    refusal = _refusal(unlike, free, across) if unlike else None
    if refusal and not fit:
        raise refusal
    comparisons = [pair.comparison() for pair in fit]
    _say_of(fit)
    print(table.render(comparisons, request.format, limit))
    compared.require_fast(comparisons, limit, AGAIN)
    if refusal:
        raise refusal


def _pairs(sides: tuple[Side, Side]) -> Sequence[Pair]:
    """The pairs of both sides; what does not enter is said."""
    rows, runs = history.ask(lambda catalogue: (catalogue.rows(EVERY), catalogue.runs()))
    if not rows:
        raise WrongInput("no results are stored yet", remedy="invoke deploy-bench makes some")
    of_a, of_b = (chosen.of(each, rows, runs) for each in sides)
    for text, selection in zip([each.text for each in sides], (of_a, of_b), strict=True):
        _require_some(text, selection)
    notes.lines([chosen.why_left_out(row) for row in (*of_a.left_out, *of_b.left_out)])
    paired = pairs.pair(*sides, of_a.rows, of_b.rows)
    _say_unpaired(paired)
    if not paired.pairs:
        raise _no_pair(sides, paired)
    return paired.pairs


def _require_some(text: str, selection: Chosen) -> None:
    if not selection.rows:
        raise WrongInput(
            f"'{text}' has only INVALID results, and those are never compared",
            evidence="\n".join(
                chosen.why_left_out(row) for row in selection.left_out[: notes.SAID]
            ),
            remedy="measure again: invoke bench --rerun-invalid 2",
        )


def _read(pair: Pair) -> Read:
    a, b = (shelf.load(row.run) for row in pair)
    return Read(pair=pair, a=a, b=b, differences=alike.differences(a, b))


def _without_emulated(read: Sequence[Read]) -> Sequence[Read]:
    """Without pairs of emulated boards; a mixed pair is refused later."""
    alone = [each.pair.a.emulated and each.pair.b.emulated for each in read]
    if not any(alone):
        return read
    what = f"{sum(alone)} of {len(read)} pairs are of emulated boards: {notes.EMULATED}"
    remedy = "--emulated compares them with each other all the same"
    if all(alone):
        raise WrongInput(what, remedy=remedy)
    say.note(f"left out: {what}; {remedy}")
    return [pair for pair, emulated in zip(read, alone, strict=True) if not emulated]


def _named(sides: tuple[Side, Side]) -> frozenset[str]:
    """The conditions that are compared by what the sets say: a key both say alike is none."""
    a, b = (each.conditions for each in sides)
    keys = {key for key in (a.keys() | b.keys()) - TIMES if a.get(key) != b.get(key)}
    return frozenset(key.replace("_", "-") for key in keys)


def _refusal(unlike: Sequence[Read], free: frozenset[str], across: frozenset[str]) -> PiyardError:
    """Names all that differs and must not, and how to say that it is what is compared."""
    apart = [alike.unlike(pair.differences, free) for pair in unlike]
    lines = [
        f"{pair.job}: {'; '.join(difference.text for difference in differences)}"
        for pair, differences in zip(unlike, apart, strict=True)
    ]
    names = frozenset[str]().union(*map(alike.names_of, apart))
    if NEVER in names:
        return WrongInput(
            "an emulator's time is never compared with a board's", evidence="\n".join(lines)
        )
    compared_names = sorted(conditions.roots(names) | across)
    return WrongInput(
        f"unlike conditions: {len(unlike)} {'job' if len(unlike) == 1 else 'jobs'} not compared",
        evidence="\n".join(lines),
        remedy="measure both alike, or say that this is what is compared: "
        f"--across {','.join(compared_names)}",
    )


def _no_pair(sides: tuple[Side, Side], paired: Paired) -> WrongInput:
    if paired.same:
        return WrongInput(
            f"'{sides[0].text}' and '{sides[1].text}' are the same result",
            evidence="\n".join(row.run for row in paired.same[: notes.SAID]),
            remedy="invoke history lists others",
        )
    return WrongInput(
        "no job is on both sides",
        evidence="\n".join(_alone(paired)[: notes.SAID]),
        remedy="a job is model, precision asked for, threads and host, but for what is compared",
    )


def _say_unpaired(paired: Paired) -> None:
    if paired.pairs:
        notes.lines(_alone(paired))
        notes.lines([f"left out: {row.run} is the newest on both sides" for row in paired.same])


def _alone(paired: Paired) -> list[str]:
    only = [("A", row) for row in paired.only_a] + [("B", row) for row in paired.only_b]
    return [f"only on side {where}: {compared.job_text(row, row)}" for where, row in only]


def _say_of(read: Sequence[Read]) -> None:
    """What is compared, and what is to be thought of when reading the table."""
    notes.differences([difference for pair in read for difference in pair.differences])
    if untold := {facet for pair in read for facet in alike.untold(pair.a, pair.b)}:
        say.note(f"told by one side only, taken for equal: {', '.join(sorted(untold))}")
    notes.rows([row for each in read for row in each.pair])
