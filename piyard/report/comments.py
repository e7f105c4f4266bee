"""What a reader must know before believing a row; what weighs most comes first."""

from __future__ import annotations

from piyard.core.text import format_count, format_digits
from piyard.results.result import Row, Verdict


def row_comments(row: Row, *, named: bool = False) -> list[str]:
    """The parts of the Comments column; ``named`` says which board it is."""
    *identity, threads = _identity_comments(row, named=named)
    parts = [
        _verdict_comment(row),
        *identity,
        f"{threads}, {format_count(row.summary.count, 'run')}, median",
        *_token_comments(row),
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
        _end_to_end_comment(row),
        "" if row.check is None or row.check.ok else _output_comment(row),
    ]
    return [part for part in parts if part]


def _identity_comments(row: Row, *, named: bool) -> list[str]:
    """What was measured, where the other columns do not say it."""
    return [
        f"on {row.host}" if named else "",
        _weights_comment(row),
        "" if row.data_type.startswith(row.precision) else f"{row.precision} asked for",
        row.tokens.name if row.tokens else "",
        format_count(row.threads, "thread"),
    ]


def _verdict_comment(row: Row, reasons: int | None = None) -> str:
    return describe_verdict(row.verdict, reasons)


def describe_verdict(verdict: Verdict, reasons: int | None = None) -> str:
    """The verdict with so many of its reasons; None stands for all.

    The conditions on an emulated board do not matter: its time is not a Pi's anyway.
    """
    if verdict.state == "EMULATED":
        return "EMULATED: not a Pi's time"
    texts = "; ".join(reason.text for reason in verdict.reasons[:reasons])
    return f"{verdict.state}: {texts}" if texts else verdict.state


def _weights_comment(row: Row) -> str:
    return "" if row.random_seed is None else f"random weights (seed {row.random_seed})"


def _token_comments(row: Row) -> list[str]:
    """What a token of a language model takes, and what the board's memory allows."""
    tokens = row.tokens
    if tokens is None:
        return []
    read, limit, joules = tokens.bytes_per_token, tokens.ceiling_per_s, row.joules_per_token
    return [
        "" if read is None else f"{read / 1e6:.1f} MB read a token",
        "" if limit is None or row.emulated else f"memory allows {format_digits(limit)} tokens/s",
        "" if row.peak_rss_kb is None else f"peak memory {row.peak_rss_kb / 1024:.0f} MB",
        "" if joules is None else f"{format_digits(joules)} J a token",
    ]


def _end_to_end_comment(row: Row) -> str:
    whole = row.end_to_end
    return f"end to end {format_digits(whole.median)} ms" if whole else ""


def _other_times_comments(row: Row) -> list[str]:
    """End to end, and from a cold start."""
    return [
        _end_to_end_comment(row),
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
    if row.tokens:
        return ""  # prove compares its logits
    if row.check is None:
        return "output not checked"
    verdict = "output as the original's" if row.check.ok else "OUTPUT DIFFERS from the original's"
    if row.check.ok and row.check.empty:
        return f"output check proves nothing: {row.check.empty}"
    if row.check.blind:
        return f"{verdict} (by its difference: it is {row.check.blind})"
    return f"{verdict} (cosine {row.check.cosine:.6f})"


def comments_text(row: Row, *, named: bool = False, long: bool = True) -> str:
    """The comments in one cell; without ``long`` the verdict with its first reason."""
    return "; ".join((row_comments if long else brief_comments)(row, named=named))
