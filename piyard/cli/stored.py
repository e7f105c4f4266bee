"""Stored results: listed with their changes, and compared with each other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.board.fleet.selection import select_boards
from piyard.cli.desk_requests import CompareRequest, HistoryRequest
from piyard.core import console
from piyard.core.errors import PROGRAM, PiyardError, WrongInput, did_you_mean
from piyard.core.tables import Column, render_items
from piyard.core.text import format_digits
from piyard.report.formats import render_comparison
from piyard.results.comparison import (
    EMULATED_NOTE,
    MAX_NOTES,
    JobChange,
    ResultPair,
    change_since,
    job_text,
    note_differences,
    note_lines,
    note_rows,
    require_not_slower,
)
from piyard.results.conditions import (
    EMULATION,
    compared_conditions,
    differing_conditions,
    find_differences,
    forbidden_differences,
    missing_facets,
    parse_across,
    root_conditions,
)
from piyard.results.history import ALL_RESULTS, query_history
from piyard.results.index_db import ResultFilter, ResultIndex, parse_since
from piyard.results.result import Row
from piyard.results.result_files import load_result, short_run_id
from piyard.results.selection import (
    TIME_KEYS,
    JobPair,
    Pairing,
    Selection,
    Side,
    describe_left_out,
    pair_results,
    parse_side,
    select,
)
from piyard.results.summary import interval_width


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    row: Row
    change: JobChange
    short: str
    """A unique prefix of the run's id."""


class HistoryList(msgspec.Struct, frozen=True, kw_only=True):
    """What the index answers."""

    lines: Sequence[HistoryLine]
    passing: int
    """The number of matching results, without the limit."""
    hosts: Sequence[str]
    """All stored boards and models, for the error when nothing matches."""
    models: Sequence[str]


def list_results(request: HistoryRequest) -> None:
    """Print one line a result, the newest last."""
    filters = _filters(request)
    answer = query_history(
        lambda catalogue: _query_index(catalogue, filters), rebuild=request.rebuild
    )
    if not answer.lines:
        raise _no_results(filters, answer)
    print(render_items(HISTORY_COLUMNS, answer.lines, request.format))
    if left := answer.passing - len(answer.lines):
        console.info(
            f"{left} older results are left out: --last {answer.passing} shows all, --since …"
        )


def _filters(request: HistoryRequest) -> ResultFilter:
    return ResultFilter(
        hosts=[host for text in request.hosts for host in _hosts(text)],
        models=request.models,
        since=parse_since(request.since),
        last=request.last,
    )


def _hosts(text: str) -> list[str]:
    """The boards of a tag; any other text is a name or a glob over stored results."""
    if not text.startswith("@"):
        return [text]

    return [board.name for board in select_boards([text])]


def _query_index(catalogue: ResultIndex, filters: ResultFilter) -> HistoryList:
    runs = catalogue.runs()
    lines = [
        HistoryLine(
            row=row,
            change=change_since(catalogue.previous(row), row),
            short=short_run_id(row.run, runs),
        )
        for row in catalogue.rows(filters)
    ]
    return HistoryList(
        lines=lines,
        passing=catalogue.count(filters),
        hosts=[] if lines else catalogue.hosts(),
        models=[] if lines else catalogue.models(),
    )


def _no_results(filters: ResultFilter, answer: HistoryList) -> WrongInput:
    if not answer.hosts:
        return WrongInput("no results are stored yet", remedy=f"{PROGRAM} deploy-bench makes some")
    for noun, named, stored in (
        ("board", filters.hosts, answer.hosts),
        ("model", filters.models, answer.models),
    ):
        if named and not set(named) & set(stored):
            return WrongInput(
                f"no result of {noun} {', '.join(named)}{did_you_mean(named[0], stored)}",
                remedy=f"there are results of {', '.join(stored)}",
            )
    return WrongInput("no result passes these filters", remedy="loosen them: --since, --host, …")


def _median_text(line: HistoryLine) -> str:
    half, median = interval_width(line.row.summary), line.row.summary.median
    around = "" if half is None else f" ± {format_digits(half * median)}"
    return format_digits(median) + around


