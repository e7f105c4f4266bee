"""A job with pictures → what its model saw on one board, read from the run's log, and as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from statistics import median

import msgspec

from piyard.convert.analysis import can_hold_classes
from piyard.convert.conversions import Conversion, find_class_output
from piyard.core import console
from piyard.core.files import write_text
from piyard.core.text import format_digits
from piyard.models.definition import Model, read_labels
from piyard.predict.command import (
    DRAWN_FILM,
    Inputs,
    PredictOptions,
    input_arguments,
    input_names,
    make_release,
    nnrun_flags,
    stdin_command,
)
from piyard.predict.files import DRAWN_FOLDER, place_drawings, short_names
from piyard.run import execute, log, record
from piyard.run.execute import NnrunCommand
from piyard.run.job import JobContext
from piyard.run.log import LogLine
from piyard.run.record import LOG_FILE, OUTPUTS_FOLDER, Record, TaskInfo, run_folder
from piyard.vision.predictions import (
    FRAME_TYPES,
    Frame,
    InputError,
    parse_frame,
    parse_input_error,
)
from piyard.vision.tasks import TASK_NAMES, find_task
from piyard.vision.tasks.base import Row, TaskSpec

PREDICTION_LINES = "found.jsonl"
"""nnrun's lines about pictures, under the pictures' names here."""
VIEWED_PICTURES = 4
"""Pictures that are opened one by one; of more, their folder."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """A model's predictions on one board."""

    host: str
    run: str
    task: str
    emulated: bool = False
    frames: list[Frame]
    wrong: list[InputError]
    """Pictures that could not be read."""

    @property
    def spec(self) -> TaskSpec:
        """The model's task."""
        return find_task(self.task)

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return record.run_folder(self.run)

    @property
    def drawn(self) -> list[Path]:
        """Annotated pictures, by the names of those they were drawn on."""
        named = sorted((self.folder / DRAWN_FOLDER).glob("*.jpg"))
        return named or sorted((self.folder / OUTPUTS_FOLDER).glob("*.jpg"))

    @property
    def film(self) -> Path | None:
        """The annotated film."""
        film = self.folder / DRAWN_FILM
        return film if film.is_file() else None

    @property
    def shown(self) -> list[Path]:
        """What a viewer opens: the film, a few pictures, or the folder of many."""
        if self.film:
            return [self.film]
        return self.drawn if len(self.drawn) <= VIEWED_PICTURES else [self.drawn[0].parent]


def is_prediction(record: Record) -> bool:
    """Whether that run made predictions, as opposed to a benchmark."""
    return record.what.task in TASK_NAMES


def read_prediction(record: Record) -> Prediction:
    """The predictions of that run; raises ``UnreadableLog``.

    What was drawn, and nnrun's lines, get the names that the pictures have here.
    """
    folder = run_folder(record.id)
    nnrun_log = log.read_log(folder / LOG_FILE)
    names = record.what.inputs or {}
    place_drawings(folder / OUTPUTS_FOLDER, names)
    _write_lines(nnrun_log.lines, names, folder / PREDICTION_LINES)
    frames = [parse_frame(line) for line in nnrun_log.lines if line["type"] in FRAME_TYPES]
    errors = [parse_input_error(line) for line in nnrun_log.of("error")]
    return Prediction(
        host=record.host,
        run=record.id,
        task=record.what.task,
        emulated=record.emulated,
        frames=[_rename_frame(each, names, record.what.film or "") for each in frames],
        wrong=[
            msgspec.structs.replace(
                each, name=_local_name(each.name, names), error=_bare_error(each)
            )
            for each in errors
        ],
    )


def _write_lines(log_lines: Iterable[LogLine], names: Mapping[str, str], final: Path) -> None:
    """nnrun's lines about pictures; the log itself stays what the board wrote."""
    renamed = [
        {**line, "image": _local_name(str(line["image"]), names)} if "image" in line else dict(line)
        for line in log_lines
        if line["type"] in FRAME_TYPES
    ]
    write_text(final, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in renamed))


def _rename_frame(frame: Frame, names: Mapping[str, str], film: str) -> Frame:
    """By the picture's name here, or the film's."""
    name = _local_name(frame.name, names)
    return msgspec.structs.replace(frame, name=f"{film}, {name}" if film else name)


def _local_name(path: str, names: Mapping[str, str]) -> str:
    """The file here that was pushed there under another name."""
    return names.get(Path(path).name, path)


def _bare_error(error: InputError) -> str:
    """The error without the name that the board knows the picture by."""
    return error.error.removeprefix(f"{error.name}: ")


def predict_on_board(
    context: JobContext, inputs: Inputs, options: PredictOptions, model: Model
) -> Prediction:
    """The model's predictions; pictures that nnrun cannot read are listed too.

    ``model`` is the job's, or has the thresholds of a user or an evaluation.
    """
    resolved = resolve_classes(context.conversion, model, options)
    return read_prediction(execute.run_job(context, make_command(model, inputs, resolved)))


def resolve_classes(
    conversion: Conversion, model: Model, options: PredictOptions
) -> PredictOptions:
    """The output with the classes by its name on the board; labels only where they belong to it."""
    if not model.spec.has_class_output:
        return options
    index = find_class_output(conversion, model)
    blob, labels = conversion.outputs[index], len(read_labels(model))
    size = prod(conversion.manifest.reference.outputs[blob])
    is_labelled = can_hold_classes(size, labels)
    if not is_labelled:
        console.info(f"output {blob} has {size} values and no labels: classes are shown by number")
    classes = blob if len(conversion.outputs) > 1 else ""
    return msgspec.structs.replace(options, classes=classes, labelled=is_labelled)


def make_command(model: Model, inputs: Inputs, options: PredictOptions) -> NnrunCommand:
    """nnrun's command line for these inputs."""
    release = None if inputs.camera else make_release(inputs)
    verb, *rest = model.spec.nnrun_verb(model.tracker)
    return NnrunCommand(
        verb=verb,
        arguments=[*rest, *nnrun_flags(model, options), *input_arguments(inputs, release)],
        what=TaskInfo(
            task=model.task,
            inputs=input_names(inputs),
            shown=inputs.title,
            film=inputs.of_film,
        ),
        inputs=release,
        stdin_from=stdin_command(inputs, release),
        allow_bad_inputs=True,
    )


def prediction_columns(task: str) -> tuple[str, ...]:
    """The table's columns for a task."""
    return ("Board", *find_task(task).columns)


def prediction_rows(predictions: Sequence[Prediction]) -> list[Row]:
    """The rows under ``prediction_columns`` of the task they all share."""
    return [
        [prediction.host, *row]
        for prediction in predictions
        for row in prediction.spec.rows(_with_short_names(prediction.frames))
    ]


def _with_short_names(frames: Sequence[Frame]) -> list[Frame]:
    names = short_names([frame.name for frame in frames])
    return [msgspec.structs.replace(frame, name=names[frame.name]) for frame in frames]


def summarise_prediction(prediction: Prediction) -> str:
    """One line: how much was seen, and how long it took."""
    parts = prediction.spec.summarise(prediction.frames)
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
