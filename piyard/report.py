"""Results → the table: thirteen columns, unknown is N/A, never a guess."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from piyard import tables
from piyard.result import Result

COLUMNS = (
    "Hardware",
    "Model",
    "Input Resolution",
    "Batch",
    "Data type",
    "Params",
    "GFLOPs/MACs",
    "Accuracy",
    "FPS",
    "Latency (ms)",
    "Energy",
    "Cost ($)",
    "Comments",
)
NOT_KNOWN = "N/A"


def render(results: Sequence[Result], form: str = "plain") -> str:
    """The results as a table; as JSON each row also carries its run and every sample."""
    if form == "json":
        return _json(results)
    return tables.render(COLUMNS, _rows(results), form)


def _rows(results: Sequence[Result]) -> list[list[str]]:
    """Where there are several boards, each row says which it is from."""
    several = len({result.record.host for result in results}) > 1
    return [row(result, named=several) for result in results]


def row(result: Result, *, named: bool = False) -> list[str]:
    """One result in the order of ``COLUMNS``; ``named`` says in Comments which board it is."""
    model = result.record.model
    where = [f"on {result.record.host}"] if named else []
    return [
        result.record.hardware,
        str(model["title"]),
        "x".join(str(side) for side in model["input"][1:]),
        "1",
        result.data_type,
        _scaled(model.get("params"), 1e6, "M"),
        _scaled(model.get("macs"), 1e9, "GMACs"),
        NOT_KNOWN,
        f"{result.fps:.2f}",
        f"{result.latency_ms:.2f}",
        NOT_KNOWN,
        NOT_KNOWN,
        "; ".join(where + comments(result)),
    ]


def comments(result: Result) -> list[str]:
    """What a reader must know before believing the row."""
    told = []
    if result.record.emulated:
        told.append("emulated: not a Pi's time")
    weights = result.record.model.get("weights") or {}
    if weights.get("kind") == "random":
        told.append(f"random weights (seed {weights['seed']})")
    asked = result.header["precision"]["requested"]
    if not result.data_type.startswith(asked):
        told.append(f"{asked} asked for")
    told.append(
        f"{_count(result.threads, 'thread')}, {_count(len(result.samples_ms), 'run')}, median"
    )
    told.append(_check(result))
    return told


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check(result: Result) -> str:
    check = result.record.check
    if not check:
        return "output not checked"
    worst = min(check.cosine.values())
    verdict = "output as torch's" if check.ok else "OUTPUT DIFFERS from torch's"
    return f"{verdict} (cosine {worst:.6f})"


def _scaled(value: Any, unit: float, name: str) -> str:
    return NOT_KNOWN if value is None else f"{value / unit:.2f} {name}"


def _json(results: Sequence[Result]) -> str:
    rows = [
        dict(zip(COLUMNS, cells, strict=True))
        | {
            "board": result.record.host,
            "run": result.record.id,
            "samples_ms": result.samples_ms,
        }
        for result, cells in zip(results, _rows(results), strict=True)
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
