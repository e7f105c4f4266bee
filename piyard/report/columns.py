"""Rows and comparisons for people, cell by cell; unknown is N/A, never a guess.

The comments say what a reader must know before believing a row; what weighs most comes first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from piyard.core.tables import render_table
from piyard.core.text import (
    NOT_KNOWN,
    escape_json,
    format_count,
    format_digits,
    format_money,
    format_percent,
    format_scaled,
    sanitize_line,
)
from piyard.results.comparison import JobComparison, effect_text, interval_text
from piyard.results.judge import is_believable
from piyard.results.row import Row
from piyard.results.summary import interval_width


def row_comments(row: Row, *, named: bool = False) -> list[str]:
    """The parts of the Comments column; ``named`` says which board it is."""
    *identity, threads = _identity_comments(row, named=named)
    parts = [
        _verdict_comment(row),
        *identity,
        f"{threads}, {format_count(row.summary.count, 'run')}, median",
        *_other_times_comments(row),
        *([] if row.emulated else [_reference_comment(row), _roofline_comment(row)]),
        _energy_cost_comment(row),
        _output_comment(row),
    ]
    return [part for part in parts if part]


def brief_comments(row: Row, *, named: bool = False) -> list[str]:
    """What a terminal has room for: the verdict, its first reason, and what distinguishes rows."""
    more = len(row.verdict.reasons) - 1
    parts = [
        _verdict_comment(row, reasons=1),
        f"{format_count(more, 'more reason')}"
        if more > 0 and row.verdict.state != "EMULATED"
        else "",
        *_identity_comments(row, named=named),
        "" if row.check is None or row.check.ok else _output_comment(row),
    ]
    return [part for part in parts if part]


def _identity_comments(row: Row, *, named: bool) -> list[str]:
    """What was measured, where the other columns do not say it."""
    return [
        f"on {row.host}" if named else "",
        _weights_comment(row),
        "" if row.data_type.startswith(row.precision) else f"{row.precision} asked for",
        format_count(row.threads, "thread"),
    ]


def _verdict_comment(row: Row, reasons: int | None = None) -> str:
    """The verdict with so many of its reasons; None stands for all.

    The conditions on an emulated board do not matter: its time is not a Pi's anyway.
    """
    state = row.verdict.state
    if state == "EMULATED":
        return "EMULATED: not a Pi's time"
    texts = "; ".join(reason.text for reason in row.verdict.reasons[:reasons])
    return f"{state}: {texts}" if texts else state


def _weights_comment(row: Row) -> str:
    return "" if row.random_seed is None else f"random weights (seed {row.random_seed})"


def _other_times_comments(row: Row) -> list[str]:
    """End to end, and from a cold start."""
    whole = row.end_to_end
    return [
        f"end to end {format_digits(whole.median)} ms" if whole else "",
        "" if row.cold_ms is None else f"cold start {format_digits(row.cold_ms)} ms",
    ]


def _reference_comment(row: Row) -> str:
    published = row.published
    if not published:
        return ""
    why = f": {', '.join(published.likely)}" if published.likely else ""
    return f"{row.published_ratio:.2f}x the published {format_digits(published.ms)} ms{why}"


def _roofline_comment(row: Row) -> str:
    floor = row.floor
    if not floor or row.floor_ratio is None:
        return ""
    how = " (by Winograd)" if floor.bound == "compute" and row.floor_ratio < 1 else ""
    return f"{row.floor_ratio:.1f}x the {floor.bound} floor{how}"


def _energy_cost_comment(row: Row) -> str:
    if row.cost is None or row.cost.per_million is None:
        return ""
    return f"${format_digits(row.cost.per_million)} of energy a million inferences"


def _output_comment(row: Row) -> str:
    if row.check is None:
        return "output not checked"
    verdict = "output as the original's" if row.check.ok else "OUTPUT DIFFERS from the original's"
    if row.check.ok and row.check.empty:
        return f"output check proves nothing: {row.check.empty}"
    if row.check.blind:
        return f"{verdict} (by its difference: it is {row.check.blind})"
    return f"{verdict} (cosine {row.check.cosine:.6f})"


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


def row_cells(row: Row, *, named: bool = False, long: bool = True) -> list[str]:
    """One row in the order of ``COLUMNS``; ``named`` says in Comments which board it is.

    Without ``long`` Comments is the verdict with its first reason.
    """
    remarks = row_comments if long else brief_comments
    return [
        row.hardware,
        row.title,
        input_resolution(row),
        "1",
        row.data_type,
        format_scaled(row.params, 1e6, "M"),
        format_scaled(row.macs, 1e9, "GMACs"),
        row.accuracy or NOT_KNOWN,
        mark_invalid(row, format_digits(row.fps)),
        latency_text(row),
        energy_text(row),
        cost_text(row),
        "; ".join(remarks(row, named=named)),
    ]


def input_resolution(row: Row) -> str:
    """Height by width of the input."""
    return "x".join(str(side) for side in row.input[1:])


def latency_text(row: Row) -> str:
    """The median and half the width of its 95 % interval: ``19.84 ±0.4 %``."""
    half = interval_width(row.summary)
    around = "" if half is None else f" ±{format_percent(half)} %"
    return mark_invalid(row, format_digits(row.summary.median) + around)


def mark_invalid(row: Row, figure: str) -> str:
    """An INVALID figure carries the word itself: it may be copied without its comment."""
    return figure if is_believable(row.verdict) else f"INVALID {figure}"


def energy_text(row: Row) -> str:
    """Of one inference, and who measured it."""
    power = row.power
    return f"{format_digits(power.joules)} J ({power.source})" if power else NOT_KNOWN


def cost_text(row: Row) -> str:
    """What the board cost, and when."""
    if row.cost is None or row.cost.board is None:
        return NOT_KNOWN
    when = f" ({row.cost.board_date})" if row.cost.board_date else ""
    return format_money(row.cost.board) + when


COMPARISON_COLUMNS = ("Job", "A (ms)", "B (ms)", "Effect", "95 % interval", "U", "p", "Verdict")


def render_comparison(jobs: Sequence[JobComparison], form: str, limit: float | None = None) -> str:
    """The jobs in one of ``tables.FORMATS``; ``limit`` is how much slower is allowed."""
    if form == "json":
        fields = [_comparison_fields(job, limit) for job in jobs]
        return escape_json(json.dumps(fields, indent=2, ensure_ascii=False))
    if form == "csv":
        flat = [_flatten_fields(_comparison_fields(job, limit)) for job in jobs]
        return render_table(list(flat[0]), [list(job.values()) for job in flat], form)
    shown = [[sanitize_line(cell) for cell in _comparison_cells(job)] for job in jobs]
    return render_table(COMPARISON_COLUMNS, shown, form)


def _comparison_cells(job: JobComparison) -> list[str]:
    compared = job.comparison
    figures = [
        format_digits(compared.median_a),
        format_digits(compared.median_b),
        effect_text(compared),
        interval_text(compared),
    ]
    return [job.job, *figures, f"{compared.u:g}", f"{compared.p:.2g}", verdict_text(job)]


def verdict_text(job: JobComparison) -> str:
    """The verdict, with the reason where it is not significant."""
    compared = job.comparison
    marks = [
        *(["emulated"] if job.emulated else []),
        *([] if job.confirmed else ["not confirmed when measured again"]),
    ]
    mark = f" ({', '.join(marks)})" if marks else ""
    doubt = f": {compared.why}" if compared.verdict == "not significant" else ""
    return f"{compared.verdict}{mark}{doubt}"


def _comparison_fields(job: JobComparison, limit: float | None) -> dict[str, Any]:
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


def _flatten_fields(fields: dict[str, Any]) -> dict[str, str]:
    """Lists joined by blanks, and what differs as text."""
    differ = "; ".join(f"{d['facet']} {d['a']} and {d['b']}" for d in fields["differences"])
    lists = {name: " ".join(fields[name]) for name in ("runs_a", "runs_b")}
    return {name: str(value) for name, value in {**fields, **lists, "differences": differ}.items()}
