"""How a film, a camera or a stream ended: by itself, without a frame, or in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from piyard.core.errors import SourceFailed
from piyard.core.text import format_count, mask_secrets
from piyard.predict.sources import Source

CODE_FILE, REPORT_FILE = "decoder.code", "decoder.txt"
"""What board/scripts/feed.sh leaves in a run's folder."""
LONGEST_REPORT = 4000
SILENCE_S = 20
"""Without a frame for so long, a camera or a stream has ended."""
REMEDIES = {
    "film": "check the file, or decode it here: --decode here",
    "camera": "is it plugged in? on the board: rpicam-hello --list-cameras",
    "device": "does another program use it? on the board: fuser -v /dev/video*",
    "stream": "check address and password; --decode here or board says who reads it",
}


class DecoderReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the decoder ended."""

    code: int | None = None
    """Its exit code, where it ended by itself."""
    said: str = ""


class Seen(Protocol):
    """What is asked of a prediction."""

    @property
    def host(self) -> str:
        """Its board."""

    @property
    def ending(self) -> str:
        """Why nnrun stopped looking."""

    @property
    def frame_count(self) -> int:
        """Frames that came, those that could not be read too."""


def read_decoder_report(folder: Path) -> DecoderReport:
    """That of a decoder on the board, in a run's folder."""
    code = _read(folder / CODE_FILE).strip()
    return DecoderReport(
        code=int(code) if code.isascii() and code.isdecimal() else None,
        said=mask_secrets(_read(folder / REPORT_FILE)),
    )


def source_failure(
    source: Source, seen: Seen, report: DecoderReport, *, is_over: bool
) -> SourceFailed | None:
    """The error of a source that gave nothing, or broke off; None for one that ended as it should.

    ``is_over``: it was not the user, nor the time limit, that ended it.
    """
    if not is_over:
        return None
    if not seen.frame_count:
        return _failure(f"{seen.host}: {source.title} gave no frame", source, seen, report)
    if seen.ending == "silent" or (seen.ending != "count" and report.code):
        frames = format_count(seen.frame_count, "frame")
        return _failure(
            f"{seen.host}: {source.title} broke off after {frames}", source, seen, report
        )
    return None


def ending_note(source: Source, seen: Seen, *, is_over: bool) -> str:
    """One line about a live source that ended by itself; empty for any other."""
    if not (source.is_live and is_over and seen.ending == "end" and seen.frame_count):
        return ""
    return f"{seen.host}: the stream ended after {format_count(seen.frame_count, 'frame')}"


def _failure(what: str, source: Source, seen: Seen, report: DecoderReport) -> SourceFailed:
    is_silent = seen.ending == "silent"  # and what the decoder said is that it was ended
    evidence = f"nothing came for {SILENCE_S} s" if is_silent else report.said
    return SourceFailed(what, evidence=evidence, remedy=REMEDIES[source.kind])


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_REPORT)
    except OSError:
        return ""
