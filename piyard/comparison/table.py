"""Compared jobs as tables for people, and with plain numbers for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from piyard import harmless, tables
from piyard.comparison.compared import Compared, effect_text, interval_text
from piyard.report.figures import digits

COLUMNS = ("Job", "A (ms)", "B (ms)", "Effect", "95 % interval", "U", "p", "Verdict")


def render(found: Sequence[Compared], form: str, limit: float | None = None) -> str:
    """The jobs in one of ``tables.FORMATS``; ``limit`` is how much slower is allowed."""
    if form == "json":
        told = [_fields(one, limit) for one in found]
        return harmless.json(json.dumps(told, indent=2, ensure_ascii=False))
    if form == "csv":
        flat = [_flat(_fields(one, limit)) for one in found]
        return tables.render(list(flat[0]), [list(one.values()) for one in flat], form)
    shown = [[harmless.line(cell) for cell in _cells(one)] for one in found]
    return tables.render(COLUMNS, shown, form)


def _cells(one: Compared) -> list[str]:
    told = one.comparison
    figures = [digits(told.median_a), digits(told.median_b), effect_text(told), interval_text(told)]
    return [one.job, *figures, f"{told.u:g}", f"{told.p:.2g}", verdict_text(one)]


def verdict_text(one: Compared) -> str:
    """What it comes to; why, where nothing is shown."""
    told = one.comparison
    marks = [
        *(["emulated"] if one.emulated else []),
        *([] if one.confirmed else ["not confirmed when measured again"]),
    ]
    mark = f" ({', '.join(marks)})" if marks else ""
    doubt = f": {told.why}" if told.verdict == "not significant" else ""
    return f"{told.verdict}{mark}{doubt}"


def _fields(one: Compared, limit: float | None) -> dict[str, Any]:
    told, a, b = one.comparison, one.a[0], one.b[0]
    return {
        "host_a": a.host,
        "host_b": b.host,
        "model_a": a.model,
        "model_b": b.model,
        "asked_a": a.asked,
        "asked_b": b.asked,
        "threads_a": a.threads,
        "threads_b": b.threads,
        "build_a": a.build,
        "build_b": b.build,
        "emulated": one.emulated,
        "runs_a": [row.run for row in one.a],
        "runs_b": [row.run for row in one.b],
        "median_a_ms": told.median_a,
        "median_b_ms": told.median_b,
        "effect_percent": 100 * told.effect,
        "low_percent": 100 * told.low,
        "high_percent": 100 * told.high,
        "u": told.u,
        "p": told.p,
        "verdict": told.verdict,
        "why": told.why,
        "confirmed": one.confirmed,
        "too_slow": one.too_slow(limit),
        "differences": [msgspec.to_builtins(difference) for difference in one.differences],
    }


def _flat(fields: dict[str, Any]) -> dict[str, str]:
    """Lists joined by blanks, and what differs as text."""
    differ = "; ".join(f"{d['facet']} {d['a']} and {d['b']}" for d in fields["differences"])
    lists = {name: " ".join(fields[name]) for name in ("runs_a", "runs_b")}
    return {name: str(value) for name, value in {**fields, **lists, "differences": differ}.items()}