HISTORY_COLUMNS: Sequence[Column[HistoryLine]] = (
    Column(key="run", title="Run", value=lambda line: line.row.run, text=lambda line: line.short),
    Column(
        key="when",
        title="When (UTC)",
        value=lambda line: line.row.when,
        text=lambda line: line.row.when[:16].replace("T", " "),
    ),
    Column(key="host", title="Board", value=lambda line: line.row.host),
    Column(key="hardware", value=lambda line: line.row.hardware),
    Column(
        key="model",
        title="Model",
        value=lambda line: line.row.model,
        text=lambda line: line.row.subject,
    ),
    Column(key="test", value=lambda line: line.row.tokens and line.row.tokens.work.test),
    Column(key="engine", value=lambda line: line.row.tokens and line.row.tokens.work.engine),
    Column(key="tokens_per_s", value=lambda line: line.row.tokens and line.row.tokens.per_s),
    Column(key="build", value=lambda line: line.row.build),
    Column(key="asked", value=lambda line: line.row.precision),
    Column(key="data_type", title="Data type", value=lambda line: line.row.data_type),
    Column(key="threads", title="Threads", value=lambda line: line.row.threads),
    Column(key="samples", value=lambda line: line.row.summary.count),
    Column(
        key="median_ms",
        title="Median (ms)",
        value=lambda line: line.row.summary.median,
        text=_median_text,
    ),
    Column(key="low_ms", value=lambda line: line.row.summary.low),
    Column(key="high_ms", value=lambda line: line.row.summary.high),
    Column(key="verdict", title="Verdict", value=lambda line: line.row.verdict.state),
    Column(
        key="reasons",
        value=lambda line: "; ".join(reason.text for reason in line.row.verdict.reasons),
    ),
    Column(key="change_percent", value=lambda line: line.change.percent),
    Column(key="change", title="Change", value=lambda line: line.change.text),
)


AB_HINT = f"{PROGRAM} ab measures both builds in turns, and again before it fails"


def compare_stored(request: CompareRequest) -> None:
    """Print what became of each job from A to B.

    With ``fail_above`` raises ``SlowerThanAllowed`` when a job is significantly slower and its
    effect is above that; else ``WrongInput`` when some pairs are unlike.
    """
    limit = request.fail_above
    across = parse_across(request.across)
    sides = parse_side(request.a), parse_side(request.b)
    results = [_load_pair(pair) for pair in _pairs(sides)]
    read = results if request.emulated else _without_emulated(results)
    free = compared_conditions(
        _compared_conditions(sides) | across, [pair.differences for pair in read]
    )
    unlike = [pair for pair in read if forbidden_differences(pair.differences, free)]
    fit = [pair for pair in read if not forbidden_differences(pair.differences, free)]
    refusal = _refusal(unlike, free, across) if unlike else None
    if refusal and not fit:
        raise refusal
    comparisons = [pair.comparison() for pair in fit]
    _print_notes(fit)
    print(render_comparison(comparisons, request.format, limit))
    require_not_slower(comparisons, limit, AB_HINT)
    if refusal:
        raise refusal


def _pairs(sides: tuple[Side, Side]) -> Sequence[JobPair]:
    """The pairs of both sides; prints what is left out."""
    rows, runs = query_history(lambda catalogue: (catalogue.rows(ALL_RESULTS), catalogue.runs()))
    if not rows:
        raise WrongInput("no results are stored yet", remedy=f"{PROGRAM} deploy-bench makes some")
    of_a, of_b = (select(each, rows, runs) for each in sides)
    for text, selection in zip([each.text for each in sides], (of_a, of_b), strict=True):
        _require_some(text, selection)
    note_lines([describe_left_out(row) for row in (*of_a.left_out, *of_b.left_out)])
    paired = pair_results(*sides, of_a.rows, of_b.rows)
    _say_unpaired(paired)
    if not paired.pairs:
        raise _no_pair(sides, paired)
    return paired.pairs


