"""Who decodes a film, a camera or a stream, and its command line: JPEGs one after another.

ffmpeg or GStreamer on the board where it has one, else ffmpeg here. A file or a stream may be
hostile: ffmpeg gets a list of protocols, so that a playlist of the network reads no file and one
of a file no network, and of a file only the formats of films.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from piyard.core.errors import NotSetUp, SourceFailed, WrongBoard, WrongInput
from piyard.predict.sources import WEB_SCHEMES, Source

Place = Literal["board", "here"]
PLACES: tuple[Place, ...] = ("board", "here")

FFMPEG, GSTREAMER = "ffmpeg", "gst-launch-1.0"
CAMERA_PROGRAMS = ("rpicam-vid", "libcamera-vid")
FRAME_WIDTH, FRAME_HEIGHT = 1280, 720
"""Of a camera's frames; those of a stream are made no wider."""
PROTOCOLS = {
    "film": "file",
    "rtsp": "rtsp,rtp,tcp",
    "rtsps": "rtsp,rtp,tcp,tls",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
}
FILM_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,mjpeg,mjpeg_2000,h264,hevc,m4v,gif"
)
"""ffmpeg's demuxers of films: a playlist is none, whatever its file is called."""
STALL_US = 15_000_000
"""Microseconds that a server of the web may say nothing."""
UNRANKED = ",".join(
    f"{element}:NONE"
    for element in ("hlsdemux", "hlsdemux2", "dashdemux", "dashdemux2", "mssdemux", "mssdemux2")
)
"""GStreamer's readers of playlists, which may name files."""
QUALITY = "3"
"""ffmpeg's scale: 2 is best, 31 worst."""


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """The program that decodes, and where."""

    place: Place
    program: str

    @property
    def title(self) -> str:
        """For people."""
        name = _program_title(self.program)
        if self.place == "board":
            return f"decoded on the board by {name}"
        return f"decoded here by {name}, the frames are sent to the board"


def choose_decoder(
    source: Source, place: Place | None, board: str, programs: Collection[str]
) -> Decoder:
    """Who decodes it, for a board with these programs; ``place`` is the user's choice.

    Raises ``WrongBoard`` or ``NotSetUp`` where there is no program.
    """
    if source.is_boards:
        if place == "here":
            raise WrongInput(f"{source.title} is the board's", remedy="leave out --decode here")
        return _boards_decoder(source, board, programs)
    on_board = next((name for name in (FFMPEG, GSTREAMER) if name in programs), "")
    if place is None:
        place = "board" if on_board and not source.is_of_this_machine else "here"
        if place == "here" and not shutil.which(FFMPEG):
            raise NotSetUp(
                f"neither {board} nor this machine has a program that decodes {source.title}",
                remedy="sudo apt install ffmpeg, on the board or here",
            )
    if place == "board":
        return _boards_decoder(source, board, programs)
    if not shutil.which(FFMPEG):
        raise NotSetUp(
            f"ffmpeg is needed to read {source.title}, and is not installed",
            remedy="sudo apt install ffmpeg",
        )
    return Decoder(place="here", program=FFMPEG)


def describe_decoding(
    source: Source, place: Place | None, board: str, programs: Collection[str] | None
) -> str:
    """Who will decode it, as ``Decoder.title``; without ``programs`` the board is not asked yet.

    Raises what ``choose_decoder`` raises, as far as that is known.
    """
    if source.is_mjpeg:
        return "read by nnrun itself"
    of_board = CAMERA_PROGRAMS if source.kind == "camera" else (FFMPEG, GSTREAMER)
    decoder = choose_decoder(source, place, board, of_board if programs is None else programs)
    if programs is not None or decoder.place == "here":
        return decoder.title
    names = " or ".join(_program_title(name) for name in of_board)
    if place == "board" or source.is_boards:
        return f"decoded on the board by {names}"
    return f"decoded on the board where it has {names}, else here by {FFMPEG}"


def _program_title(program: str) -> str:
    return "GStreamer" if program == GSTREAMER else program


def _boards_decoder(source: Source, board: str, programs: Collection[str]) -> Decoder:
    names = CAMERA_PROGRAMS if source.kind == "camera" else (FFMPEG, GSTREAMER)
    if program := next((name for name in names if name in programs), ""):
        return Decoder(place="board", program=program)
    if source.kind == "camera":
        raise WrongBoard(
            f"{board} has no rpicam-vid, which reads the camera",
            remedy="on the board: sudo apt install rpicam-apps",
        )
    raise WrongBoard(
        f"{board} has neither ffmpeg nor GStreamer to read {source.title}",
        remedy="on the board: sudo apt install ffmpeg",
    )


