"""A job with pictures → what its model saw on one board, read from the run's log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import msgspec

from piyard.convert.conversions import Conversion, find_class_output
from piyard.convert.output_kinds import can_hold_classes
from piyard.core import cancel, console
from piyard.core.errors import SourceFailed, UnreadableLog
from piyard.core.files import write_text
from piyard.models.definition import Model, read_labels
from piyard.predict.arrays import ARRAYS_FOLDER, computed_frames
from piyard.predict.command import (
    DRAWN_FILM,
    Inputs,
    PredictOptions,
    input_names,
    nnrun_flags,
)
from piyard.predict.computing import computing_command, keep_run_arrays, with_outputs
from piyard.predict.decoders import FFMPEG, Place, choose_decoder, device_probe_argv, gives_jpegs
from piyard.predict.ending import (
    SILENCE_S,
    ending_note,
    read_decoder_report,
    source_failure,
)
from piyard.predict.feed import Feed, plan_feed
from piyard.predict.files import DRAWN_FOLDER, place_drawings
from piyard.predict.live import LiveView
from piyard.predict.relay import Relay
from piyard.predict.sources import Source
from piyard.run import execute, log
from piyard.run.execute import NnrunCommand
from piyard.run.follow import LiveRun
from piyard.run.job import JobContext
from piyard.run.log import LogLine, LogSummary
from piyard.run.record import Record, TaskInfo
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER, run_folder
from piyard.vision.predictions import (
    FRAME_TYPES,
    Frame,
    InputError,
    parse_frame,
    parse_input_error,
)
from piyard.vision.tasks import TASK_NAMES, find_task
from piyard.vision.tasks.base import TaskSpec

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
    of_frames: bool = False
    """Whether it was of a film, a camera or a stream, and not of pictures."""
    live: bool = False
    """Whether it was of a camera or a stream."""
    dropped: int = 0
    """Frames of a live stream that came too late."""
    ending: str = ""
    """Why a live stream ended: its ``end``, ``silent``, or by the ``count`` of its frames."""
    failure: SourceFailed | None = None
    """Why a film, a camera or a stream gave no frame, or broke off."""

    @property
    def frame_count(self) -> int:
        """Frames or pictures that came, those that could not be read too."""
        return len(self.frames) + len(self.wrong)

    @property
    def spec(self) -> TaskSpec:
        """The model's task."""
        return find_task(self.task)

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return run_folder(self.run)

    @property
    def drawn(self) -> list[Path]:
        """Annotated pictures, by the names of those they were drawn on."""
        folder = self.folder / DRAWN_FOLDER
        named = sorted([*folder.glob("*.jpg"), *folder.glob("*.png")])
        return named or sorted((self.folder / OUTPUTS_FOLDER).glob("*.jpg"))

    @property
    def arrays(self) -> Path | None:
        """The folder of outputs as they are."""
        folder = self.folder / ARRAYS_FOLDER
        return folder if folder.is_dir() else None

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
    frames += computed_frames(nnrun_log.of("output")) if record.what.outputs else []
    frames = keep_run_arrays(frames, record, folder)
    errors = [parse_input_error(line) for line in nnrun_log.of("error")]
    summary = nnrun_log.summary or LogSummary()
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
        of_frames=bool(record.what.film) or record.what.live or find_task(record.what.task).is_clip,
        live=record.what.live,
        dropped=summary.dropped or max(map(_dropped_frames, nnrun_log.lines), default=0),
        ending=summary.stopped,
    )


