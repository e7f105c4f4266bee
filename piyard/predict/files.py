"""Files around a prediction: films as MJPEG, pictures from the web, names of what was drawn."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from piyard.core import console, download, paths
from piyard.core.cancel import TemporaryError, with_retries
from piyard.core.errors import DownloadFailed, WrongInput
from piyard.core.files import atomic_write
from piyard.core.text import mask_secrets
from piyard.predict.decoders import ffmpeg_argv
from piyard.predict.sources import Source

if TYPE_CHECKING:
    from requests import Response


FILM_NAME = "film.mjpeg"


def convert_to_mjpeg(film: Source, folder: Path, frames: int | None = None) -> Path:
    """The film as JPEG after JPEG, made in ``folder`` by ffmpeg where it is not so already.

    Raises ``NotSetUp`` without ffmpeg, ``WrongInput`` for what it cannot read.
    """
    video, mjpeg = Path(film.location), folder / FILM_NAME
    if film.is_mjpeg:
        return video
    with console.step(f"unpack {video.name}"), mjpeg.open("wb") as output:
        process = subprocess.run(
            ffmpeg_argv(film, str(video.absolute()), frames=frames),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    if process.returncode or not mjpeg.stat().st_size:
        raise WrongInput(
            f"ffmpeg cannot read {video}",
            evidence=process.stderr.decode(errors="replace")[-800:],
            remedy="check --input",
        )
    return mjpeg


LARGEST_DOWNLOAD = 50_000_000
"""Bytes; no camera makes a larger JPEG."""
TRIES = 3
DOWNLOAD_LIMIT_S = 120.0
"""For all of it, however slowly it comes."""
WEB_FORMATS = {"JPEG": ".jpg", "PNG": ".png"}
STREAM_TYPES = (
    *("video/", "multipart/x-mixed-replace"),
    *("application/vnd.apple.mpegurl", "application/x-mpegurl", "application/dash+xml"),
)
_BLOCK = 1 << 16


class StreamFound(Exception):
    """The address leads to a stream, not to a picture."""


def fetch_picture(url: str) -> Path:
    """The picture at that address, as a file in the cache.

    Raises ``DownloadFailed``, and ``StreamFound`` where there is a film or a stream.
    """
    try:
        return with_retries(lambda: _store_picture(_request(url), url), TRIES, download.BACK_OFF_S)
    except TemporaryError as error:
        raise _download_error(url, str(error)) from None


def plain_name(url: str) -> str:
    """The last part of an address without special characters and suffix."""
    last = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")
    stem = last[0] or last[2]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60] or "picture"


def _request(url: str) -> bytes:
    import requests

    try:
        with requests.get(
            url, stream=True, timeout=(download.CONNECT_S, download.STALL_S)
        ) as response:
            _check_response(response, url)
            return _read_body(response, url)
    except requests.RequestException as error:
        if download.is_invalid_url(error):
            raise _download_error(url, str(error)) from None
        raise TemporaryError(download.connection_problem(error)) from None


def _check_response(response: Response, url: str) -> None:
    status = response.status_code
    download.require_no_temporary_status(response)
    if status != 200:
        raise _download_error(url, f"the server answers {status} {response.reason}")
    if response.headers.get("Content-Type", "").lower().startswith(STREAM_TYPES):
        raise StreamFound
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LARGEST_DOWNLOAD:
        raise _too_large_error(url)


def _read_body(response: Response, url: str) -> bytes:
    body, deadline = bytearray(), time.monotonic() + DOWNLOAD_LIMIT_S
    for block in response.iter_content(_BLOCK):
        body += block
        if len(body) > LARGEST_DOWNLOAD:
            raise _too_large_error(url)
        if time.monotonic() > deadline:
            raise _download_error(url, f"not complete after {DOWNLOAD_LIMIT_S:g} s")
    return bytes(body)


def _store_picture(body: bytes, url: str) -> Path:
    ending = _picture_suffix(body, url)
    folder = paths.cache() / "inputs" / hashlib.sha256(body).hexdigest()[:16]
    final = folder / f"{plain_name(url)}{ending}"
    with atomic_write(final) as draft:
        draft.write_bytes(body)
    return final


def _picture_suffix(body: bytes, url: str) -> str:
    """By the content, whatever the address says; all of it must decode."""
    import io

    from PIL import Image

    try:
        with Image.open(io.BytesIO(body)) as opened:
            kind = opened.format or "?"
            opened.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _download_error(url, f"the content is not a picture: {error}") from None
    if kind not in WEB_FORMATS:
        raise _download_error(url, f"it is a {kind}; only JPEG and PNG are accepted")
    return WEB_FORMATS[kind]


def _too_large_error(url: str) -> DownloadFailed:
    return _download_error(url, f"it is larger than {LARGEST_DOWNLOAD / 1e6:.0f} MB")


def _download_error(url: str, why: str) -> DownloadFailed:
    return DownloadFailed(
        f"{mask_secrets(url)} cannot be shown",
        evidence=mask_secrets(why),
        remedy="check the address, or give a file; a stream is one by --decode",
    )


DRAWN_FOLDER = "drawn"
"""Within a run's folder."""
DRAWN_SUFFIX = ".jpg"
LONGEST_STEM = 200
"""Bytes of a name without its ending: file systems take 255."""


