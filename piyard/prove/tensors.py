"""One board that computes tensors: pushed as .npy files, its blobs read as arrays."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from piyard.board.release import Release, release_of_paths
from piyard.convert.ncnn_net import declared_inputs, input_blobs, output_blobs
from piyard.convert.param import Layer
from piyard.convert.proof_inputs import InputsByKind
from piyard.core.errors import UnreadableLog
from piyard.core.files import scratch_folder
from piyard.predict.command import release_path
from piyard.run import execute, log
from piyard.run.execute import NnrunCommand
from piyard.run.job import JobContext
from piyard.run.log import Log, read_precision_label
from piyard.run.record import TaskInfo
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER, run_folder

if TYPE_CHECKING:
    from piyard.convert.proof import Computed
    from piyard.vision.schema import Floats


COMPUTE_TASK = "compute"


class BoardTensors(msgspec.Struct, frozen=True, kw_only=True):
    """A net's outputs as a board computed them."""

    precision: str
    """What was actually computed."""
    emulated: bool
    blobs: Computed
    """Kind of input → the wanted blobs of each input; outputs as ``infer.outputs`` orders them."""


class OutputLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of nnrun's about a blob it wrote."""

    index: Annotated[int, Meta(ge=0)]
    name: str
    file: str
    shape: list[int]


def compute_tensors(
    context: JobContext, stem: str, feed: InputsByKind, *, every: bool = False
) -> BoardTensors:
    """The outputs of that net for all that is fed; with ``every`` all its blobs.

    Raises as ``execute.run_job`` does, and ``UnreadableLog``.
    """
    layers = context.conversion.board_layers(stem, context.job.precision)
    inputs = [_in_nnrun_order(layers, tensors) for several in feed.values() for tensors in several]
    with scratch_folder("piyard-tensors-") as place:
        sent = _tensor_release(inputs, place)
        work = _compute_command(context, stem, sent, every=every)
        record = execute.run_job(context, work)
    nnrun_log = log.read_log(run_folder(record.id) / LOG_FILE)
    blob_names = None if every else output_blobs(layers)
    ordered = iter(_read_blobs(run_folder(record.id), nnrun_log, len(inputs), blob_names))
    blobs = {kind: [next(ordered) for _ in several] for kind, several in feed.items()}
    if every:  # all that a net computes takes more room than all other runs together
        shutil.rmtree(run_folder(record.id) / OUTPUTS_FOLDER)
    label = read_precision_label(run_folder(record.id) / LOG_FILE)
    return BoardTensors(precision=label, emulated=record.emulated, blobs=blobs)


def _in_nnrun_order(layers: Sequence[Layer], inputs: Sequence[Floats]) -> list[Floats]:
    """The inputs in the order in which nnrun takes them."""
    # nnrun's own attention needs no mask: what a net does not take is left out.
    by_name = dict(zip(input_blobs(layers), inputs, strict=False))
    return [by_name[name] for name in declared_inputs(layers)]


def _tensor_release(inferences: Sequence[Sequence[Floats]], place: Path) -> Release:
    import numpy as np

    paths = {}
    for index, tensors in enumerate(inferences):
        for number, values in enumerate(tensors):
            path = place / f"{index:04}.{number}.npy"
            np.save(path, np.ascontiguousarray(values, "<f4"))
            paths[path.name] = path
    return release_of_paths(paths, label=f"{len(paths)} tensors")


def _compute_command(
    context: JobContext, stem: str, release: Release, *, every: bool
) -> NnrunCommand:
    return NnrunCommand(
        verb=COMPUTE_TASK,
        arguments=[
            *("--param", f"{stem}.ncnn.param", "--bin", f"{stem}.ncnn.bin"),
            *("--precision", context.job.precision, "--threads", str(context.job.threads)),
            *("--save-outputs", OUTPUTS_FOLDER),
            *(["--every-blob"] if every else []),
            *("--", *(f"{release_path(release)}/{file.name}" for file in release.files)),
        ],
        what=TaskInfo(task=COMPUTE_TASK, net=stem, inferences=len(release.files)),
        inputs=release,
    )


def _read_blobs(
    folder: Path, nnrun_log: Log, count: int, blob_names: Sequence[str] | None
) -> list[Mapping[str, Floats]]:
    """The blobs of each inference; raises ``UnreadableLog`` for what no nnrun writes."""
    blobs: list[dict[str, Floats]] = [{} for _ in range(count)]
    try:
        for line in nnrun_log.of("output"):
            output = msgspec.convert(line, OutputLine)
            blobs[output.index][output.name] = _read_blob(folder, output)
        return [
            each if blob_names is None else {name: each[name] for name in blob_names}
            for each in blobs
        ]
    except (msgspec.ValidationError, LookupError, OSError, ValueError) as error:
        raise UnreadableLog(
            f"{folder / LOG_FILE}: a blob is missing or malformed: {error}"
        ) from None


def _read_blob(folder: Path, output: OutputLine) -> Floats:
    """Little-endian floats in the order of the shape."""
    import numpy as np

    path = folder / OUTPUTS_FOLDER / Path(output.file).name
    blob: Floats = np.fromfile(path, "<f4").reshape(output.shape)
    return blob