def _require_some(text: str, selection: Selection) -> None:
    if not selection.rows:
        raise WrongInput(
            f"'{text}' has only INVALID results, and those are never compared",
            evidence="\n".join(describe_left_out(row) for row in selection.left_out[:MAX_NOTES]),
            remedy=f"measure again: {PROGRAM} bench --rerun-invalid 2",
        )


def _load_pair(pair: JobPair) -> ResultPair:
    a, b = (load_result(row.run) for row in pair)
    return ResultPair(pair=pair, a=a, b=b, differences=find_differences(a, b))


def _without_emulated(read: Sequence[ResultPair]) -> Sequence[ResultPair]:
    """The pairs without those of two emulated boards; a mixed pair is refused later."""
    alone = [each.pair.a.emulated and each.pair.b.emulated for each in read]
    if not any(alone):
        return read
    what = f"{sum(alone)} of {len(read)} pairs are of emulated boards: {EMULATED_NOTE}"
    remedy = "--emulated compares them with each other anyway"
    if all(alone):
        raise WrongInput(what, remedy=remedy)
    console.info(f"left out: {what}; {remedy}")
    return [pair for pair, emulated in zip(read, alone, strict=True) if not emulated]


def _compared_conditions(sides: tuple[Side, Side]) -> frozenset[str]:
    """The conditions that the two sets compare: the keys on which they differ."""
    a, b = (each.conditions for each in sides)
    keys = {key for key in (a.keys() | b.keys()) - TIME_KEYS if a.get(key) != b.get(key)}
    return frozenset(key.replace("_", "-") for key in keys)


def _refusal(
    unlike: Sequence[ResultPair], free: frozenset[str], across: frozenset[str]
) -> PiyardError:
    """The error that names all unlike conditions, and the flag that allows them."""
    apart = [forbidden_differences(pair.differences, free) for pair in unlike]
    lines = [
        f"{pair.job}: {'; '.join(difference.text for difference in differences)}"
        for pair, differences in zip(unlike, apart, strict=True)
    ]
    names = frozenset[str]().union(*map(differing_conditions, apart))
    if EMULATION in names:
        return WrongInput(
            "an emulator's time is never compared with a board's", evidence="\n".join(lines)
        )
    compared_names = sorted(root_conditions(names) | across)
    return WrongInput(
        f"unlike conditions: {len(unlike)} {'job' if len(unlike) == 1 else 'jobs'} not compared",
        evidence="\n".join(lines),
        remedy="measure both alike, or say that you compare just that: "
        f"--across {','.join(compared_names)}",
    )


def _no_pair(sides: tuple[Side, Side], paired: Pairing) -> WrongInput:
    if paired.same:
        return WrongInput(
            f"'{sides[0].text}' and '{sides[1].text}' are the same result",
            evidence="\n".join(row.run for row in paired.same[:MAX_NOTES]),
            remedy=f"{PROGRAM} history lists others",
        )
    return WrongInput(
        "the two sides have no job in common",
        evidence="\n".join(_unpaired_lines(paired)[:MAX_NOTES]),
        remedy="a job is a model, requested precision, threads and host; what is compared may vary",
    )


def _say_unpaired(paired: Pairing) -> None:
    if paired.pairs:
        note_lines(_unpaired_lines(paired))
        note_lines([f"left out: {row.run} is the newest on both sides" for row in paired.same])


def _unpaired_lines(paired: Pairing) -> list[str]:
    only = [("A", row) for row in paired.only_a] + [("B", row) for row in paired.only_b]
    return [f"only on side {where}: {job_text(row, row)}" for where, row in only]


def _print_notes(read: Sequence[ResultPair]) -> None:
    """Print what is compared, and caveats for reading the table."""
    note_differences([difference for pair in read for difference in pair.differences])
    if untold := {facet for pair in read for facet in missing_facets(pair.a, pair.b)}:
        console.info(f"reported by one side only, assumed equal: {', '.join(sorted(untold))}")
    note_rows([row for each in read for row in each.pair])
