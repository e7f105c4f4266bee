"""A model and a data set → an Evaluation: computed by the original, by ncnn here, or on a board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from piyard.convert.conversions import Conversion, find_class_output
from piyard.convert.model_files import choose_files
from piyard.convert.ncnn_net import net_function, read_layers
from piyard.convert.output_kinds import layer_output_kind
from piyard.convert.own.stated_preparation import as_file_says, preparation_notes
from piyard.convert.param import INT8, name_data_type
from piyard.convert.proof_inputs import make_net
from piyard.convert.reference import ReferenceModel
from piyard.convert.reference_models import reference_networks
from piyard.core import console
from piyard.core.errors import BoardCommandFailed, WrongInput
from piyard.core.files import scratch_folder
from piyard.evaluate.dataset import JUDGES, JudgedData, compute_metrics, split_batches
from piyard.evaluate.intervals import MANY_PICTURES
from piyard.models.definition import Model
from piyard.models.networks import inference
from piyard.predict.command import Inputs, PredictOptions
from piyard.predict.prediction import Prediction, predict_on_board
from piyard.results.accuracies import EvaluatedBy, Evaluation, find_evaluation, save_evaluation
from piyard.run.job import JobContext
from piyard.run.log import read_precision_label
from piyard.run.run_folders import LOG_FILE
from piyard.vision.head_schema import Dense
from piyard.vision.pictures import printable_path
from piyard.vision.predictions import Frame
from piyard.vision.tasks.base import Compute, Net, PictureSet, Predictor, TruthKind

DESKTOP_WAYS = ("original", "fp32", "fp16", "int8")
"""``fp16`` simulates what a board stores: halves between all layers, sums in fp32. ``int8`` is for
quantised nets, whose other layers are then in fp32."""


@contextmanager
def open_predictor(
    model: Model, conversion: Conversion, detector: tuple[Model, Conversion] | None, way: str
) -> Iterator[Predictor]:
    """The nets computed in one of ``DESKTOP_WAYS``."""
    with inference(), ExitStack() as stack:
        net = stack.enter_context(_open_net(model, conversion, way))
        second = stack.enter_context(_open_net(*detector, way)) if detector else None
        yield Predictor(net=net, detector=second)


def predict_dataset(seer: Predictor, data: JudgedData, title: str) -> list[list[Frame]]:
    """A frame for each picture of each film, with progress."""
    total, done = len(data.pictures), 0
    frames: list[list[Frame]] = []
    with console.step(title, unit="pictures") as progress:
        for film in data.films:
            frames.append([])
            for frame in seer.predict_frames(film):
                frames[-1].append(frame)
                done += 1
                progress.update(done, total)
    return frames


@contextmanager
def _open_net(model: Model, conversion: Conversion, way: str) -> Iterator[Net]:
    """The original's input is prepared as its own file says, where it says so."""
    fed = as_file_says(model) if way == "original" else model
    with _open_computes(model, conversion, way) as (compute, head):
        net = make_net(fed, compute, head)
        yield _as_classifier(net, fed, conversion) if model.spec.has_class_output else net


def _as_classifier(net: Net, model: Model, conversion: Conversion) -> Net:
    place = find_class_output(conversion, model)
    ends = layer_output_kind(read_layers(conversion.folder), conversion.outputs[place])
    return msgspec.structs.replace(net, place=place, ends=ends)


@contextmanager
def _open_computes(
    model: Model, conversion: Conversion, way: str
) -> Iterator[tuple[Compute, Compute | None]]:
    stems = conversion.stems
    if way == "original":
        computes = [net.run for net in original_nets(model).values()]
        yield computes[0], computes[1] if len(computes) > 1 else None
    elif way in {"fp32", "int8"}:
        exact = [net_function(conversion.folder, stem) for stem in stems]
        yield exact[0], exact[1] if len(exact) > 1 else None
    else:
        with scratch_folder("piyard-half-") as folder:
            rounded = _fp16_computes(model, conversion, folder)
            yield rounded[0], rounded[1] if len(rounded) > 1 else None


