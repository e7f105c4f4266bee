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


def render(jobs: Sequence[Compared], form: str, limit: float | None = None) -> str:
    """The jobs in one of ``tables.FORMATS``; ``limit`` is how much slower is allowed."""
    if form == "json":
        fields = [_fields(job, limit) for job in jobs]
        return harmless.json(json.dumps(fields, indent=2, ensure_ascii=False))
    if form == "csv":
        flat = [_flat(_fields(job, limit)) for job in jobs]
        return tables.render(list(flat[0]), [list(job.values()) for job in flat], form)
    shown = [[harmless.line(cell) for cell in _cells(job)] for job in jobs]
    return tables.render(COLUMNS, shown, form)


def _cells(job: Compared) -> list[str]:
    compared = job.comparison
    figures = [
        digits(compared.median_a),
        digits(compared.median_b),
        effect_text(compared),
        interval_text(compared),
    ]
    return [job.job, *figures, f"{compared.u:g}", f"{compared.p:.2g}", verdict_text(job)]


def verdict_text(job: Compared) -> str:
    """The verdict, with the reason where it is not significant."""
    compared = job.comparison
    marks = [
        *(["emulated"] if job.emulated else []),
        *([] if job.confirmed else ["not confirmed when measured again"]),
    ]
    mark = f" ({', '.join(marks)})" if marks else ""
    doubt = f": {compared.why}" if compared.verdict == "not significant" else ""
    return f"{compared.verdict}{mark}{doubt}"


def _fields(job: Compared, limit: float | None) -> dict[str, Any]:
    compared, a, b = job.comparison, job.a[0], job.b[0]
    return {
        "host_a": a.host,
        "host_b": b.host,
        "model_a": a.model,
        "model_b": b.model,
        "asked_a": a.precision,
        "asked_b": b.precision,
        "threads_a": a.threads,
        "threads_b": b.threads,
        "build_a": a.build,
        "build_b": b.build,
        "emulated": job.emulated,
        "runs_a": [row.run for row in job.a],
        "runs_b": [row.run for row in job.b],
        "median_a_ms": compared.median_a,
        "median_b_ms": compared.median_b,
        "effect_percent": 100 * compared.effect,
        "low_percent": 100 * compared.low,
        "high_percent": 100 * compared.high,
        "u": compared.u,
        "p": compared.p,
        "verdict": compared.verdict,
        "why": compared.why,
        "confirmed": job.confirmed,
        "too_slow": job.too_slow(limit),
        "differences": [msgspec.to_builtins(difference) for difference in job.differences],
    }


def _flat(fields: dict[str, Any]) -> dict[str, str]:
    """Lists joined by blanks, and what differs as text."""
    differ = "; ".join(f"{d['facet']} {d['a']} and {d['b']}" for d in fields["differences"])
    lists = {name: " ".join(fields[name]) for name in ("runs_a", "runs_b")}
    return {name: str(value) for name, value in {**fields, **lists, "differences": differ}.items()}
