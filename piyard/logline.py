"""The types of nnrun's log lines and of a run's record: both come from elsewhere.

The lines stay dictionaries, with fields that this piyard does not know; the fields it reads have
the types and ranges given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from piyard.errors import UnreadableLog

Text = Annotated[str, Meta(max_length=10_000)]
Number = Annotated[float, Meta(ge=-1e15, le=1e15)]
Ms = Annotated[float, Meta(ge=0, le=1e12)]
"""Milliseconds, up to some thirty years."""
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=10**15)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Small = Annotated[int, Meta(ge=-(10**6), le=10**6)]
Threads = Annotated[int, Meta(ge=1, le=4096)]
Setting = Text | Number | bool | None
Sides = Annotated[list[Annotated[int, Meta(ge=0, le=10**7)]], Meta(max_length=8)]


class Precision(msgspec.Struct, frozen=True):
    """The requested precision, and the one computed."""

    requested: Text = ""
    label: Text = ""
    storage: Text = ""
    arithmetic: Text = ""
    layers: Count | None = None
    quantized_layers: Count | None = None
    fp16_weight_layers: Count | None = None


class Cpu(msgspec.Struct, frozen=True):
    """The CPU as ncnn reports it."""

    arch: Text = ""
    features: list[Text] = []
    count: Count | None = None
    big: Count | None = None


class Input(msgspec.Struct, frozen=True):
    """The input of a benchmark."""

    shape: Sides | None = None
    source: Text | None = None
    seed: Number | None = None
    span: list[Number] | None = None


class Header(msgspec.Struct, frozen=True):
    """The first line of a log."""

    schema: Small | None = None
    nnrun: Text = ""
    build: Text = ""
    ncnn: Text = ""
    task: Text = ""
    uptime_s: Seconds | None = None
    cpu: Cpu | None = None
    threads: Threads | None = None
    powersave: Small | None = None
    precision: Precision | None = None
    options: dict[str, Setting] | None = None
    env: dict[str, Text] | None = None
    input: Input | None = None


class Timed(msgspec.Struct, frozen=True):
    """A sample, an inference to warm up, or a whole round."""

    ms: Ms
    at: Seconds | None = None
    i: Count | None = None


class Load(msgspec.Struct, frozen=True):
    """How long loading took."""

    ms: Ms


class Cold(msgspec.Struct, frozen=True):
    """A start with nothing in memory."""

    load_ms: Ms | None = None
    first_ms: Ms | None = None


class Summary(msgspec.Struct, frozen=True):
    """The last line of a log."""

    stopped: Text = ""
    samples: Count | None = None
    peak_rss_kb: Count | None = None
    half_width: Number | None = None
    images: Count | None = None
    failed: Count | None = None


TYPES: Mapping[str, type[msgspec.Struct]] = {
    "header": Header,
    "sample": Timed,
    "warmup": Timed,
    "end_to_end": Timed,
    "load": Load,
    "cold": Cold,
    "summary": Summary,
}


class Weights(msgspec.Struct, frozen=True):
    """The weights of a conversion."""

    kind: Text = ""
    seed: Count | None = None
    sha256: Text = ""


class Size(msgspec.Struct, frozen=True):
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
    main: Size | None = None
    weights: Weights | None = None


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


def require(content: Any, type_: type[msgspec.Struct], where: str) -> None:
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
    if type_ := TYPES.get(str(line["type"])):
        require(line, type_, where)


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
