"""What a proof accepts and what it rejects."""

from __future__ import annotations

from piyard.compare import LEVEL, bearable
from piyard.heads.agree import LEAST_IOU, Agreement, Bars
from piyard.model import Model
from piyard.model.head import DenseHead
from piyard.model.tracker import Bytetrack
from piyard.proof.figures import Figures
from piyard.proof.prove import Proved

BARS = {"fp32": Bars(), "fp16": Bars(iou=LEAST_IOU, score=0.05, mask_iou=0.5, oks=0.9)}
"""How far apart the objects may be. The outputs' own cosine is the model's affair.

In fp16, of two boxes of an object that are nearly as good the other one may win.
"""


def problems(model: Model, proved: Proved) -> list[str]:
    """What is not alike enough, a line each, that begin with the precision."""
    outputs_lines = [
        f"{precision}, {kind}, output {name}: {problem}"
        for precision, kinds in proved.figures.items()
        for kind, outputs in kinds.items()
        for name, figures in outputs.items()
        if (problem := of_output(model, precision, figures))
    ]
    predictions = [
        f"{precision}, pictures, what is found: {problem}"
        for precision, agreement in proved.predictions.items()
        if (problem := of_found(model, precision, agreement))
    ]
    tracks = [
        f"{precision}, clip, tracks: {problem}"
        for precision, agreement in proved.tracks.items()
        if (problem := of_tracks(model, precision, agreement))
    ]
    return outputs_lines + predictions + tracks


def of_found(model: Model, precision: str, agreement: Agreement) -> str:
    """What is too far apart in what is found, or nothing."""
    threshold = model.head.score if isinstance(model.head, DenseHead) else 0.0
    return agreement.problem(_bars(precision), threshold)


def of_tracks(model: Model, precision: str, agreement: Agreement) -> str:
    """What is too far apart in what is followed, or nothing."""
    begins = model.tracker.new if isinstance(model.tracker, Bytetrack) else 0.0
    return agreement.problem(_bars(precision), begins)


def _bars(precision: str) -> Bars:
    return BARS["fp32" if precision.startswith("fp32") else "fp16"]


def of_output(model: Model, precision: str, figures: Figures) -> str:
    """What is wrong with an output, or nothing."""
    least = model.proof.min_cosine(precision)
    if figures.max_abs is None:
        return "a value is not finite"
    if figures.relative > bearable(least):
        return _of_blind(figures, bearable(least))
    if figures.cosine < least and not figures.blind:
        return f"cosine {figures.cosine:.6f} is below {least}"
    if (
        model.task == "classify"
        and precision.startswith("fp32")
        and figures.same_top < figures.count
    ):
        return f"top-1 differs on {figures.count - figures.same_top} of {figures.count}"
    return ""


def _of_blind(figures: Figures, most: float) -> str:
    """Of outputs whose cosine is 1 or -1 whatever is computed, the difference itself counts."""
    why = figures.blind or LEVEL
    return (
        f"differs by {figures.relative:.2%} of its largest value, {most:.2%} is allowed (it is "
        f"{why}: a cosine means nothing)"
    )
