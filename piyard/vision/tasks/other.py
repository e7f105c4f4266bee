"""Any other network: its outputs as arrays, and as pictures where they are some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core.tables import Cell
from piyard.core.text import format_count
from piyard.vision.pictures import read_picture
from piyard.vision.predictions import Frame, OutputValues
from piyard.vision.tasks.base import (
    Predictor,
    Row,
    TaskModel,
    TaskOptions,
    TaskSpec,
    make_frame,
)

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


class Other(TaskSpec, frozen=True, kw_only=True):
    """Outputs whose meaning piyard does not know: embedding, regression, depth, another picture."""

    def flags(self, _model: TaskModel, options: TaskOptions, _detector: Sequence[str]) -> list[str]:
        """Where outputs are kept."""
        return ["--save-outputs", options.raw] if options.raw else []

    def picture_flags(self, _activation: str, _classes: str) -> list[str]:
        """End to end is as far as the outputs."""
        return ["--raw"]

    def predict_picture(self, predictor: Predictor, path: Path) -> Frame:
        """The outputs, as ncnn numbers them."""
        picture = read_picture(path)
        outputs = predictor.net.compute(predictor.net.prepare(picture))
        values = [describe_values(f"out{at}", each) for at, each in enumerate(outputs)]
        return msgspec.structs.replace(make_frame(path, picture), outputs=values)

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row an output of a picture."""
        return [[frame.name, *_output_row(each)] for frame in frames for each in frame.outputs]

    def summarise(self, frames: Sequence[Frame]) -> list[str]:
        """How many arrays."""
        arrays = sum(len(frame.outputs) for frame in frames)
        return [format_count(arrays, "array")]


def describe_values(name: str, values: Floats, file: str = "") -> OutputValues:
    """The shape and the figures of an output; none of values that are not finite."""
    import numpy as np

    finite = values.size > 0 and bool(np.isfinite(values).all())
    return OutputValues(
        name=name,
        shape=list(values.shape),
        file=file,
        min=float(values.min()) if finite else None,
        mean=float(values.mean(dtype=np.float64)) if finite else None,
        max=float(values.max()) if finite else None,
    )


def _output_row(output: OutputValues) -> Row:
    figures = [_figure_cell(value) for value in (output.min, output.mean, output.max)]
    return [output.name, "x".join(map(str, output.shape)), *figures, output.file]


def _figure_cell(value: float | None) -> Cell:
    return Cell("not finite" if value is None else f"{value:.4g}", value)


OTHER = Other(
    name="other",
    needs=(),
    owns=("images", "further"),
    has_labels=False,
    is_drawn=False,
    keeps_outputs=True,
    columns=("Picture", "Output", "Shape", "Min", "Mean", "Max", "File"),
)
