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


def rows(proofs: Sequence[Proven]) -> list[list[str]]:
    """An output of a kind of input a row."""
    return [row for proof in proofs for row in (*_outputs(proof), *_meant(proof))]


def _outputs(proof: Proven) -> Iterator[list[str]]:
    model = models.load(proof.model)
    for kind, outputs in proof.figures.items():
        for output, figures in outputs.items():
            problem = of_output(model, proof.precision, figures)
            verdict = _verdict(problem, empty=output in proof.empty)
            yield [*_about(proof), kind, output, *figures.cells, verdict]


def _meant(proof: Proven) -> Iterator[list[str]]:
    for meant in proof.meant:
        count, unknown = number(meant.agreement.expected), Value("", None)
        cells = [meant.kind, meant.what, count, unknown, unknown, _verdict(meant.problem)]
        yield [*_about(proof), *cells]


def _verdict(problem: str, *, empty: bool = False) -> str:
    if problem:
        return "DIFFERS"
    return "proves nothing" if empty else "passed"


def lines(proof: Proven) -> list[str]:
    """Remarks below the table."""
    remarks = [
        f"{proof.model} {proof.precision} on {proof.host}, {meant.kind}: {meant.agreement.text}"
        for meant in proof.meant
    ]
    remarks += [
        f"✗ {proof.model} on {proof.host}, output {name} proves nothing: {why}"
        for name, why in proof.empty.items()
    ]
    if proof.masks:
        verdict = "masks are not enough" if proof.failed else "needs masks"
        remarks.append(f"{proof.model} {verdict}: {', '.join(proof.masks)}")
    remarks += [
        f"{proof.model}, {stem}: with these masks fp16 takes more than fp32: use --precision fp32"
        for stem in proof.slower
    ]
    return remarks + [
        f"✗ {proof.model} on {proof.host}, {line}" for line in (*proof.failed, *proof.where)
    ]


def _about(proof: Proven) -> list[str]:
    host = proof.host + (EMULATED if proof.emulated and "emulated" not in proof.host else "")
    return [proof.model, host, proof.precision]