def decoder_argv(
    program: str, source: Source, location: str = "", *, copies: bool = False
) -> list[str]:
    """The command that writes JPEGs to its standard output.

    ``location`` is where a film lies there. ``copies``: the device's frames are JPEGs already.
    """
    location = location or source.location
    if program in CAMERA_PROGRAMS:
        return [
            *(program, "--nopreview", "--codec", "mjpeg", "--timeout", "0"),
            *("--width", str(FRAME_WIDTH), "--height", str(FRAME_HEIGHT), "--output", "-"),
        ]
    if program == GSTREAMER:
        return _gstreamer_argv(source, location)
    return ffmpeg_argv(source, location, copies=copies)


def ffmpeg_argv(
    source: Source,
    location: str,
    *,
    copies: bool = False,
    form: str = "mjpeg",
    frames: int | None = None,
) -> list[str]:
    """ffmpeg's command; ``form`` is its name of the format that is written."""
    encoding = ["-c:v", "copy"] if copies else _encoding(source)
    return [
        *(FFMPEG, "-nostdin", "-hide_banner", "-loglevel", "error"),
        *_ffmpeg_input(source, location, copies=copies),
        *(["-frames:v", str(frames)] if frames else []),
        *("-an", "-sn", "-dn", *encoding, "-f", form, "pipe:1"),
    ]


def _ffmpeg_input(source: Source, location: str, *, copies: bool) -> list[str]:
    match source.kind:
        case "film":
            # ``file:`` keeps a name with a colon from being taken for a protocol.
            return [
                *("-protocol_whitelist", PROTOCOLS["film"]),
                *("-format_whitelist", FILM_FORMATS, "-i", f"file:{location}"),
            ]
        case "device":
            size = f"{FRAME_WIDTH}x{FRAME_HEIGHT}"
            jpegs = ["-input_format", "mjpeg"] if copies else []
            return ["-f", "v4l2", *jpegs, "-video_size", size, "-i", location]
        case _:
            return ["-fflags", "nobuffer", *_stream_options(location), "-i", location]


def _stream_options(url: str) -> list[str]:
    scheme = urlsplit(url).scheme
    of_scheme = (
        ["-rw_timeout", str(STALL_US)] if scheme in WEB_SCHEMES else ["-rtsp_transport", "tcp"]
    )
    return ["-protocol_whitelist", PROTOCOLS[scheme], *of_scheme]


def _encoding(source: Source) -> list[str]:
    """Each frame once, whatever its time; a live one no wider than a camera's."""
    scale = ["-vf", f"scale='min({FRAME_WIDTH},iw)':-2"] if source.is_live else []
    return [*scale, "-vsync", "passthrough", "-q:v", QUALITY, "-pix_fmt", "yuvj420p"]


def _gstreamer_argv(source: Source, location: str) -> list[str]:
    width = f"video/x-raw,width=[1,{FRAME_WIDTH}],pixel-aspect-ratio=1/1"
    scale = ["videoscale", "!", width, "!"] if source.is_live else []
    return [
        *("env", f"GST_PLUGIN_FEATURE_RANK={UNRANKED}", GSTREAMER, "-q"),
        *_gstreamer_input(source, location),
        *("!", "decodebin", "!", "videoconvert", "!", *scale, "jpegenc", "quality=92"),
        *("!", "fdsink", "fd=1", "sync=false"),
    ]


def _gstreamer_input(source: Source, location: str) -> list[str]:
    match source.kind:
        case "film":
            return ["filesrc", f"location={location}"]
        case "device":
            return ["v4l2src", f"device={location}"]
        case _ if urlsplit(location).scheme in WEB_SCHEMES:
            return ["souphttpsrc", f"location={location}", "timeout=15"]
        case _:
            return ["rtspsrc", f"location={location}", "protocols=tcp", "latency=200"]


def device_probe_argv(device: str) -> list[str]:
    """ffmpeg's command that lists the formats of a device, on standard error."""
    return [
        *(FFMPEG, "-nostdin", "-hide_banner", "-f", "v4l2", "-list_formats", "all"),
        *("-i", device),
    ]


FORMAT_LINE = re.compile(r"\b(Raw|Compressed)\s*:\s*(\S+)")


def gives_jpegs(device: str, board: str, listing: str) -> bool:
    """Whether the device's frames are JPEGs already, by ffmpeg's list of its formats.

    Raises ``SourceFailed`` where there is no list: it is no camera, or not to be had.
    """
    formats = FORMAT_LINE.findall(listing)
    if not formats:
        raise SourceFailed(
            f"{board}: {device} gives no picture",
            evidence=listing[-800:],
            remedy="is it plugged in? on the board: ls /dev/video*; may the user read it "
            "(group video)?",
        )
    return ("Compressed", "mjpeg") in formats
