"""The way of pictures, films, cameras and streams to nnrun on one board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.board.release import Release, release_of_paths
from piyard.board.ssh import commands
from piyard.predict.command import Inputs, make_release, release_path
from piyard.predict.decoders import Decoder, decoder_argv, ffmpeg_argv
from piyard.predict.ending import SILENCE_S
from piyard.predict.files import FILM_NAME
from piyard.predict.sources import Source


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """How inputs come to nnrun on one board."""

    arguments: Sequence[str]
    """nnrun's, for what it looks at."""
    release: Release | None = None
    """Files that it needs there."""
    stdin_from: Sequence[str] = ()
    """The script that feeds nnrun's standard input, and its arguments."""
    relay: Sequence[str] = ()
    """The command here whose frames are sent to the board while it runs."""


def plan_feed(shown: Inputs, decoder: Decoder | None = None, *, copies: bool = False) -> Feed:
    """The way of these inputs to nnrun.

    ``decoder`` is whoever decodes what moves, but for a film that nnrun reads by itself.
    ``copies``: the device's frames are JPEGs already.
    """
    if shown.source is None:
        release = make_release(shown)
        return Feed(arguments=["--", release_path(release)], release=release)
    if shown.is_live and decoder:
        return _plan_live_feed(shown, shown.source, decoder, copies=copies)
    return _plan_film_feed(shown, shown.source, decoder)


def _plan_live_feed(shown: Inputs, source: Source, decoder: Decoder, *, copies: bool) -> Feed:
    arguments = [*_stream_arguments(shown), "--latest", str(SILENCE_S)]
    if decoder.place == "here":
        argv = ffmpeg_argv(source, source.location, form="mpjpeg")
        return Feed(arguments=arguments, stdin_from=_script("receive", str(SILENCE_S)), relay=argv)
    argv = decoder_argv(decoder.program, source, copies=copies)
    return Feed(arguments=arguments, stdin_from=_script("feed", str(len(argv)), *argv))


def _plan_film_feed(shown: Inputs, source: Source, decoder: Decoder | None) -> Feed:
    arguments = _stream_arguments(shown)
    if decoder and decoder.place == "board":
        name = f"film{Path(source.location).suffix.lower()}"
        release = release_of_paths({name: Path(source.location)}, label=source.title)
        argv = decoder_argv(decoder.program, source, f"{release_path(release)}/{name}")
        script = _script("feed", str(len(argv)), *argv)
        return Feed(arguments=arguments, release=release, stdin_from=script)
    mjpeg = shown.unpack() if shown.unpack else Path(source.location)
    release = release_of_paths({FILM_NAME: mjpeg}, label=source.title)
    script = _script("film", f"{release_path(release)}/{FILM_NAME}")
    return Feed(arguments=arguments, release=release, stdin_from=script)


def _stream_arguments(shown: Inputs) -> list[str]:
    return ["--stdin", "mjpeg", *(["--stop-after", str(shown.frames)] if shown.frames else [])]


def _script(name: str, *arguments: str) -> list[str]:
    return ["sh", "-c", commands.script_text(name), name, *arguments]
