"""What a model saw, as a table and as a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from piyard.core.text import format_count, format_digits
from piyard.predict.files import short_names
from piyard.predict.live import LIVE_COLUMNS, live_rows
from piyard.predict.prediction import Prediction
from piyard.vision.predictions import Frame
from piyard.vision.tasks import find_task
from piyard.vision.tasks.base import Row


def prediction_columns(task: str, *, live: bool = False) -> tuple[str, ...]:
    """The table's columns for a task; what is live has a row a class."""
    return ("Board", *(LIVE_COLUMNS if live else find_task(task).columns))


def prediction_rows(predictions: Sequence[Prediction]) -> list[Row]:
    """The rows under ``prediction_columns`` of the task they all share."""
    return [[prediction.host, *row] for prediction in predictions for row in _rows_of(prediction)]


def _rows_of(prediction: Prediction) -> list[Row]:
    if prediction.live:
        return live_rows(prediction.frames)
    return prediction.spec.rows(_with_short_names(prediction.frames))


def _with_short_names(frames: Sequence[Frame]) -> list[Frame]:
    names = short_names([frame.name for frame in frames])
    return [msgspec.structs.replace(frame, name=names[frame.name]) for frame in frames]


def summarise_prediction(prediction: Prediction) -> str:
    """One line: how much was seen, and how long it took."""
    parts = [format_count(len(prediction.frames), "frame" if prediction.of_frames else "picture")]
    if prediction.live:
        parts.append(f"{prediction.dropped} dropped")
    else:
        parts += prediction.spec.summarise(prediction.frames)
    if prediction.wrong:
        parts.append(f"{len(prediction.wrong)} not read")
    if times := _stage_times(prediction):
        parts.append(times)
    return f"{prediction.host}: {', '.join(parts)}"


def _stage_times(prediction: Prediction) -> str:
    """The median of each stage; an emulated board's times are not meaningful."""
    if prediction.emulated or not prediction.frames:
        return ""
    stages = {name for frame in prediction.frames for name in frame.ms}
    medians = {
        name: median(frame.ms.get(name, 0.0) for frame in prediction.frames) for name in stages
    }
    order = [
        name for name in ("decode", "pre", "infer", "post", "track", "draw") if medians.get(name)
    ]
    return (
        " + ".join(f"{name} {format_digits(medians[name])}" for name in order) + " ms"
        if order
        else ""
    )
