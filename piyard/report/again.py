"""The command that measures a row again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piyard import emulator
from piyard.result import Result
from piyard.row import Row


def command(row: Row, result: Result | None = None) -> list[str]:
    """``invoke bench`` with all flags that matter; its length is the result's."""
    kind = [] if emulator.is_emulated(row.host) else ["--target", row.target]
    return [
        *("invoke", "bench", "--host", row.host, *kind, "--model", row.model),
        *("--precision", row.precision, "--threads", str(row.threads)),
        *([] if row.random_seed is None else ["--random-weights"]),
        *(_how_long(result) if result else []),
    ]


def _how_long(result: Result) -> list[str]:
    bench: Mapping[str, Any] = (result.record.what.get("job") or {}).get("bench") or {}
    length = (
        ["--loops", str(bench["loops"])]
        if bench.get("loops")
        else ["--budget", f"{bench['budget_s']:g}"]
        if bench.get("budget_s")
        else []
    )
    warmup = bench.get("warmup", "auto")
    return length + ([] if warmup == "auto" else ["--warmup", str(warmup)])
