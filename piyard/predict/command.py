"""What a model is shown, and nnrun's command line for it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec

from piyard.board.release import Release, release_of_paths
from piyard.convert.conversions import LABELS_FILE
from piyard.core import console
from piyard.core.errors import PROGRAM, WrongInput
from piyard.core.files import scratch_folder
from piyard.core.text import format_count
from piyard.models.definition import Model
from piyard.predict.files import StreamFound, convert_to_mjpeg, fetch_picture
from piyard.predict.samples import Sample
from piyard.predict.sources import Source, find_source, is_web_url
from piyard.run.job import DETECTOR
from piyard.run.run_folders import OUTPUTS_FOLDER
from piyard.vision.flags import head_flags, preprocess_flags
from piyard.vision.pictures import (
    READABLE_SUFFIXES,
    as_jpeg_or_png,
    list_pictures,
    list_subfolders,
    printable_path,
    sent_suffix,
    sort_naturally,
    summarise_suffixes,
)
from piyard.vision.tasks.base import TaskOptions

MOST_PICTURES = 1000
"""Pictures of one run: their names and digests travel in one command line."""
USUAL_FRAMES = 300
"""Of the camera."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures, or what moves."""

    pictures: Sequence[Path] = ()
    samples: Sequence[Sample] = ()
    """Of a net with several inputs."""
    source: Source | None = None
    frames: int | None = None
    """At most so many; None for all there are."""
    unpack: Callable[[], Path] | None = None
    """Makes MJPEG of a film here."""

    @property
    def title(self) -> str:
        """For people."""
        if self.source:
            first = f"{self.frames} frames of " if self.frames and self.source.is_live else ""
            return f"{first}{self.source.title}"
        if self.samples:
            return format_count(len(self.samples), "sample")
        is_single = len(self.pictures) == 1
        return self.pictures[0].name if is_single else f"{len(self.pictures)} pictures"

    @property
    def is_live(self) -> bool:
        """Whether it is a camera or a stream."""
        return bool(self.source and self.source.is_live)


def check_inputs(texts: Sequence[str], *, as_stream: bool = False) -> None:
    """Raise ``WrongInput`` for what cannot be shown, before anything is done."""
    if not texts:
        raise WrongInput(
            "no --input", remedy="name a picture, a folder, a film, a URL, a device or camera"
        )
    sources = [source for text in texts if (source := find_source(text, as_stream=as_stream))]
    if sources and len(texts) > 1:
        raise WrongInput(
            f"{sources[0].title} cannot be combined with other inputs",
            remedy="give it a run of its own",
        )
    if not sources:
        for text in texts:
            if not is_web_url(text):
                _local_files(text)


@contextmanager
def open_inputs(
    texts: Sequence[str], frames: int | None = None, *, as_stream: bool = False
) -> Iterator[Inputs]:
    """What the texts name, with what had to be fetched or unpacked for it.

    ``frames`` bounds pictures, films and streams; ``as_stream`` takes a URL for a stream that may
    be a picture's. Raises ``WrongInput`` and ``DownloadFailed``.
    """
    check_inputs(texts, as_stream=as_stream)
    source = find_source(texts[0], as_stream=as_stream)
    if source is None:
        try:
            shown = Inputs(pictures=_list_pictures(texts, frames))
        except StreamFound:
            source = _require_single_stream(texts)
        else:
            yield shown
            return
    with _open_source(source, frames) as shown:
        yield shown


def _require_single_stream(texts: Sequence[str]) -> Source:
    """The stream that a URL turned out to be."""
    source = find_source(texts[0], as_stream=True)
    if len(texts) > 1 or source is None:
        raise WrongInput(
            "one of the URLs is a stream, which cannot be combined with other inputs",
            remedy="give it a run of its own",
        )
    return source


@contextmanager
def _open_source(source: Source, frames: int | None) -> Iterator[Inputs]:
    if source.is_live:
        yield Inputs(source=source, frames=frames)
        return
    with scratch_folder("piyard-film-") as folder:
        unpacking = threading.Lock()  # by the first of the boards that need it

        @cache
        def unpack() -> Path:
            return convert_to_mjpeg(source, folder, frames)

        def unpack_once() -> Path:
            with unpacking:
                return unpack()

        yield Inputs(source=source, frames=frames, unpack=unpack_once)


def make_release(shown: Inputs) -> Release:
    """The pictures that travel, numbered: their own names may repeat, or mean something to a shell.

    What nnrun cannot decode travels as PNG.
    """
    files = [as_jpeg_or_png(path) for path in shown.pictures]
    digits = max(4, len(str(len(files) - 1)))
    names = [f"{i:0{digits}d}{sent_suffix(path)}" for i, path in enumerate(files)]
    return release_of_paths(dict(zip(names, files, strict=True)), label=f"{len(files)} inputs")


