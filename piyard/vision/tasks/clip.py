"""Pictures and texts in one space: which of any labels suits a picture, by their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.core.tables import Cell, number_cell
from piyard.vision.predictions import ClassScore, Frame
from piyard.vision.tasks.base import Row, TaskModel, TaskOptions, TaskSpec


class Clip(TaskSpec, frozen=True, kw_only=True):
    """An embedding of each picture, compared with those of texts."""

    def flags(self, model: TaskModel, options: TaskOptions, _detector: Sequence[str]) -> list[str]:
        """The labels, what is said of them, and the encoder of texts; nothing without labels."""
        text = model.text
        if text is None or not options.labels:
            return []
        return [
            *(word for label in options.labels for word in ("--label", label)),
            *("--prompt", options.prompt or text.prompt, "--topk", str(options.topk)),
            *("--text-param", "text.ncnn.param", "--text-bin", "text.ncnn.bin"),
            *("--tokens", "text.tokens", "--tokenizer", "tokenizer.bin", "--end", str(text.end)),
            *([] if text.start is None else ["--start", str(text.start)]),
            *(["--filled"] if text.filled else []),
            *("--activation", text.activation),
            *("--scale", repr(options.scale), "--bias", repr(options.bias)),
        ]

    def picture_flags(self, _activation: str, _classes: str) -> list[str]:
        """End to end is as far as the embedding."""
        return ["--raw"]

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row a label of a picture, best first."""
        return [
            [frame.name, *_label_row(rank, score)]
            for frame in frames
            for rank, score in enumerate(frame.top, 1)
        ]


def _label_row(rank: int, score: ClassScore) -> Row:
    label = str(score.label if score.label is not None else score.index)
    return [number_cell(rank), label, Cell(f"{score.score:.4f}", score.score)]


CLIP = Clip(
    name="clip",
    needs=("text",),
    owns=("text",),
    has_labels=False,
    is_drawn=False,
    columns=("Picture", "Rank", "Label", "Probability"),
    proof_pictures=Path("data", "imagenet500", "images"),
)
