"""One board that computes tensors: pushed as .npy files, its blobs read as arrays."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from piyard import infer, log, run, scratch
from piyard.conversion.param import Layer
from piyard.errors import UnreadableLog
from piyard.log import Log
from piyard.look import through
from piyard.release import Release, release_of_paths
from piyard.seat import Seat
from piyard.work import Work, run_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.proof import Feeds
    from piyard.proof.prove import Computed

    Array = NDArray[np.float32]

TASK = "compute"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A net's outputs as a board computed them."""

    precision: str
    """What was actually computed."""
    emulated: bool
    blobs: Computed
    """Kind of input → the wanted blobs of each input; outputs as ``infer.outputs`` orders them."""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A line of nnrun's about a blob it wrote."""

    index: Annotated[int, Meta(ge=0)]
    name: str
    file: str
    shape: list[int]


def compute(seat: Seat, stem: str, feed: Feeds, *, every: bool = False) -> Answer:
    """The outputs of that net for all that is fed; with ``every`` all its blobs.

    Raises as ``work.run_one`` does, and ``UnreadableLog``.
    """
    layers = infer.layers(seat.conversion.folder, stem)
    inputs = [_as_taken(layers, tensors) for several in feed.values() for tensors in several]
    with scratch.folder("piyard-tensors-") as place:
        sent = _release(inputs, place)
        work = _work(seat, stem, sent, every=every)
        record = run_one(seat, work)
    nnrun_log = log.read(run.folder_of(record.id) / run.LOG)
    blob_names = None if every else infer.outputs_of(layers)
    ordered = iter(_read(run.folder_of(record.id), nnrun_log, len(inputs), blob_names))
    blobs = {kind: [next(ordered) for _ in several] for kind, several in feed.items()}
    if every:  # all that a net computes takes more room than all other runs together
        shutil.rmtree(run.folder_of(record.id) / run.OUTPUTS)
    label = log.label(run.folder_of(record.id) / run.LOG)
    return Answer(precision=label, emulated=record.emulated, blobs=blobs)


def _as_taken(layers: Sequence[Layer], inputs: Sequence[Array]) -> list[Array]:
    """The inputs in the order in which nnrun takes them."""
    by_name = dict(zip(infer.inputs_of(layers), inputs, strict=True))
    return [by_name[name] for name in infer.fed(layers)]


def _release(inferences: Sequence[Sequence[Array]], place: Path) -> Release:
    import numpy as np

    paths = {}
    for index, tensors in enumerate(inferences):
        for number, values in enumerate(tensors):
            path = place / f"{index:04}.{number}.npy"
            np.save(path, np.ascontiguousarray(values, "<f4"))
            paths[path.name] = path
    return release_of_paths(paths, label=f"{len(paths)} tensors")


def _work(seat: Seat, stem: str, release: Release, *, every: bool) -> Work:
    return Work(
        verb=TASK,
        arguments=[
            *("--param", f"{stem}.ncnn.param", "--bin", f"{stem}.ncnn.bin"),
            *("--precision", seat.job.precision, "--threads", str(seat.job.threads)),
            *("--save-outputs", run.OUTPUTS),
            *(["--every-blob"] if every else []),
            *("--", *(f"{through.there(release)}/{file.name}" for file in release.files)),
        ],
        what={"task": TASK, "net": stem, "inferences": len(release.files)},
        inputs=release,
    )


def _read(
    folder: Path, nnrun_log: Log, count: int, blob_names: Sequence[str] | None
) -> list[Mapping[str, Array]]:
    """The blobs of each inference; raises ``UnreadableLog`` for what no nnrun writes."""
    blobs: list[dict[str, Array]] = [{} for _ in range(count)]
    try:
        for line in nnrun_log.of("output"):
            output = msgspec.convert(line, Output)
            blobs[output.index][output.name] = _blob(folder, output)
        return [
            each if blob_names is None else {name: each[name] for name in blob_names}
            for each in blobs
        ]
    except (msgspec.ValidationError, LookupError, OSError, ValueError) as error:
        raise UnreadableLog(
            f"{folder / run.LOG}: a blob is missing or malformed: {error}"
        ) from None


def _blob(folder: Path, output: Output) -> Array:
    """Little-endian floats in the order of the shape."""
    import numpy as np

    path = folder / run.OUTPUTS / Path(output.file).name
    blob: Array = np.fromfile(path, "<f4").reshape(output.shape)
    return blob
