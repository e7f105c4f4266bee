"""Search among your pictures: an index of their embeddings, made by boards or here."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.cli.job_plan import conclude, plan_work, run_jobs
from piyard.cli.prediction_requests import IndexRequest, SearchRequest
from piyard.convert.conversions import Conversion, find_conversion
from piyard.convert.converter import convert_model
from piyard.core import console, paths
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import JobsFailed, PiyardError, WrongInput
from piyard.core.files import sha256_of_file
from piyard.core.tables import Cell, number_cell, render_table
from piyard.core.text import format_count
from piyard.models.definition import Model, load_model
from piyard.predict.clip_encoding import batches, encode_on_board, encode_texts, picture_encoder
from piyard.predict.command import PredictOptions
from piyard.predict.index_changes import IndexChanges, compare_with_files
from piyard.predict.picture_index import (
    FoundPicture,
    IndexHead,
    PictureIndex,
    lock_index,
    open_index,
)
from piyard.run.job import JobContext
from piyard.run.plan import prepare_jobs
from piyard.vision.pictures import list_pictures, printable_path
from piyard.vision.tasks.clip import CLIP

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


INDEX_SHELF = "index"
BATCH, DESKTOP_BATCH = 200, 16
"""Pictures of a run, and of a write: what is lost at most when a program is ended."""
COLUMNS = ("Rank", "Cosine", "Picture")


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures that are to be in the index."""

    files: list[Path]
    folders: list[Path]
    """Whose other pictures are gone."""


class Growth:
    """Pictures that wait for their embeddings, taken in batches by boards that work at once."""

    def __init__(self, index: PictureIndex, added: Sequence[FoundPicture], size: int) -> None:
        self._index, self._lock = index, threading.Lock()
        self._found = {each.file: each for each in added}
        self._waiting = deque(batches(list(self._found), size))
        self.done = 0
        self.failed: dict[Path, str] = {}

    def take(self) -> Sequence[Path]:
        """The next batch; an empty one when all are taken."""
        raise_if_requested()
        with self._lock:
            return self._waiting.popleft() if self._waiting else ()

    def give_back(self, batch: Sequence[Path]) -> None:
        """A batch that was not encoded."""
        with self._lock:
            self._waiting.append(batch)

    def keep(self, encoded: dict[Path, Floats], failed: dict[Path, str]) -> None:
        """Write what was encoded."""
        with self._lock:
            self._index.add([(self._found[path], values) for path, values in encoded.items()])
            self.done += len(encoded)
            self.failed |= failed


def index_pictures(request: IndexRequest) -> None:
    """Bring an index up to date with pictures; prints what changed."""
    (name,) = request.models
    model = _require_clip(load_model(name))
    listing = _list_given(request.inputs)
    folder = index_folder(request.index, model.name)
    if request.dry_run:
        _print_plan(folder, listing)
    elif request.desktop:
        conversion = convert_model(
            model, random_weights=request.random_weights, force=request.force
        )
        _index_here(conversion, folder, listing)
    else:
        _index_on_boards(request, model, folder, listing)


def index_folder(chosen: str, model: str) -> Path:
    """Where the index is: named by the user, or the model's own."""
    return Path(chosen) if chosen else paths.artifacts() / INDEX_SHELF / model


def _require_clip(model: Model) -> Model:
    if model.task != CLIP.name:
        raise WrongInput(
            f"{model.name} is for task {model.task}: it has no embeddings to search by",
            remedy="take a model of task clip, as --model clip_vit_b32",
        )
    return model


def _list_given(inputs: Sequence[str]) -> Given:
    if not inputs:
        raise WrongInput("no --input", remedy="name folders of pictures, or pictures")
    paths_here = [Path(text).absolute() for text in inputs]
    folders = [path for path in paths_here if path.is_dir()]
    files = [picture for path in folders for picture in list_pictures(path, deep=True).pictures]
    for path in paths_here:
        if path.is_file():
            files.append(path)
        elif path not in folders:
            raise WrongInput(f"no such picture: {path}", remedy="check --input")
    return Given(files=list(dict.fromkeys(files)), folders=folders)


def _print_plan(folder: Path, listing: Given) -> None:
    index = open_index(folder) if folder.is_dir() else None
    changes = compare_with_files(index, listing.files, listing.folders)
    print(f"index: {_describe(changes)}; {folder}")