def _fp16_computes(model: Model, conversion: Conversion, folder: Path) -> list[Compute]:
    from piyard.convert.ncnn_net import load_net_pair

    computes = []
    for stem, net in original_nets(model).items():
        net.lower(folder, half=True)
        computes.append(load_net_pair(conversion.folder, folder, stem).computes("fp16"))
    return computes


def original_nets(model: Model) -> Mapping[str, ReferenceModel]:
    """What a conversion of that model is made from."""
    return reference_networks(model, choose_files(model))


class BoardFrames(msgspec.Struct, frozen=True, kw_only=True):
    """A board's predictions for one set of pictures."""

    frames: list[Frame]
    labels: set[str]
    """The precisions that were actually computed."""


class BoardAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """A board's predictions for a data set."""

    frames: list[list[Frame]]
    """Film by film, in the order of the pictures."""
    precision: str
    """What was actually computed."""
    host: str
    hardware: str
    emulated: bool
    build: str


def predict_dataset_on_board(context: JobContext, model: Model, data: JudgedData) -> BoardAnswers:
    """nnrun's predictions on that board; raises as ``watch``."""
    films = [predict_set_on_board(context, model, film) for film in data.films]
    board = context.job.board
    return BoardAnswers(
        frames=[film_frames.frames for film_frames in films],
        precision=", ".join(sorted(set().union(*(film_frames.labels for film_frames in films)))),
        host=board.name,
        hardware=board.hardware,
        emulated=board.emulated,
        build=context.build.key,
    )


def predict_set_on_board(context: JobContext, model: Model, film: PictureSet) -> BoardFrames:
    """One set of pictures. Raises ``BoardCommandFailed`` for a picture that nnrun cannot read."""
    frames: list[Frame] = []
    labels: set[str] = set()
    for batch in split_batches(film):
        seen = _predict_batch(context, model, film, batch)
        frames += order_frames(batch, seen)
        labels.add(_computed_precision(seen))
    return BoardFrames(frames=frames, labels=labels)


def order_frames(pictures: Sequence[Path], seen: Prediction) -> list[Frame]:
    """A frame a picture; raises for a picture that nnrun could not read."""
    if seen.wrong:
        error = seen.wrong[0]
        raise BoardCommandFailed(
            f"{seen.host}: nnrun cannot read {len(seen.wrong)} of the {len(pictures)} pictures",
            evidence=f"{error.name}: {error.error}",
            remedy="leave these pictures out: figures over different data cannot be compared",
        )
    frames = {frame.name: frame for frame in seen.frames}
    return [frames[printable_path(path)] for path in pictures]


def _predict_batch(
    context: JobContext, model: Model, film: PictureSet, batch: Sequence[Path]
) -> Prediction:
    job = context.job
    options = PredictOptions(
        precision=job.precision, threads=job.threads, init=film.init, fps=film.fps
    )
    console.info(f"{job.host}: {job.model.name} {job.precision} looks at {len(batch)} pictures")
    return predict_on_board(context, Inputs(pictures=batch), options, model)


def _computed_precision(seen: Prediction) -> str:
    return read_precision_label(seen.folder / LOG_FILE)


EVALUATION_THRESHOLDS = {"score": 0.001, "nms": 0.65, "most": 300}
"""As evaluations of detectors on COCO have them: detections of any score count."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A model, its conversion and the data it is evaluated on."""

    name: str
    model: Model
    """With the thresholds of an evaluation."""
    conversion: Conversion
    detector: Conversion | None
    data: JudgedData
    digest: str
    """Of the data, hashed once."""

    @property
    def finder(self) -> tuple[Model, Conversion] | None:
        """The model that finds the objects, where there is one."""
        return (self.detector.model, self.detector) if self.detector else None


def with_evaluation_thresholds(model: Model) -> Model:
    """The model with an evaluation's thresholds; a tracker's own are part of what is judged."""
    if model.tracker or not isinstance(model.head, Dense):
        return model
    return msgspec.structs.replace(
        model, head=msgspec.structs.replace(model.head, **EVALUATION_THRESHOLDS)
    )


