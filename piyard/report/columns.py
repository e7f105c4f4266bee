"""The columns of a row, each once: text, Markdown, CSV, JSON, JUnit and the page read this list.

A column with a title is for people and for programs; one without is for CSV and JUnit alone, as
JSON has the row's own struct. Programs get plain numbers: Params and MACs are counts, Energy is
joules of one inference, Cost dollars of the board, Latency the median in milliseconds. What is
unknown is N/A for people, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from operator import attrgetter

import msgspec

from piyard.core.tables import Column
from piyard.core.text import (
    NOT_KNOWN,
    format_count,
    format_digits,
    format_money,
    format_percent,
    format_scaled,
)
from piyard.report.comments import comments_text
from piyard.results.judge import is_believable
from piyard.results.result import Row
from piyard.results.summary import Summary, interval_width


def input_resolution(row: Row) -> str:
    """Height by width of the input; of a language model the tokens of a sample."""
    if row.tokens:
        return format_count(row.tokens.work.tokens, "token")
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


DECIMAL_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def parse_accuracy(text: str | None) -> tuple[float | None, str]:
    """``69.76 % top-1`` → 69.76, ``% top-1``: only equal measures can be compared."""
    match = DECIMAL_NUMBER.search(text or "")
    if not match or not text:
        return None, ""
    return float(match[0]), text.replace(match[0], "", 1).strip()


def _pixels(row: Row) -> int:
    sides = row.input[1:]
    return sides[0] * sides[1] if len(sides) > 1 else sum(sides)


COMMENTS = "comments"
COLUMNS: Sequence[Column[Row]] = (
    Column(
        key="hardware",
        title="Hardware",
        value=lambda row: row.hardware,
        css="name",
        width="minmax(84px, 1fr)",
        help="The kind of board",
    ),
    Column(
        key="model",
        title="Model",
        value=lambda row: row.title,
        css="name strong",
        width="minmax(116px, 1.2fr)",
        help="The network that ran",
    ),
    Column(
        key="resolution",
        title="Input Resolution",
        value=input_resolution,
        sort=_pixels,
        width="76px",
        help="Height by width of the input, in pixels; of a language model tokens",
    ),
    Column(
        key="batch",
        title="Batch",
        value=lambda _row: 1,
        css="number desktop",
        width="42px",
        help="Inputs of one inference",
    ),
    Column(
        key="data_type",
        title="Data type",
        value=lambda row: row.data_type,
        width="38px",
        help="The precision that was computed, which need not be the requested one; "
        "int8+fp16 (17/53): 17 of the 53 layers that multiply are int8",
    ),
    Column(
        key="params",
        title="Params",
        value=lambda row: row.params,
        text=lambda row: format_scaled(row.params, 1e6, "M"),
        css="number",
        width="60px",
        help="Parameters of the network",
    ),
    Column(
        key="macs",
        title="GFLOPs/MACs",
        value=lambda row: row.macs,
        text=lambda row: format_scaled(row.macs, 1e9, "GMACs"),
        css="number",
        width="92px",
        help="Multiplications with addition of one inference",
    ),
    Column(
        key="accuracy",
        title="Accuracy",
        value=lambda row: row.accuracy,
        text=lambda row: row.accuracy or NOT_KNOWN,
        sort=lambda row: parse_accuracy(row.accuracy)[0],
        width="80px",
        help="What an evaluation of the same conversion in the same precision measured",
    ),
    Column(
        key="fps",
        title="FPS",
        value=lambda row: row.fps,
        text=lambda row: mark_invalid(row, format_digits(row.fps)),
        css="number figure",
        width="60px",
        help="Inferences a second, one after the other, by the median; of a language model tokens",
    ),
    Column(
        key="latency",
        title="Latency (ms)",
        value=lambda row: row.summary.median,
        text=latency_text,
        css="number figure",
        width="118px",
        help="The median of one inference (a prompt, a token), and half of its 95 % interval",
    ),
    Column(
        key="energy",
        title="Energy",
        value=lambda row: row.power and row.power.joules,
        text=energy_text,
        css="number half",
        width="64px",
        help="Energy of one inference, idle power included, and who measured it",
    ),
    Column(
        key="cost",
        title="Cost ($)",
        value=lambda row: row.cost and row.cost.board,
        text=cost_text,
        css="number half nowrap",
        width="112px",
        help="What the board cost, and when",
    ),
    Column(
        key=COMMENTS,
        title="Comments",
        value=comments_text,
        css="last",
        width="",
        help="The verdict with its reasons, and what else to know before believing the row",
    ),
    Column(key="verdict", value=lambda row: row.verdict.state),
    Column(key="reasons", value=lambda row: " ".join(r.code for r in row.verdict.reasons)),
    Column(key="board", value=lambda row: row.host),
    Column(key="target", value=lambda row: row.target),
    Column(key="emulated", value=lambda row: row.emulated),
    Column(key="threads", value=lambda row: row.threads),
    Column(key="precision_asked", value=lambda row: row.precision),
    Column(key="random_seed", value=lambda row: row.random_seed),
    Column(key="samples", value=lambda row: row.summary.count),
    Column(key="interval_half_width", value=lambda row: interval_width(row.summary)),
    *(
        Column(key=f"{name}_ms", value=attrgetter(f"summary.{name}"))
        for name in Summary.__struct_fields__
        if name != "count"
    ),
    Column(key="engine", value=lambda row: row.tokens and row.tokens.work.engine),
    Column(key="test", value=lambda row: row.tokens and row.tokens.work.test),
    Column(key="tokens_per_s", value=lambda row: row.tokens and row.tokens.per_s),
    Column(key="ceiling_per_s", value=lambda row: row.tokens and row.tokens.ceiling_per_s),
    Column(key="first_token_ms", value=lambda row: row.first_token_ms),
    Column(key="bytes_per_token", value=lambda row: row.tokens and row.tokens.bytes_per_token),
    Column(key="joules_per_token", value=lambda row: row.joules_per_token),
    Column(key="end_to_end_ms", value=lambda row: row.end_to_end and row.end_to_end.median),
    Column(key="cold_ms", value=lambda row: row.cold_ms),
    Column(key="energy_above_idle_j", value=lambda row: row.power and row.power.above_idle_joules),
    Column(key="average_w", value=lambda row: row.power and row.power.average_w),
    Column(key="idle_w", value=lambda row: row.power and row.power.idle_w),
    Column(key="wall_w", value=lambda row: row.power and row.power.wall_w),
    Column(key="energy_source", value=lambda row: row.power and row.power.source),
    Column(key="board_price_date", value=lambda row: (row.cost and row.cost.board_date) or None),
    Column(key="energy_cost_per_million", value=lambda row: row.cost and row.cost.per_million),
    Column(key="output_ok", value=lambda row: row.check and row.check.ok),
    Column(key="output_cosine", value=lambda row: row.check and row.check.cosine),
    Column(key="published_ms", value=lambda row: row.published and row.published.ms),
    Column(key="floor_ms", value=lambda row: row.floor and row.floor.ms),
    Column(key="floor_bound", value=lambda row: row.floor and row.floor.bound),
    Column(key="peak_rss_kb", value=lambda row: row.peak_rss_kb),
    Column(key="build", value=lambda row: row.build),
    Column(key="model_key", value=lambda row: row.model_key),
    Column(key="when", value=lambda row: row.when),
    Column(key="run", value=lambda row: row.run),
)


def shown_columns(rows: Sequence[Row], *, long: bool = True) -> list[Column[Row]]:
    """The columns for people; of several boards, each row says in Comments which it is from."""
    named = len({row.host for row in rows}) > 1
    comments = partial(comments_text, named=named, long=long)
    return [
        msgspec.structs.replace(column, text=comments) if column.key == COMMENTS else column
        for column in COLUMNS
        if column.title
    ]
