"""Whether a network with some layers in int8 is as right as before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard.compress.pictures import CompressionData
from piyard.compress.ptq.inputs import PictureInputs
from piyard.compress.ptq.likeness import Likeness
from piyard.compress.ptq.quantise import Quantised
from piyard.compress.ptq.similarity import distance
from piyard.convert.conversions import Conversion
from piyard.convert.ncnn_net import net_function
from piyard.convert.param import INT8
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.files import scratch_folder
from piyard.core.text import format_count
from piyard.evaluate.dataset import JUDGES, JudgedData, compute_metrics
from piyard.evaluate.evaluation import (
    open_predictor,
    predict_dataset,
    with_evaluation_thresholds,
)

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

MOST_DISTANCE = 0.01
"""Of outputs, where no truth judges them: 1 less their mean cosine."""
COMPARED_INPUTS = 16
KEPT_SHARE = 0.99
"""Of the parent's accuracy, where nothing else is said."""


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """What the network must be as right as."""

    conversion: Conversion
    """The parent's."""
    quantised: Quantised
    likeness: Likeness
    accuracy: Accuracy | None = None
    """None where it is enough that its proof will pass."""

    def is_good(self, names: Iterable[str]) -> bool:
        """Whether these layers may be int8; says which of two it was on stderr."""
        chosen = list(names)
        title = f"how right it is with {format_count(len(chosen), 'layer')} in int8"
        with scratch_folder("piyard-judge-") as folder, console.step(title) as step:
            self.quantised.write(folder, chosen)
            problems = self.likeness.list_problems(folder)
            if self.accuracy and not problems:
                mixed = msgspec.structs.replace(self.conversion, folder=folder)
                problems = self.accuracy.list_problems(mixed)
            step.ok, step.outcome = not problems, problems[0] if problems else "enough"
        return not problems


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """By what pictures are known to show, or else by the mean distance of outputs."""

    original: Conversion
    judged: JudgedData | None
    inputs: Sequence[tuple[Floats, ...]]
    """What outputs are compared by where nothing is known of the pictures."""
    least: float
    """The lowest figure allowed, in percent."""

    def list_problems(self, mixed: Conversion) -> list[str]:
        """What is not enough, a line; none of a network that is right."""
        if self.judged is None:
            apart = self._distance(mixed)
            return [] if apart <= MOST_DISTANCE else [f"outputs are {apart:.4f} apart"]
        figure = measure_figure(mixed, self.judged, INT8)
        return [] if figure >= self.least else [f"{figure:.1f} % of {self.least:.1f} %"]

    def _distance(self, mixed: Conversion) -> float:
        exact, rough = net_function(self.original.folder), net_function(mixed.folder)
        distances = [
            max(distance(*pair) for pair in zip(exact(*values), rough(*values), strict=True))
            for values in self.inputs
        ]
        return float(sum(distances) / len(distances))


def ask_accuracy(
    conversion: Conversion, data: CompressionData, inputs: PictureInputs, keep: float | None
) -> Accuracy:
    """As accurate as the network is in floats, but for the share that may go."""
    parents = measure_figure(conversion, data.judged, "fp32") if data.judged else 0.0
    return Accuracy(
        original=conversion,
        judged=data.judged,
        inputs=inputs.first(COMPARED_INPUTS),
        least=parents * (KEPT_SHARE if keep is None else keep),
    )


def measure_figure(conversion: Conversion, data: JudgedData, way: str) -> float:
    """The first figure that judges such data, in percent; 0 where nothing could be judged."""
    model = with_evaluation_thresholds(conversion.model)
    name = JUDGES[data.data.kind].metrics[0]
    with open_predictor(model, conversion, None, way) as predictor:
        frames = predict_dataset(predictor, data, f"{conversion.name}: {way}, {name}")
    return compute_metrics(data, frames).figures[name] or 0.0


def require_several_classes(data: CompressionData) -> None:
    """Raise ``WrongInput`` for pictures of one class: scales would fit that class alone."""
    judged = data.judged
    if judged is None or judged.data.kind != "class":
        return
    classes = {number for film in judged.films for number in film.truth.values()}
    if len(classes) == 1 and len(judged.pictures) > 1:
        raise WrongInput(
            f"all {len(judged.pictures)} pictures of {judged.data.title} are of one class",
            remedy="calibrate by pictures of what the network will see: --data",
        )
