"""nnrun's log, JSON Lines: a header first, a summary last; with the types of its lines.

Header, summary and times have types and ranges, as the file comes from elsewhere. Lines about
pictures and blobs stay dictionaries: who reads them gives them a type.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.parsing import (
    Count,
    Integer,
    JsonObject,
    Ms,
    Number,
    Seconds,
    Setting,
    Sides,
    Small,
    Text,
    Threads,
)

LogLine = JsonObject


MAX_LOG_BYTES = 512 << 20
"""Bytes of a log: each line is in memory. Five thousand pictures with masks take some 50 MB."""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of one nnrun, by type."""

    header: LogHeader
    samples: list[TimedLine] = []
    warmup: list[TimedLine] = []
    end_to_end: list[TimedLine] = []
    """Of decoding, pre-processing, inference and post-processing together."""
    load_ms: float | None = None
    cold: ColdLine | None = None
    lines: list[LogLine] = []
    """All others, in order."""
    summary: LogSummary | None = None
    """None when nnrun was interrupted."""

    def of(self, line_type: str) -> list[LogLine]:
        """The other lines of that type, in order."""
        return [line for line in self.lines if line["type"] == line_type]


def read_precision_label(path: Path) -> str:
    """The computed precision that a log names; raises ``UnreadableLog``."""
    header = read_log(path).header
    require_measured(header, str(path))
    return header.precision.label


def read_log(path: Path) -> Log:
    """The log in a file; raises ``UnreadableLog``. An incomplete last line is left out."""
    try:
        if path.stat().st_size > MAX_LOG_BYTES:
            raise UnreadableLog(f"{path} is larger than {MAX_LOG_BYTES >> 20} MB")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnreadableLog(f"{path} cannot be read: {error.strerror}") from None
    return parse_log(text, str(path))


def parse_log(text: str, where: str) -> Log:
    """The log of that text; ``where`` names it in errors."""
    lines = [
        _parse_line(line, f"{where}:{i}") for i, line in enumerate(text.split("\n")[:-1], 1) if line
    ]
    header = lines[0] if lines else None
    if not isinstance(header, LogHeader):
        raise UnreadableLog(
            f"{where} does not begin with nnrun's header",
            remedy="see stderr.txt beside it for why nnrun ended",
        )
    loads, cold = _of_type(lines, LoadLine), _of_type(lines, ColdLine)
    timed = _of_type(lines, TimedLine)
    return Log(
        header=header,
        samples=[line for line in timed if line.type == "sample"],
        warmup=[line for line in timed if line.type == "warmup"],
        end_to_end=[line for line in timed if line.type == "end_to_end"],
        load_ms=loads[0].ms if loads else None,
        cold=cold[0] if cold else None,
        lines=_of_type(lines, dict),
        summary=lines[-1] if isinstance(lines[-1], LogSummary) else None,
    )


T = TypeVar("T")


def _of_type(lines: list[AnyLine], type_: type[T]) -> list[T]:
    return [line for line in lines if isinstance(line, type_)]


class _LineType(msgspec.Struct, frozen=True):
    type: str


def _parse_line(text: str, where: str) -> AnyLine:
    try:
        line_type = msgspec.json.decode(text, type=_LineType).type
        return msgspec.json.decode(text, type=LINE_TYPES.get(line_type, LogLine))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableLog(
            f"{where} is not a log line of nnrun: {error}",
            remedy="move it away, and measure again",
        ) from None


class PrecisionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The requested precision, and the one computed."""

    requested: Text = ""
    storage: Text = ""
    arithmetic: Text = ""
    label: Text = ""
    layers: Count | None = None
    quantized_layers: Count | None = None
    fp16_weight_layers: Count | None = None


class CpuInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The CPU as ncnn reports it."""

    arch: Text | None = None
    features: list[Text] | None = None
    count: Count | None = None
    big: Count | None = None


class NetFiles(msgspec.Struct, frozen=True, omit_defaults=True):
    """The net that was loaded."""

    param: Text | None = None
    bin: Text | None = None
    layers: Count | None = None
    blobs: Count | None = None
    weights: Text | None = None
    """The format they are stored in."""


class InputInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The input of a benchmark."""

    blob: Text | None = None
    shape: Sides | None = None
    source: Text | None = None
    seed: Integer | Number | None = None
    span: list[Integer | Number] | None = None


class LogHeader(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="header"):
    """The first line of a log."""

    schema: Small | None = None
    nnrun: Text | None = None
    build: Text | None = None
    ncnn: Text | None = None
    task: Text | None = None
    uptime_s: Seconds | None = None
    cpu: CpuInfo | None = None
    threads: Threads = 0
    """Missing where no net is loaded."""
    powersave: Small | None = None
    precision: PrecisionInfo = PrecisionInfo()
    """Missing where no net is loaded."""
    options: dict[str, Setting] | None = None
    env: dict[str, Text] | None = None
    model: NetFiles | None = None
    input: InputInfo | None = None


class TimedLine(msgspec.Struct, frozen=True):
    """A sample, an inference to warm up, or a whole round."""

    type: str
    ms: Ms
    at: Seconds | None = None
    i: Count | None = None


class LoadLine(msgspec.Struct, frozen=True):
    """How long loading took."""

    ms: Ms


class ColdLine(msgspec.Struct, frozen=True):
    """A start with nothing in memory."""

    load_ms: Ms | None = None
    first_ms: Ms | None = None


class LogSummary(msgspec.Struct, frozen=True):
    """The last line of a log."""

    stopped: Text = ""
    samples: Count | None = None
    peak_rss_kb: Count | None = None
    weight_bytes: Count | None = None
    """Of a language model: what a token reads."""
    half_width: Number | None = None
    images: Count | None = None
    dropped: Count | None = None
    """Frames of a live stream that were too late."""
    failed: Count | None = None


AnyLine = LogHeader | TimedLine | LoadLine | ColdLine | LogSummary | LogLine

LINE_TYPES: Mapping[str, type[AnyLine]] = {
    "header": LogHeader,
    "sample": TimedLine,
    "warmup": TimedLine,
    "end_to_end": TimedLine,
    "load": LoadLine,
    "cold": ColdLine,
    "summary": LogSummary,
}


def require_measured(header: LogHeader, where: str) -> None:
    """Raise for a header without the precision and the number of threads."""
    precision = header.precision
    values = {
        "requested": precision.requested,
        "label": precision.label,
        "threads": header.threads,
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise UnreadableLog(
            f"{where} holds something that nnrun does not write: a header without "
            f"{', '.join(missing)}",
            remedy="move it away, and measure again",
        )