def _describe(changes: IndexChanges) -> str:
    parts = [f"{format_count(len(changes.added), 'picture')} to encode"]
    parts += [f"{len(changes.moved)} moved"] if changes.moved else []
    parts += [f"{len(changes.gone)} gone"] if changes.gone else []
    return ", ".join([*parts, f"{changes.indexed} there already"])


def _open(conversion: Conversion, folder: Path) -> PictureIndex:
    shape = next(iter(conversion.manifest.reference.outputs.values()))
    head = IndexHead(
        model=conversion.name,
        conversion=conversion.key,
        weights=conversion.weights,
        values=shape[-1],
    )
    return open_index(folder, head)


def _begin(index: PictureIndex, listing: Given, size: int) -> Growth:
    changes = compare_with_files(index, listing.files, listing.folders)
    index.change([*changes.moved, *changes.gone])
    console.info(f"{index.folder}: {_describe(changes)}")
    return Growth(index, changes.added, size)


def _index_here(conversion: Conversion, folder: Path, listing: Given) -> None:
    with lock_index(folder):
        index = _open(conversion, folder)
        growth, encode = _begin(index, listing, DESKTOP_BATCH), picture_encoder(conversion)
        while batch := growth.take():
            encoded, failed = {}, {}
            for path in batch:
                try:
                    encoded[path] = encode(path)
                except WrongInput as error:
                    failed[path] = error.what
            growth.keep(encoded, failed)
        _conclude(index, growth)


def _index_on_boards(request: IndexRequest, model: Model, folder: Path, listing: Given) -> None:
    with plan_work(request, "index", models=[model]) as plan:
        prepared = prepare_jobs(
            plan.jobs, random_weights=request.random_weights, force=request.force
        )
        with lock_index(folder):
            index = _open(prepared.conversions[model.name], folder)
            growth = _begin(index, listing, BATCH)

            def encode(context: JobContext) -> int:
                return _encode_batches(context, growth)

            outcomes = run_jobs(plan, prepared, encode)
            _conclude(index, growth)
    conclude(outcomes, plan, outcomes.unfinished_jobs)


def _encode_batches(context: JobContext, growth: Growth) -> int:
    """How many batches that board has encoded."""
    options = PredictOptions(precision=context.job.precision, threads=context.job.threads)
    count = 0
    while batch := growth.take():
        try:
            growth.keep(*encode_on_board(context, batch, options))
        except (PiyardError, KeyboardInterrupt):
            growth.give_back(batch)
            raise
        count += 1
    return count


def _conclude(index: PictureIndex, growth: Growth) -> None:
    for path, why in growth.failed.items():
        console.info(f"✗ {printable_path(path)}: {why}")
    gone = f", {len(index.gone)} gone" if index.gone else ""
    there = format_count(len(index.pictures), "picture")
    console.info(f"✓ {index.head.model}: {growth.done} added, {there} in the index{gone}")
    print(index.folder)
    if growth.failed:
        raise JobsFailed(
            f"{format_count(len(growth.failed), 'picture')} could not be read; the others are in",
            remedy="each is named above with its reason",
        )


def search_pictures(request: SearchRequest) -> None:
    """The pictures that are nearest to words or to a picture."""
    index = open_index(index_folder(request.index, request.models[0]))
    model = _require_clip(load_model(index.head.model))
    if request.image:
        encoded, without = _picture_query(index, model, Path(request.query))
    else:
        (encoded,) = encode_texts(find_conversion(model, index.head.conversion), [request.query])
        without = ""
    began = time.monotonic()
    hits = index.search(encoded, request.topk, without)
    took = (time.monotonic() - began) * 1000
    rows = [
        [number_cell(rank), Cell(f"{hit.score:.4f}", hit.score), hit.path]
        for rank, hit in enumerate(hits, 1)
    ]
    print(render_table(COLUMNS, rows, request.format))
    there = format_count(len(index.pictures), "picture")
    console.info(f"✓ {index.head.model}: {len(hits)} of {there} in {took:.0f} ms")


def _picture_query(index: PictureIndex, model: Model, path: Path) -> tuple[Floats, str]:
    """The embedding of a picture, and its content: it is not among what is like it."""
    if not path.is_file():
        raise WrongInput(f"no such picture: {path}", remedy="check what follows --image")
    content = sha256_of_file(path)
    if position := index.find(content):
        return index.row(position), content
    encode = picture_encoder(find_conversion(model, index.head.conversion))
    return encode(path), content
