"""One board that computes tensors: pushed as .npy files, its blobs read as arrays."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import digest, log, run
from piyard.board import Line
from piyard.conversion import Conversion
from piyard.errors import UnreadableLog
from piyard.job import Job
from piyard.look import through
from piyard.record import Record
from piyard.release import File, Release
from piyard.work import Ready, Terms, Work, run_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.proof import Feeds
    from piyard.proof.prove import Computed

    Array = NDArray[np.float32]

TASK = "compute"


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job is computed, and from which files."""

    line: Line
    job: Job
    ready: Ready
    terms: Terms

    @property
    def conversion(self) -> Conversion:
        """What the job's model was converted to."""
        return self.ready.of(self.job)[1]

    def with_conversion(self, other: Conversion) -> Seat:
        """The same with other files of the model."""
        conversions = {**self.ready.conversions, self.job.model: other}
        ready = msgspec.structs.replace(self.ready, conversions=conversions)
        return msgspec.structs.replace(self, ready=ready)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a board made of a net's inputs."""

    run: str
    precision: str
    """What was really computed."""
    emulated: bool
    blobs: Computed
    """Kind of input → every wanted blob of each input."""


def compute(seat: Seat, stem: str, feed: Feeds, *, every: bool = False) -> Answer:
    """The outputs of that net for all that is fed; with ``every`` all its blobs.

    Raises as ``work.run_one`` does, and ``UnreadableLog``.
    """
    each = [one for ones in feed.values() for one in ones]
    with tempfile.TemporaryDirectory(prefix="piyard-tensors-") as scratch:
        sent = _release(each, Path(scratch))
        work = _work(seat, stem, sent, every=every)
        done = run_one(seat.line, seat.job, seat.ready, seat.terms, work)
    told = _read(done, len(each))
    if every:  # all that a net computes takes more room than all other runs together
        shutil.rmtree(run.folder_of(done.id) / run.OUTPUTS)
    ordered = iter(told)
    return Answer(
        run=done.id,
        precision=_label(done),
        emulated=done.emulated,
        blobs={kind: [next(ordered) for _ in ones] for kind, ones in feed.items()},
    )


def _release(inferences: Sequence[Sequence[Array]], scratch: Path) -> Release:
    import numpy as np

    files = []
    for index, tensors in enumerate(inferences):
        for number, values in enumerate(tensors):
            path = scratch / f"{index:04}.{number}.npy"
            np.save(path, np.ascontiguousarray(values, "<f4"))
            sha256, size = digest.of_file(path), path.stat().st_size
            files.append(File(name=path.name, path=path, sha256=sha256, size=size))
    return Release(files=files, label=f"{len(files)} tensors")


def _work(seat: Seat, stem: str, sent: Release, *, every: bool) -> Work:
    return Work(
        verb=TASK,
        arguments=[
            *("--param", f"{stem}.ncnn.param", "--bin", f"{stem}.ncnn.bin"),
            *("--precision", seat.job.precision, "--threads", str(seat.job.threads)),
            *("--save-outputs", run.OUTPUTS),
            *(["--every-blob"] if every else []),
            *("--", *(f"{through.there(sent)}/{file.name}" for file in sent.files)),
        ],
        what={"task": TASK, "net": stem, "inferences": len(sent.files)},
        inputs=sent,
    )


def _read(done: Record, count: int) -> list[Mapping[str, Array]]:
    folder = run.folder_of(done.id)
    found: list[dict[str, Array]] = [{} for _ in range(count)]
    for line in log.read(folder / run.LOG).of("output"):
        found[line["index"]][line["name"]] = _blob(folder, line)
    return list(found)


def _blob(folder: Path, line: Mapping[str, Any]) -> Array:
    """Little-endian floats in the order of the shape."""
    import numpy as np

    path = folder / run.OUTPUTS / Path(str(line["file"])).name
    try:
        blob: Array = np.fromfile(path, "<f4").reshape(line["shape"])
    except (OSError, ValueError) as error:
        raise UnreadableLog(f"{path} is not the blob the board told of: {error}") from None
    return blob


def _label(done: Record) -> str:
    return str(log.read(run.folder_of(done.id) / run.LOG).header["precision"]["label"])