def input_names(shown: Inputs) -> dict[str, str]:
    """The name a picture has on the board → where it is here."""
    sent = make_release(shown).files if shown.pictures else []
    return {
        file.name: printable_path(path) for file, path in zip(sent, shown.pictures, strict=True)
    }


def _list_pictures(texts: Sequence[str], frames: int | None) -> list[Path]:
    """The first ``frames`` of all; what is left out is reported."""
    _report_left_out(texts)
    candidates = (
        path
        for text in texts
        for path in ([fetch_picture(text)] if is_web_url(text) else _local_files(text))
    )
    paths = list(itertools.islice(candidates, frames))
    if len(paths) > MOST_PICTURES:
        raise WrongInput(
            f"{len(paths)} pictures are more than the {MOST_PICTURES} of one run",
            remedy=f"show fewer (--frames {MOST_PICTURES}); "
            f"for a whole data set: {PROGRAM} evaluate",
        )
    return paths


def _report_left_out(texts: Sequence[str]) -> None:
    folders = [Path(text) for text in texts if not is_web_url(text) and Path(text).is_dir()]
    for folder in folders:
        if left_out := list_pictures(folder).left_out:
            console.info(f"left out of {folder}, not readable: {summarise_suffixes(left_out)}")
        if subfolders := [
            subfolder
            for subfolder in list_subfolders(folder)
            if list_pictures(subfolder, deep=True).pictures
        ]:
            console.info(f"left out of {folder}: its folders, for example {subfolders[0]}")


def _local_files(text: str) -> list[Path]:
    """The files that a path or glob means; raises ``WrongInput`` when there are none."""
    path = Path(text)
    if path.is_dir():
        return _folder_pictures(path)
    if path.is_file():
        return [path]
    start = Path(path.anchor)
    pattern = str(path.relative_to(start)) if path.anchor else text
    matches = sort_naturally(match for match in start.glob(pattern) if match.is_file())
    if not matches:
        raise WrongInput(f"no such picture: {text}", remedy="check --input")
    return matches


def _folder_pictures(path: Path) -> list[Path]:
    content = list_pictures(path)
    if content.pictures:
        return content.pictures
    raise WrongInput(
        f"{path} has no readable picture",
        evidence=summarise_suffixes(content.left_out),
        remedy=f"accepted suffixes: {', '.join(sorted(READABLE_SUFFIXES))}",
    )


def release_path(release: Release) -> str:
    """A release's folder, seen from a run's."""
    return f"../../releases/{release.id}"


class PredictOptions(TaskOptions, frozen=True, kw_only=True):
    """What the user may choose besides the model."""

    precision: str = "fp32"
    threads: int = 1
    labelled: bool = True
    """Whether the model's labels belong to the output that is read."""
    drawn: str = ""
    """The folder for annotated pictures."""
    film: str = ""
    """The MJPEG file for them."""
    preview: str = ""
    """The title of a page that shows them meanwhile; none without one."""


def nnrun_flags(model: Model, options: PredictOptions) -> list[str]:
    """All of nnrun's flags, but for the inputs. Raises ``WrongInput``."""
    return [
        *net_flags(model, "model"),
        *("--precision", options.precision, "--threads", str(options.threads)),
        *(["--labels", LABELS_FILE] if _takes_labels(model, options) else []),
        *model.spec.flags(model, options, _detector_flags(model)),
        *_drawing_flags(options),
    ]


def _takes_labels(model: Model, options: PredictOptions) -> bool:
    return bool(model.labels) and options.labelled and model.spec.has_labels


def net_flags(model: Model, stem: str) -> list[str]:
    """A net's files, its preprocessing and what its outputs mean."""
    return [
        *("--param", f"{stem}.ncnn.param", "--bin", f"{stem}.ncnn.bin"),
        *preprocess_flags(model.preprocess, model.input[1:]),
        *(head_flags(model.head) if model.head else []),
    ]


def _detector_flags(model: Model) -> list[str]:
    return net_flags(model.detector_model, DETECTOR) if model.detector_model else []


def _drawing_flags(options: PredictOptions) -> Sequence[str]:
    return [
        *(["--draw", options.drawn] if options.drawn else []),
        *(["--mjpeg", options.film] if options.film else []),
        *(["--preview", "0", "--preview-title", options.preview] if options.preview else []),
    ]


DRAWN_FILM = "drawn.mjpeg"


def drawing_options(model: Model, inputs: Inputs) -> dict[str, str]:
    """Where nnrun draws: pictures one by one, what moves as a film.

    Of what goes on without an end nothing is kept: it would fill the board's disk.
    """
    if not model.spec.is_drawn or (inputs.is_live and not inputs.frames):
        return {}
    is_film = model.spec.is_clip or not inputs.pictures
    return {"film": DRAWN_FILM} if is_film else {"drawn": OUTPUTS_FOLDER}