def require_real_weights(conversion: Conversion) -> None:
    """Raise ``WrongInput`` for a conversion with random weights."""
    if not conversion.has_real_weights:
        raise WrongInput(
            f"{conversion.name} has random weights, which have no accuracy",
            remedy="put the official file where PIYARD_MIRROR points, and convert again",
        )


def evaluate_original(subject: Subject) -> Evaluation:
    """The original's evaluation, from the stored ones where there is one."""
    previous = find_evaluation(subject.conversion.key, "original", "fp32", subject.digest)
    if previous and _has_intervals(previous, subject.data.data.kind):
        console.info(f"✓ {subject.name}: {previous.computed} evaluated on {previous.data} before")
        return msgspec.structs.replace(
            previous, assumed=list(subject.model.assumed), data=subject.data.title
        )
    computed = subject.conversion.manifest.original
    return _evaluate_here(subject, "original", by="original", computed=computed, precision="fp32")


def _has_intervals(previous: Evaluation, kind: TruthKind) -> bool:
    """Whether it has its intervals; older evaluations were stored without."""
    without = not JUDGES[kind].has_intervals or previous.count > MANY_PICTURES
    return bool(previous.intervals) or without or None in previous.figures.values()


def evaluate_desktop(subject: Subject, precision: str) -> Evaluation:
    """ncnn's on this machine; fp16 is simulated."""
    if precision not in DESKTOP_WAYS:
        raise WrongInput(
            f"the desktop cannot compute as a board does in {precision}",
            remedy="take fp32 or fp16, or a board: --host",
        )
    return _evaluate_here(
        subject,
        precision,
        by="desktop",
        computed="ncnn, desktop",
        precision=desktop_data_type(subject.conversion, precision),
        imitated=precision == "fp16",
    )


def desktop_data_type(conversion: Conversion, precision: str) -> str:
    """What is really computed here: of a quantised net the other layers are fp32."""
    is_mixed = precision == INT8
    return name_data_type(read_layers(conversion.folder), "fp32") if is_mixed else precision


def evaluate_board(context: JobContext, subject: Subject) -> Evaluation:
    """nnrun's on that board."""
    answers = predict_dataset_on_board(context, subject.model, subject.data)
    return _make_evaluation(
        subject,
        answers.frames,
        by="board",
        host=answers.host,
        computed=f"nnrun, {answers.hardware}",
        precision=answers.precision,
        build=answers.build,
    )


def _evaluate_here(subject: Subject, way: str, **about: Any) -> Evaluation:
    title = f"{subject.name}: {about['computed']} {about['precision']}"
    with open_predictor(subject.model, subject.conversion, subject.finder, way) as seer:
        return _make_evaluation(subject, predict_dataset(seer, subject.data, title), **about)


def _make_evaluation(
    subject: Subject, frames: Sequence[Sequence[Frame]], **about: Any
) -> Evaluation:
    metrics = compute_metrics(subject.data, frames)
    evaluation = Evaluation(
        model=subject.name,
        conversion=subject.conversion.key,
        data=subject.data.title,
        digest=subject.digest,
        count=len(subject.data.pictures),
        figures=metrics.figures,
        intervals=metrics.intervals,
        thresholds=_head_thresholds(subject.model),
        assumed=list(subject.model.assumed),
        notes=_assumption_notes(subject, about["by"]),
        when=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **about,
    )
    save_evaluation(evaluation)
    return evaluation


def _assumption_notes(subject: Subject, by: EvaluatedBy) -> list[str]:
    """The original is fed as its own file says, whatever is assumed of the model."""
    return preparation_notes(subject.model, subject.name) if by == "original" else []


def _head_thresholds(model: Model) -> dict[str, float]:
    if not isinstance(model.head, Dense):
        return {}
    return {name: getattr(model.head, name) for name in EVALUATION_THRESHOLDS}


def published_figures(model: Model) -> dict[str, float]:
    """The publisher's figures under our names, shown as published and never as ours."""
    stated_figures = {"top-1": model.published.top1, "mAP": model.published.map_50_95}
    return {name: value for name, value in stated_figures.items() if value is not None}