def _dropped_frames(line: LogLine) -> int:
    dropped = line.get("dropped")
    return dropped if isinstance(dropped, int) else 0


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
    context: JobContext,
    inputs: Inputs,
    options: PredictOptions,
    model: Model,
    *,
    place: Place | None = None,
    form: str = "",
) -> Prediction:
    """The model's predictions; pictures that nnrun cannot read are listed too.

    ``model`` is the job's, or has the thresholds of a user or an evaluation. ``place`` is where
    films and streams are decoded, by default where there is a program for it; ``form`` the format
    that live results are printed in as they come.
    """
    resolved = resolve_classes(context.conversion, model, options)
    if inputs.samples:
        command = computing_command(context.conversion, inputs, resolved)
        return read_prediction(execute.run_job(context, command))
    if inputs.source is None:
        command = make_command(model, inputs, resolved)
        command = with_outputs(command, context.conversion, model)
        return read_prediction(execute.run_job(context, command))
    return _predict_source(context, inputs, inputs.source, resolved, model, place, form)


def _predict_source(
    context: JobContext,
    inputs: Inputs,
    source: Source,
    options: PredictOptions,
    model: Model,
    place: Place | None,
    form: str,
) -> Prediction:
    """The same of what moves; Ctrl-C ends a live run, and is not an error here."""
    feed = _choose_feed(context, inputs, source, place)
    relay = Relay(feed.relay, SILENCE_S) if feed.relay else None
    is_watched = inputs.is_live or bool(options.preview)
    view = LiveView(context.job.host, form if inputs.is_live else "", relay) if is_watched else None
    command = make_command(model, inputs, options, feed, view)
    command = with_outputs(command, context.conversion, model)
    try:
        done = execute.run_job(context, command)
        prediction = read_prediction(done)
    except UnreadableLog:
        if cancel.requested():  # before nnrun had anything to say
            raise KeyboardInterrupt from None
        raise
    said = relay.report() if relay else read_decoder_report(run_folder(done.id))
    is_over = done.state == "ended"
    failure = source_failure(source, prediction, said, is_over=is_over)
    if not failure and (note := ending_note(source, prediction, is_over=is_over)):
        console.info(note)
    return msgspec.structs.replace(
        prediction,
        dropped=prediction.dropped + (relay.dropped if relay else 0),
        failure=failure,
    )


def _choose_feed(context: JobContext, inputs: Inputs, source: Source, place: Place | None) -> Feed:
    if source.is_mjpeg:
        return plan_feed(inputs)
    connection = context.connection
    programs = (connection.facts.decoders or "").split()
    decoder = choose_decoder(source, place, connection.name, programs)
    console.info(f"{connection.name}: {source.title} is {decoder.title}")
    copies = source.kind == "device" and decoder.program == FFMPEG
    if copies:
        probe = connection.session.run(device_probe_argv(source.location), check=False)
        copies = gives_jpegs(source.location, connection.name, probe.err)
    return plan_feed(inputs, decoder, copies=copies)


def resolve_classes(
    conversion: Conversion, model: Model, options: PredictOptions
) -> PredictOptions:
    """The output with the classes by its name on the board; labels only where they belong to it.

    Where outputs are what counts, the folder they go to.
    """
    if figures := conversion.manifest.texts:
        return msgspec.structs.replace(options, scale=figures.scale, bias=figures.bias)
    if model.spec.keeps_outputs:
        return msgspec.structs.replace(options, raw=OUTPUTS_FOLDER)
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


def make_command(
    model: Model,
    inputs: Inputs,
    options: PredictOptions,
    feed: Feed | None = None,
    live: LiveRun | None = None,
) -> NnrunCommand:
    """nnrun's command line for these inputs, which come to it by the ``feed``."""
    feed = feed or plan_feed(inputs)
    verb, *rest = model.spec.nnrun_verb(model.tracker)
    return NnrunCommand(
        verb=verb,
        arguments=[*rest, *nnrun_flags(model, options), *feed.arguments],
        what=TaskInfo(
            task=model.task,
            inputs=input_names(inputs),
            shown=inputs.title,
            film="" if inputs.is_live or not inputs.source else inputs.source.title,
            live=inputs.is_live,
        ),
        inputs=feed.release,
        stdin_from=feed.stdin_from,
        allow_bad_inputs=True,
        live=live,
    )
