"""What is shown to a model: pictures, a film, or what a board's own camera sees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from piyard import pictures, say, scratch
from piyard.errors import WrongInput
from piyard.look import film, lossless, web
from piyard.release import Release, release_of_paths

CAMERA = "camera"
MOST = 1000
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


def check(texts: Sequence[str]) -> None:
    """Raise ``WrongInput`` for what cannot be shown, before anything is done."""
    if not texts:
        raise WrongInput("no --input", remedy="name a picture, a folder, a film, a URL or camera")
    streams = [text for text in texts if _is_stream(text)]
    if streams and len(texts) > 1:
        raise WrongInput(
            f"{streams[0]} cannot be combined with other inputs", remedy="give it a run of its own"
        )
    for text in texts:
        if text != CAMERA and not web.is_url(text):
            _local(text)


@contextmanager
def taken(texts: Sequence[str], frames: int | None = None) -> Iterator[Inputs]:
    """What the texts name, with what had to be fetched or unpacked for it.

    ``frames`` bounds pictures, a film and the camera. Raises ``WrongInput`` and ``DownloadFailed``.
    """
    check(texts)
    if texts[0] == CAMERA:
        yield Inputs(camera=True, frames=frames or USUAL_FRAMES)
    elif _is_stream(texts[0]):
        with scratch.folder("piyard-film-") as folder:
            mjpeg = film.as_mjpeg(_local(texts[0])[0], folder, frames)
            yield Inputs(film=mjpeg, of_film=Path(texts[0]).name)
    else:
        yield Inputs(pictures=_pictures(texts, frames))


def release_of(shown: Inputs) -> Release:
    """The files that travel, numbered: their own names may repeat, or mean something to a shell.

    What nnrun cannot decode travels as PNG.
    """
    if shown.film:
        return release_of_paths({film.NAME: shown.film}, label=shown.of_film)
    files = [lossless.as_sent(path) for path in shown.pictures]
    digits = max(4, len(str(len(files) - 1)))
    names = [f"{i:0{digits}d}{lossless.sent_suffix(path)}" for i, path in enumerate(files)]
    return release_of_paths(dict(zip(names, files, strict=True)), label=f"{len(files)} inputs")


def named(shown: Inputs) -> dict[str, str]:
    """The name a picture has on the board → where it is here."""
    sent = release_of(shown).files if shown.pictures else []
    return {
        file.name: pictures.text_of(path) for file, path in zip(sent, shown.pictures, strict=True)
    }


def _pictures(texts: Sequence[str], frames: int | None) -> list[Path]:
    """The first ``frames`` of all; what is left out is reported."""
    _say_left_out(texts)
    candidates = (
        path
        for text in texts
        for path in ([web.picture(text)] if web.is_url(text) else _local(text))
    )
    paths = list(itertools.islice(candidates, frames))
    if len(paths) > MOST:
        raise WrongInput(
            f"{len(paths)} pictures are more than the {MOST} of one run",
            remedy=f"show fewer (--frames {MOST}); a whole data set is for invoke evaluate",
        )
    return paths


def _say_left_out(texts: Sequence[str]) -> None:
    folders = [Path(text) for text in texts if not web.is_url(text) and Path(text).is_dir()]
    for folder in folders:
        if left_out := pictures.of(folder).left_out:
            say.note(f"left out of {folder}, not readable: {pictures.listed(left_out)}")
        if subfolders := [
            subfolder
            for subfolder in pictures.folders(folder)
            if pictures.of(subfolder, deep=True).pictures
        ]:
            say.note(f"left out of {folder}: its folders, for example {subfolders[0]}")


def _local(text: str) -> list[Path]:
    """The files that a path or glob means; raises ``WrongInput`` when there are none."""
    path = Path(text)
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return [path]
    start = Path(path.anchor)
    pattern = str(path.relative_to(start)) if path.anchor else text
    matches = pictures.in_order(match for match in start.glob(pattern) if match.is_file())
    if not matches:
        raise WrongInput(f"no such picture: {text}", remedy="check --input")
    return matches


def _of_folder(path: Path) -> list[Path]:
    content = pictures.of(path)
    if content.pictures:
        return content.pictures
    raise WrongInput(
        f"{path} has no readable picture",
        evidence=pictures.listed(content.left_out),
        remedy=f"accepted suffixes: {', '.join(sorted(pictures.ENDINGS))}",
    )


def _is_stream(text: str) -> bool:
    return text == CAMERA or (Path(text).is_file() and film.is_film(text))
