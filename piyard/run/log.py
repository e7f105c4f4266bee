"""nnrun's log, JSON Lines: a header first, a summary last; with the types of its fields.

The lines stay dictionaries, with fields that this piyard does not know; the fields it reads have
the types and ranges given here, as the file comes from elsewhere.

"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.parsing import Count, Ms, Number, Seconds, Setting, Sides, Small, Text, Threads

LogLine = dict[str, Any]


MAX_LOG_BYTES = 512 << 20
"""Bytes of a log: each line is in memory. Five thousand pictures with masks take some 50 MB."""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of one nnrun, by type."""

    header: LogLine
    lines: list[LogLine]
    summary: LogLine | None
    """None when nnrun was interrupted."""

    def of(self, line_type: str) -> list[LogLine]:
        """The lines of that type, in order."""
        return [line for line in self.lines if line["type"] == line_type]

    def first(self, line_type: str) -> LogLine | None:
        """The first line of that type, if there is one."""
        return next(iter(self.of(line_type)), None)


def read_precision_label(path: Path) -> str:
    """The computed precision that a log names; raises ``UnreadableLog``."""
    header = read_log(path).header
    require_measured(header, str(path))
    return str(header["precision"]["label"])


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
    if not lines or lines[0]["type"] != "header":
        raise UnreadableLog(
            f"{where} does not begin with nnrun's header",
            remedy="see stderr.txt beside it for why nnrun ended",
        )
    summary = lines[-1] if lines[-1]["type"] == "summary" else None
    return Log(header=lines[0], lines=lines[1:], summary=summary)


def _parse_line(text: str, where: str) -> LogLine:
    try:
        line = msgspec.json.decode(text, type=LogLine)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableLog(f"{where} is not a log line of nnrun: {error}") from None
    if not isinstance(line.get("type"), str):
        raise UnreadableLog(f"{where} has no type")
    require_line(line, where)
    return line


class PrecisionInfo(msgspec.Struct, frozen=True):
    """The requested precision, and the one computed."""

    requested: Text = ""
    label: Text = ""
    storage: Text = ""
    arithmetic: Text = ""
    layers: Count | None = None
    quantized_layers: Count | None = None
    fp16_weight_layers: Count | None = None


class CpuInfo(msgspec.Struct, frozen=True):
    """The CPU as ncnn reports it."""

    arch: Text = ""
    features: list[Text] = []
    count: Count | None = None
    big: Count | None = None


class InputInfo(msgspec.Struct, frozen=True):
    """The input of a benchmark."""

    shape: Sides | None = None
    source: Text | None = None
    seed: Number | None = None
    span: list[Number] | None = None


class LogHeader(msgspec.Struct, frozen=True):
    """The first line of a log."""

    schema: Small | None = None
    nnrun: Text = ""
    build: Text = ""
    ncnn: Text = ""
    task: Text = ""
    uptime_s: Seconds | None = None
    cpu: CpuInfo | None = None
    threads: Threads | None = None
    powersave: Small | None = None
    precision: PrecisionInfo | None = None
    options: dict[str, Setting] | None = None
    env: dict[str, Text] | None = None
    input: InputInfo | None = None


class TimedLine(msgspec.Struct, frozen=True):
    """A sample, an inference to warm up, or a whole round."""

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
    half_width: Number | None = None
    images: Count | None = None
    failed: Count | None = None


LINE_TYPES: Mapping[str, type[msgspec.Struct]] = {
    "header": LogHeader,
    "sample": TimedLine,
    "warmup": TimedLine,
    "end_to_end": TimedLine,
    "load": LoadLine,
    "cold": ColdLine,
    "summary": LogSummary,
}


class WeightsInfo(msgspec.Struct, frozen=True):
    """The weights of a conversion."""

    kind: Text = ""
    seed: Count | None = None
    sha256: Text = ""


class NetSize(msgspec.Struct, frozen=True):
    """The size of a net."""

    params: Count | None = None
    macs: Count | None = None


class ModelInfo(msgspec.Struct, frozen=True):
    """A record's ``model``."""

    name: Text
    title: Text
    input: Sides
    key: Text = ""
    task: Text = ""
    params: Count | None = None
    macs: Count | None = None
    main: NetSize | None = None
    weights: WeightsInfo | None = None


class BuildInfo(msgspec.Struct, frozen=True):
    """A record's ``build``."""

    key: Text


class BenchInfo(msgspec.Struct, frozen=True):
    """How long a benchmark was to measure."""

    loops: Count | None = None
    budget_s: Seconds | None = None
    warmup: Text | Count | None = None


class JobInfo(msgspec.Struct, frozen=True):
    """A benchmark's job."""

    bench: BenchInfo | None = None


class WhatInfo(msgspec.Struct, frozen=True):
    """A record's ``what``."""

    task: Text = ""
    slug: Text = ""
    job: JobInfo | None = None


def require_type(content: Any, type_: type[msgspec.Struct], where: str) -> None:
    """Raise ``UnreadableLog``, naming ``where`` and the field, for content not of that type."""
    try:
        msgspec.convert(content, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreadableLog(
            f"{where} holds something that nnrun does not write: {error}",
            remedy="move it away, and measure again",
        ) from None


def require_line(line: Mapping[str, Any], where: str) -> None:
    """The same for a log line, by its type."""
    if type_ := LINE_TYPES.get(str(line["type"])):
        require_type(line, type_, where)


def require_measured(header: Mapping[str, Any], where: str) -> None:
    """Raise for a header without the precision and the number of threads."""
    precision = header.get("precision") or {}
    missing = [name for name in ("requested", "label") if not precision.get(name)]
    missing += [] if header.get("threads") else ["threads"]
    if missing:
        raise UnreadableLog(
            f"{where} holds something that nnrun does not write: a header without "
            f"{', '.join(missing)}",
            remedy="move it away, and measure again",
        )
