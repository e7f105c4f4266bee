"""What a model is shown, and nnrun's command line for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from piyard.board.release import Release, release_of_paths
from piyard.board.ssh import commands
from piyard.convert.conversions import LABELS_FILE
from piyard.core import console
from piyard.core.errors import PROGRAM, WrongInput
from piyard.core.files import scratch_folder
from piyard.models.definition import Model
from piyard.predict.files import FILM_NAME, convert_to_mjpeg, fetch_picture, is_film, is_url
from piyard.run.job import DETECTOR
from piyard.run.record import OUTPUTS_FOLDER
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
from piyard.vision.preprocess import preprocess_flags
from piyard.vision.schema import head_flags
from piyard.vision.tasks.base import TaskOptions

CAMERA = "camera"
MOST_PICTURES = 1000
"""Pictures of one run: their names and digests travel in one command line."""
USUAL_FRAMES = 300


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures, a film, or the camera."""

    pictures: Sequence[Path] = ()
    film: Path | None = None
    """An MJPEG stream in a file."""
    of_film: str = ""
    """The file the film was made from."""
    camera: bool = False
    frames: int = USUAL_FRAMES
    """Of the camera."""

    @property
    def title(self) -> str:
        """For people."""
        if self.camera:
            return f"{self.frames} frames of the camera"
        if self.film:
            return self.of_film
        is_single = len(self.pictures) == 1
        return self.pictures[0].name if is_single else f"{len(self.pictures)} pictures"


def check_inputs(texts: Sequence[str]) -> None:
    """Raise ``WrongInput`` for what cannot be shown, before anything is done."""
    if not texts:
        raise WrongInput("no --input", remedy="name a picture, a folder, a film, a URL or camera")
    streams = [text for text in texts if _is_stream(text)]
    if streams and len(texts) > 1:
        raise WrongInput(
            f"{streams[0]} cannot be combined with other inputs", remedy="give it a run of its own"
        )
    for text in texts:
        if text != CAMERA and not is_url(text):
            _local_files(text)


@contextmanager
def open_inputs(texts: Sequence[str], frames: int | None = None) -> Iterator[Inputs]:
    """What the texts name, with what had to be fetched or unpacked for it.

    ``frames`` bounds pictures, a film and the camera. Raises ``WrongInput`` and ``DownloadFailed``.
    """
    check_inputs(texts)
    if texts[0] == CAMERA:
        yield Inputs(camera=True, frames=frames or USUAL_FRAMES)
    elif _is_stream(texts[0]):
        with scratch_folder("piyard-film-") as folder:
            mjpeg = convert_to_mjpeg(_local_files(texts[0])[0], folder, frames)
            yield Inputs(film=mjpeg, of_film=Path(texts[0]).name)
    else:
        yield Inputs(pictures=_list_pictures(texts, frames))


def make_release(shown: Inputs) -> Release:
    """The files that travel, numbered: their own names may repeat, or mean something to a shell.

    What nnrun cannot decode travels as PNG.
    """
    if shown.film:
        return release_of_paths({FILM_NAME: shown.film}, label=shown.of_film)
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
        for path in ([fetch_picture(text)] if is_url(text) else _local_files(text))
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
    folders = [Path(text) for text in texts if not is_url(text) and Path(text).is_dir()]
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


def _is_stream(text: str) -> bool:
    return text == CAMERA or (Path(text).is_file() and is_film(text))


CAMERA_WIDTH, CAMERA_HEIGHT = 1280, 720
"""Of the camera's frames."""


def stdin_command(inputs: Inputs, release: Release | None) -> list[str]:
    """The script and its arguments; nothing for pictures, which nnrun opens itself."""
    if inputs.camera:
        arguments = [str(inputs.frames), str(CAMERA_WIDTH), str(CAMERA_HEIGHT)]
        return ["sh", "-c", commands.script_text("camera"), "camera", *arguments]
    if inputs.film and release:
        return [
            "sh",
            "-c",
            commands.script_text("film"),
            "film",
            f"{release_path(release)}/{FILM_NAME}",
        ]
    return []


def input_arguments(inputs: Inputs, release: Release | None) -> list[str]:
    """nnrun's arguments for what it looks at."""
    if inputs.pictures and release:
        return ["--", release_path(release)]
    return ["--stdin", "mjpeg"]


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


def nnrun_flags(model: Model, options: PredictOptions) -> list[str]:
    """All of nnrun's flags, but for the inputs. Raises ``WrongInput``."""
    return [
        *net_flags(model, "model"),
        *("--precision", options.precision, "--threads", str(options.threads)),
        *(["--labels", LABELS_FILE] if model.labels and options.labelled else []),
        *model.spec.flags(model, options, _detector_flags(model)),
        *_drawing_flags(options),
    ]


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
    ]


DRAWN_FILM = "drawn.mjpeg"


def drawing_options(model: Model, inputs: Inputs) -> dict[str, str]:
    """Where nnrun draws: pictures one by one, what moves as a film."""
    if not model.spec.is_drawn:
        return {}
    is_film = model.spec.is_clip or not inputs.pictures
    return {"film": DRAWN_FILM} if is_film else {"drawn": OUTPUTS_FOLDER}
