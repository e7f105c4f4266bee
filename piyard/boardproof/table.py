"""Proofs on boards as rows, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from piyard import model as models
from piyard.boardproof.proven import Proven
from piyard.proof.judge import of_output
from piyard.tables import Value, number

COLUMNS = (
    *("Model", "Host", "Data type", "Input", "Output", "Count", "Cosine", "Max abs", "Proof"),
)
EMULATED = " (emulated)"


def rows(made: Sequence[Proven]) -> list[list[str]]:
    """An output of a kind of input a row."""
    return [row for one in made for row in (*_outputs(one), *_meant(one))]


def _outputs(one: Proven) -> Iterator[list[str]]:
    model = models.load(one.model)
    for kind, outputs in one.figures.items():
        for output, figures in outputs.items():
            problem = of_output(model, one.precision, figures)
            verdict = _verdict(problem, empty=output in one.empty)
            yield [*_about(one), kind, output, *figures.cells, verdict]


def _meant(one: Proven) -> Iterator[list[str]]:
    for meant in one.meant:
        count, unknown = number(meant.agreement.wanted), Value("", None)
        cells = [meant.kind, meant.what, count, unknown, unknown, _verdict(meant.problem)]
        yield [*_about(one), *cells]


def _verdict(problem: str, *, empty: bool = False) -> str:
    if problem:
        return "DIFFERS"
    return "proves nothing" if empty else "passed"


def lines(one: Proven) -> list[str]:
    """What else is worth knowing."""
    told = [
        f"{one.model} {one.precision} on {one.host}, {meant.kind}: {meant.agreement.told}"
        for meant in one.meant
    ]
    told += [
        f"✗ {one.model} on {one.host}, output {name} proves nothing: {why}"
        for name, why in one.empty.items()
    ]
    if one.masks:
        verdict = "masks are not enough" if one.failed else "needs masks"
        told.append(f"{one.model} {verdict}: {', '.join(one.masks)}")
    told += [
        f"{one.model}, {stem}: with these masks fp16 takes more than fp32: use --precision fp32"
        for stem in one.slower
    ]
    return told + [f"✗ {one.model} on {one.host}, {line}" for line in (*one.failed, *one.where)]


def _about(one: Proven) -> list[str]:
    host = one.host + (EMULATED if one.emulated and "emulated" not in one.host else "")
    return [one.model, host, one.precision]
