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
    return tables.render(COLUMNS, [row(result) for result in results], form)


def row(result: Result) -> list[str]:
    """One result in the order of ``COLUMNS``."""
    model = result.record.model
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
        "; ".join(comments(result)),
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
    told.append(f"{result.threads} threads, {len(result.samples_ms)} runs, median")
    told.append(_check(result))
    return told


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
        dict(zip(COLUMNS, row(result), strict=True))
        | {"run": result.record.id, "samples_ms": result.samples_ms}
        for result in results
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
