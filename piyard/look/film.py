"""Video files as the MJPEG stream that nnrun reads."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from piyard import say
from piyard.errors import NotSetUp, WrongInput

MJPEG = (".mjpeg", ".mjpg")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v")
NAME = "film.mjpeg"


def is_film(text: str) -> bool:
    """Whether that file's name is one of a video."""
    return Path(text).suffix.lower() in (*MJPEG, *VIDEOS)


def as_mjpeg(video: Path, folder: Path, frames: int | None = None) -> Path:
    """The film as JPEG after JPEG, made in ``folder`` by ffmpeg where it is not so already.

    Raises ``NotSetUp`` without ffmpeg, ``WrongInput`` for what it cannot read.
    """
    if video.suffix.lower() in MJPEG and frames is None:
        return video
    ffmpeg = shutil.which("ffmpeg")
    if not ffmpeg:
        raise NotSetUp(
            f"ffmpeg is needed to read {video.name}, and is not installed",
            remedy="install ffmpeg, or show a folder of the film's pictures",
        )
    mjpeg = folder / NAME
    with say.step(f"unpack {video.name}"):
        process = subprocess.run(
            _argv(ffmpeg, video, mjpeg, frames),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    if process.returncode or not mjpeg.is_file() or not mjpeg.stat().st_size:
        raise WrongInput(
            f"ffmpeg cannot read {video}",
            evidence=process.stderr.decode(errors="replace")[-800:],
            remedy="check --input",
        )
    return mjpeg


def _argv(ffmpeg: str, video: Path, mjpeg: Path, frames: int | None) -> list[str]:
    """``file:`` keeps a name with a colon from being taken for a protocol."""
    return [
        *(ffmpeg, "-nostdin", "-v", "error", "-i", f"file:{video.absolute()}"),
        *(["-frames:v", str(frames)] if frames else []),
        *("-an", "-f", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", "-y", str(mjpeg)),
    ]