def name_drawings(inputs: Sequence[str]) -> list[str]:
    """A file name for each path: its own, behind its folder's where two have the same.

    What is the same still, as a picture that was shown twice, is counted.
    """
    plain = _lengthen_duplicates(
        [_stem(path) for path in inputs], lambda at: _with_folder(inputs[at])
    )
    seen: Counter[str] = Counter()
    files = []
    for name in plain:
        seen[_name_key(name)] += 1
        count = seen[_name_key(name)]
        while count > 1 and _name_key(f"{name}-{count}") in seen:
            count += 1
        counted = name if count == 1 else f"{name}-{count}"
        seen[_name_key(counted)] += count > 1
        files.append(f"{counted}{DRAWN_SUFFIX}")
    return files


def place_drawings(outputs: Path, inputs: Mapping[str, str]) -> None:
    """Move what nnrun drew by numbers, to the folder beside, under the pictures' names.

    ``inputs`` are the names that the pictures had on the board, by their order, and those here.
    Where it cannot be moved it stays where it is.
    """
    folder = outputs.parent / DRAWN_FOLDER
    for at, name in enumerate(name_drawings([inputs[there] for there in sorted(inputs)])):
        numbered = outputs / f"{at:04d}{DRAWN_SUFFIX}"
        if numbered.is_file() and not numbered.is_symlink():
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
                numbered.replace(folder / name)


def _lengthen_duplicates(stems: Sequence[str], longer: Callable[[int], str]) -> list[str]:
    counts = Counter(map(_name_key, stems))
    return [longer(at) if counts[_name_key(stem)] > 1 else stem for at, stem in enumerate(stems)]


def _stem(path: str) -> str:
    return _shorten(Path(path).stem)


def _with_folder(path: str) -> str:
    folder = Path(path).absolute().parent.name
    return _shorten(f"{folder}_{Path(path).stem}" if folder else Path(path).stem)


def _shorten(name: str) -> str:
    return name.encode(errors="surrogateescape")[:LONGEST_STEM].decode(errors="ignore") or "picture"


def _name_key(name: str) -> str:
    """Names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def open_viewer(paths: Sequence[Path]) -> list[subprocess.Popen[bytes]]:
    """Open files and folders with the desktop's viewer; where there is none, say where they are.

    The viewers outlive us; whoever wants to wait for them can.
    """
    viewer = _find_viewer()
    if viewer is None:
        for path in paths:
            console.info(f"no desktop to show it on: {path}")
        return []
    return [_open_path(viewer, path) for path in paths]


def _open_path(viewer: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [viewer, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _find_viewer() -> str | None:
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_screen else None


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Of each picture its file's name, with the folder's where another one is called the same."""
    plain = {path: Path(path).name for path in paths}
    counts = Counter(plain.values())
    return {
        path: name if counts[name] == 1 else str(Path(Path(path).parent.name, name))
        for path, name in plain.items()
    }
