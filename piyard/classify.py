"""Pictures → classes, on boards: push them, run nnrun classify there, bring back what it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import facts, log, model, preprocess
from piyard import run as runs
from piyard.bench import Ready, by_board, limit_of, put_release
from piyard.board import Board, open_board
from piyard.errors import WrongInput
from piyard.job import Job
from piyard.outcome import Outcomes
from piyard.ssh import Session

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


def run(
    jobs: Sequence[Job], ready: Ready, shown: Sequence[Path], *, topk: int, limit_s: int
) -> Outcomes[Seen]:
    """Classify the pictures on each board; a board that fails does not stop the others."""
    outcomes: Outcomes[Seen] = Outcomes(len(jobs))
    for host, target, of_board in by_board(jobs):
        with outcomes.keeping(), open_board(host, target) as (board, session, _):
            for job in of_board:
                outcomes.results += run_one(board, session, job, ready, shown, topk, limit_s)
    return outcomes


def run_one(
    board: Board,
    session: Session,
    job: Job,
    ready: Ready,
    shown: Sequence[Path],
    topk: int,
    limit_s: int,
) -> list[Seen]:
    """What the job's model sees in the pictures, best classes first."""
    build, conversion = ready.of(job)
    put_release(session, build, conversion)
    inputs = {f"{i:04d}{path.suffix.lower()}": path for i, path in enumerate(shown)}
    record = runs.new_record(
        board, facts.read(session), build, conversion, slug=job.slug, what=_what(job, inputs)
    )
    runs.push_inputs(session, record, inputs)
    runs.execute(
        session,
        record,
        "classify",
        [*_arguments(job, topk), *(f"inputs/{name}" for name in inputs)],
        limit_s=limit_s or limit_of(board),
    )
    return _seen(job.host, runs.folder_of(record.id), inputs)


def rows(seen: Sequence[Seen]) -> list[list[str]]:
    """A table's rows in the order of ``COLUMNS``."""
    return [
        [one.host, one.picture.name, str(rank), str(hit["label"]), f"{hit['score']:.4f}"]
        for one in seen
        for rank, hit in enumerate(one.top, 1)
    ]


def _what(job: Job, inputs: Mapping[str, Path]) -> dict[str, Any]:
    named = {name: str(path) for name, path in inputs.items()}
    return {"task": "classify", "slug": job.slug, "job": msgspec.to_builtins(job), "inputs": named}


def _arguments(job: Job, topk: int) -> list[str]:
    return [
        *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin", "--labels", "labels.txt"),
        *("--precision", job.precision, "--threads", str(job.threads), "--topk", str(topk)),
        *preprocess.nnrun_flags(model.load(job.model).preprocess),
        *("--save-outputs", runs.OUTPUTS),
    ]


def _seen(host: str, folder: Path, inputs: Mapping[str, Path]) -> list[Seen]:
    lines = log.read(folder / runs.LOG).of("classification")
    return [
        Seen(host=host, picture=inputs[Path(line["image"]).name], top=line["top"]) for line in lines
    ]
