"""What moves and is shown to a model: films, the board's cameras, streams of the network.

A film is a file here. Devices are the board's. A stream's URL may hold a password: it goes to the
program that decodes it, and everything else sees ``Source.title``.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.text import mask_secrets

SourceKind = Literal["film", "camera", "device", "stream"]

CAMERA = "camera"
DEVICE = re.compile(r"/dev/(?:video[0-9]{1,3}|v4l/by-(?:id|path)/[A-Za-z0-9_.:+-]+)")
DEVICE_NUMBER = re.compile(r"[0-9]{1,2}")
MJPEG_SUFFIXES = (".mjpeg", ".mjpg")
VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv"),
)
STREAM_SUFFIXES = (*MJPEG_SUFFIXES, *VIDEO_SUFFIXES, ".m3u8", ".mpd", ".sdp")
WEB_SCHEMES = ("http", "https")
STREAM_SCHEMES = ("rtsp", "rtsps", *WEB_SCHEMES)
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
UNSAFE_IN_URL = re.compile(r"[^\x21-\x7e]|[\\\"'<>`]")
"""GStreamer's command line gives some of them a meaning, and no URL has them unescaped."""
URL_REMEDY = "write rtsp://USER:PASSWORD@HOST:PORT/PATH, special characters as %XX"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A film, a camera or a stream."""

    kind: SourceKind
    location: str = ""
    """A film's path here, a device's there, or a stream's URL, perhaps with a password."""

    @property
    def is_live(self) -> bool:
        """Whether it goes on whether or not somebody looks at it."""
        return self.kind != "film"

    @property
    def is_boards(self) -> bool:
        """Whether only the board has it."""
        return self.kind in {"camera", "device"}

    @property
    def is_mjpeg(self) -> bool:
        """Whether it is a film that nnrun reads by itself."""
        return self.kind == "film" and Path(self.location).suffix.lower() in MJPEG_SUFFIXES

    @property
    def is_of_this_machine(self) -> bool:
        """Whether its URL names the loopback, which on a board means the board."""
        host = _split_url(self.location).hostname or "" if self.kind == "stream" else ""
        return host == "localhost" or _is_loopback(host)

    @property
    def title(self) -> str:
        """For people, without a password."""
        names = {"film": Path(self.location).name, "camera": "the camera"}
        return names.get(self.kind) or mask_secrets(self.location)


def find_source(text: str, *, as_stream: bool = False) -> Source | None:
    """The source that an input names; None for pictures.

    A URL of the web is a stream by its suffix, or with ``as_stream`` unless it has a picture's.
    Raises ``WrongInput`` for a URL that is none.
    """
    if text == CAMERA:
        return Source(kind="camera")
    if device := _device_path(text):
        return Source(kind="device", location=device)
    if SCHEME.match(text) and not Path(text).exists():
        return _find_stream(text, as_stream=as_stream)
    is_film = Path(text).is_file() and has_suffix(text, *MJPEG_SUFFIXES, *VIDEO_SUFFIXES)
    return Source(kind="film", location=text) if is_film else None


def is_web_url(text: str) -> bool:
    """Whether it is a URL of the web rather than a path."""
    return text.lower().startswith(tuple(f"{scheme}://" for scheme in WEB_SCHEMES))


def has_suffix(path: str, *suffixes: str) -> bool:
    """Whether a path ends so, in any case."""
    return Path(path).suffix.lower() in suffixes


def _device_path(text: str) -> str:
    if DEVICE_NUMBER.fullmatch(text) and not Path(text).exists():
        return f"/dev/video{int(text)}"
    return text if DEVICE.fullmatch(text) else ""


def _find_stream(text: str, *, as_stream: bool) -> Source | None:
    from piyard.vision.pictures import READABLE_SUFFIXES

    url = _require_url(text)
    if url.scheme in WEB_SCHEMES:
        is_picture = has_suffix(url.path, *READABLE_SUFFIXES)
        if not has_suffix(url.path, *STREAM_SUFFIXES) and (is_picture or not as_stream):
            return None
    return Source(kind="stream", location=text)


def _require_url(text: str) -> SplitResult:
    url = _split_url(text)
    if url.scheme not in STREAM_SCHEMES:
        raise WrongInput(
            f"{mask_secrets(text)}: streams of {url.scheme}:// are not read",
            remedy="give one of rtsp://, rtsps://, http:// or https://, or a file",
        )
    if not url.hostname or UNSAFE_IN_URL.search(text):
        raise WrongInput(
            f"{mask_secrets(text)} is not a URL",
            remedy=URL_REMEDY,
        )
    return url


def _split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:  # its text, and ours, could show a part of a password
        scheme = text.partition("://")[0]
        raise WrongInput(f"what follows {scheme}:// is not a URL", remedy=URL_REMEDY) from None
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
