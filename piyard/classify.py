"""Pictures → classes, on boards: push them, run nnrun classify there, bring back what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import digest, log, model, preprocess, work
from piyard import run as runs
from piyard.board import Line
from piyard.errors import WrongInput
from piyard.job import Job
from piyard.record import Record
from piyard.release import File, Release
from piyard.work import Ready, Terms, Work

TASK = "classify"
SUFFIXES = (".jpg", ".jpeg", ".png")
COLUMNS = ("Board", "Picture", "Rank", "Class", "Score")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a model saw in one picture."""

    host: str
    picture: Path
    top: list[dict[str, Any]]
    """``index``, ``label`` and ``score``, best first."""


def pictures(inputs: Sequence[str]) -> list[Path]:
    """The files and the pictures in the folders that were named, in order."""
    if not inputs:
        raise WrongInput("no --input", remedy="name a picture, or a folder of them")
    return [picture for text in inputs for picture in _expand(Path(text))]


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not found:
            raise WrongInput(f"{path} holds no picture", remedy=f"of {', '.join(SUFFIXES)}")
        return found
    if not path.is_file():
        raise WrongInput(f"there is no picture {path}", remedy="check --input")
    return [path]


def classify_one(
    line: Line, job: Job, ready: Ready, terms: Terms, shown: Sequence[Path], topk: int
) -> list[Seen]:
    """What the job's model sees in the pictures, best classes first."""
    inputs = inputs_of(shown)
    named = {file.name: str(path) for file, path in zip(inputs.files, shown, strict=True)}
    there = [f"../../releases/{inputs.id}/{file.name}" for file in inputs.files]
    todo = Work(
        verb=TASK,
        arguments=[*_arguments(job, topk), *there],
        what={"task": TASK, "inputs": named},
        inputs=inputs,
    )
    return conclude(work.run_one(line, job, ready, terms, todo))


def conclude(done: Record) -> list[Seen]:
    """What a finished run saw, read from its log."""
    lines = log.read(runs.folder_of(done.id) / runs.LOG).of("classification")
    named = done.what["inputs"]
    return [
        Seen(host=done.host, picture=Path(named[Path(line["image"]).name]), top=line["top"])
        for line in lines
    ]


def inputs_of(shown: Sequence[Path]) -> Release:
    """The pictures as files of a release, numbered: their own names may repeat."""
    files = [
        File(
            name=f"{i:04d}{path.suffix.lower()}",
            path=path,
            sha256=digest.of_file(path),
            size=path.stat().st_size,
        )
        for i, path in enumerate(shown)
    ]
    return Release(files=files, label=f"{len(files)} inputs")


def rows(seen: Sequence[Seen]) -> list[list[str]]:
    """A table's rows in the order of ``COLUMNS``."""
    return [
        [one.host, one.picture.name, str(rank), str(hit["label"]), f"{hit['score']:.4f}"]
        for one in seen
        for rank, hit in enumerate(one.top, 1)
    ]


def _arguments(job: Job, topk: int) -> list[str]:
    rules = model.load(job.model)
    return [
        *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin", "--labels", "labels.txt"),
        *("--precision", job.precision, "--threads", str(job.threads), "--topk", str(topk)),
        *preprocess.nnrun_flags(rules.preprocess, rules.input[1:]),
        *("--save-outputs", runs.OUTPUTS),
    ]
