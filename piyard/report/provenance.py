"""Where a row comes from: model, build, board and options, as lines of name and value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from piyard.result import Result
from piyard.row import Row

Line = tuple[str, str]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Lines under a title."""

    title: str
    lines: Sequence[Line]


def groups(row: Row, result: Result | None) -> list[Group]:
    """All that is known; without the result, what the row itself keeps."""
    if result is None:
        fields = {"run": row.run, "when": row.when, "model_key": row.model_key, "build": row.build}
        return [Group(title="Run", lines=list(lines(fields)))]
    record = result.record
    sections: dict[str, Any] = {
        "Run": _run(result),
        "Computed as": {name: v for name, v in result.header.items() if name in COMPUTED},
        "Model": record.model,
        "Build": record.build,
        "Board": msgspec.to_builtins(record.before),
        "Board afterwards": _changed(result),
    }
    groups = [Group(title=title, lines=list(lines(of))) for title, of in sections.items()]
    return [group for group in groups if group.lines]


COMPUTED = ("precision", "threads", "powersave", "cpu", "options", "env", "nnrun", "ncnn", "input")
"""What nnrun says of itself in its first line."""


def lines(fields: Mapping[str, Any], prefix: str = "") -> Iterator[Line]:
    """Leaves of nested mappings with their path as name; what is unknown is left out."""
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from lines(value, f"{path} · ")
        elif value is not None and value != "":
            yield path, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)


def _run(result: Result) -> dict[str, Any]:
    record = result.record
    what = {name: v for name, v in record.what.items() if name not in {"task", "slug"}}
    return {
        "id": record.id,
        "when": record.when,
        "host": record.host,
        "target": record.target,
        "release": record.release,
        **what,
        "samples": len(result.samples_ms),
        "stopped": result.stopped,
        "load_ms": result.load_ms,
        "first_ms": result.first_ms,
        "peak_rss_kb": result.peak_rss_kb,
        "output": msgspec.to_builtins(record.check),
    }


def _changed(result: Result) -> dict[str, Any]:
    """The board's facts after the run, as far as they are others than before."""
    record = result.record
    if record.after is None:
        return {}
    before, after = msgspec.to_builtins(record.before), msgspec.to_builtins(record.after)
    return {name: value for name, value in after.items() if value != before.get(name)}
