"""The page: one HTML file that needs no network, opens from disk, and runs no script but its own.

Data is JSON in a block that browsers do not execute; the scripts put it into the page as text.
The page's own policy (Content-Security-Policy) names the scripts by their hash and forbids
everything else, the network included.

Every row is there, and the samples of the newest of each job.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from piyard.board.fleet.inventory import is_emulated
from piyard.core.errors import NotSetUp
from piyard.core.tables import Column
from piyard.report.columns import parse_accuracy, shown_columns
from piyard.report.provenance import (
    ProvenanceGroup,
    Timeline,
    has_sample_times,
    make_timeline,
    provenance_groups,
    sample_ends,
)
from piyard.results.result import NNRUN_ENGINE, Result, Row
from piyard.run.record import BenchInfo


def rerun_command(row: Row, result: Result | None = None) -> list[str]:
    """``invoke bench`` with all flags that matter; its length is the result's."""
    kind = [] if is_emulated(row.host) else ["--target", row.target]
    work = row.tokens and row.tokens.work
    what = (
        ["--engine", work.engine, "--gguf", f"{row.model}.gguf"]
        if work and work.engine != NNRUN_ENGINE
        else ["--model", row.model, "--precision", row.precision]
    )
    return [
        *("invoke", "bench", "--host", row.host, *kind, *what, "--threads", str(row.threads)),
        *([] if row.random_seed is None else ["--random-weights"]),
        *(_length_flags(result) if result else []),
    ]


def _length_flags(result: Result) -> list[str]:
    job = result.record.what.job
    bench = (job and job.bench) or BenchInfo()
    length = (
        ["--loops", str(bench.loops)]
        if bench.loops
        else ["--budget", f"{bench.budget_s:g}"]
        if bench.budget_s
        else []
    )
    unusual = bench.warmup not in (None, "auto")
    return length + (["--warmup", str(bench.warmup)] if unusual else [])


MAX_SAMPLES_PER_ROW, MAX_SAMPLES_PER_PAGE = 1000, 180_000
"""Samples that a page carries: of one row, and of all together. More would open slowly."""


class PageColumn(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is to know of a column."""

    key: str
    title: str
    css: str
    width: str
    help: str


class PageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the page."""

    row: Row
    cells: dict[str, str]
    """By the column's key."""
    sort: dict[str, float | None]
    """What to sort by, by the column's key; a column that is not there is sorted by its cells."""
    accuracy: float | None
    measure: str
    """What the accuracy is of: only equal ones can be compared."""
    newest: bool
    """Whether no later row of the same job is there."""
    command: str
    """Quoted for a shell."""
    provenance: Sequence[int]
    """Which of the page's groups."""
    samples: Sequence[float]
    """Milliseconds, to the microsecond."""
    every: int
    """1 for all samples, 3 for each third."""
    ends: Sequence[float]
    """When each of them ended, on the timeline's clock."""
    clocked: bool
    """Whether ``ends`` were logged, not derived from the samples themselves."""
    timeline: Timeline | None


class PagePayload(msgspec.Struct, frozen=True, kw_only=True):
    """All data of a page."""

    created: str
    columns: Sequence[PageColumn]
    entries: Sequence[PageEntry]
    groups: Sequence[ProvenanceGroup]
    """Provenance, each once: most rows share build and board."""
    without_samples: int
    """Rows that bring none: older ones of a job, and what there was no room for."""


class _GroupPool:
    """Things kept once each, found again by their number."""

    def __init__(self) -> None:
        self._number: dict[bytes, int] = {}
        self.groups: list[ProvenanceGroup] = []

    def put(self, group: ProvenanceGroup) -> int:
        key = msgspec.json.encode(group)
        if key not in self._number:
            self._number[key] = len(self.groups)
            self.groups.append(group)
        return self._number[key]


def page_payload(rows: Sequence[Row], results: Sequence[Result]) -> PagePayload:
    """The data of the page for these rows, in their order."""
    of_run = {result.record.id: result for result in results}
    newest = {row.job: row.run for row in sorted(rows, key=lambda row: row.when)}
    carrying = _runs_with_samples(rows, of_run, set(newest.values()))
    columns = shown_columns(rows)
    shelf = _GroupPool()
    entries = [
        _page_entry(
            row,
            of_run.get(row.run),
            shelf,
            columns,
            newest=newest[row.job] == row.run,
            whole=row.run in carrying,
        )
        for row in rows
    ]
    return PagePayload(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        columns=[msgspec.convert(column, PageColumn, from_attributes=True) for column in columns],
        entries=entries,
        groups=shelf.groups,
        without_samples=sum(row.run not in carrying for row in rows),
    )


def _runs_with_samples(
    rows: Sequence[Row], of_run: dict[str, Result], newest: set[str]
) -> set[str]:
    """The runs whose samples the page has room for, later ones first."""
    room, carrying = MAX_SAMPLES_PER_PAGE, set()
    for row in sorted(rows, key=lambda row: row.when, reverse=True):
        if row.run not in newest or row.run not in of_run:
            continue
        room -= min(MAX_SAMPLES_PER_ROW, len(of_run[row.run].samples_ms))
        if room >= 0:
            carrying.add(row.run)
    return carrying


def _page_entry(
    row: Row,
    result: Result | None,
    shelf: _GroupPool,
    columns: Sequence[Column[Row]],
    *,
    newest: bool,
    whole: bool,
) -> PageEntry:
    samples = result.samples_ms if result and whole else []
    every = -(-len(samples) // MAX_SAMPLES_PER_ROW) or 1
    accuracy, measure = parse_accuracy(row.accuracy)
    return PageEntry(
        row=row,
        cells={column.key: column.text_of(row) for column in columns},
        sort=_sort_keys(columns, row),
        accuracy=accuracy,
        measure=measure,
        newest=newest,
        command=shlex.join(rerun_command(row, result)),
        provenance=[shelf.put(group) for group in provenance_groups(row, result)],
        samples=[round(ms, 3) for ms in samples[::every]],
        every=every,
        ends=sample_ends(result)[::every] if result and whole else [],
        clocked=bool(result and has_sample_times(result)),
        timeline=make_timeline(result) if result and whole else None,
    )


def _sort_keys(columns: Sequence[Column[Row]], row: Row) -> dict[str, float | None]:
    """Numbers, and what is unknown; texts are sorted by their cells."""
    keys = {column.key: column.sort_key(row) for column in columns}
    return {key: value for key, value in keys.items() if not isinstance(value, str)}


PAGE_FOLDER = Path(__file__).parent / "page"
PAGE_SCRIPTS = (
    "dom.js",
    "select.js",
    "table.js",
    "detail.js",
    "plots.js",
    "charts.js",
    "run.js",
    "page.js",
)
"""In this order; each uses those before it."""


def render_page(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """The whole page."""
    scripts = {"plotly": _read_plotly(), "script": "\n".join(map(_read_page_file, PAGE_SCRIPTS))}
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(_script_hash(_escape(text)) for text in scripts.values())}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "policy": policy,
        "style": _read_page_file("page.css"),
        "data": embed_json(payload_json(page_payload(rows, results))),
    } | {name: _escape(text) for name, text in scripts.items()}
    return _fill_template(_read_page_file("page.html"), parts)


def payload_json(data: PagePayload) -> str:
    """As JSON; a number that JSON has not is null."""
    return msgspec.json.encode(data).decode()


def embed_json(json: str) -> str:
    """JSON that cannot end its script block: within JSON, ``<`` occurs in strings only."""
    return json.replace("<", "\\u003c")


def _fill_template(text: str, parts: dict[str, str]) -> str:
    """Each ``{{name}}`` replaced, in one pass: what is put in is not looked at again."""
    pieces = text.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        filled += [parts[name], rest]
    return "".join(filled)


def _escape(script: str) -> str:
    """The same script with nothing in it that would end its block."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _script_hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _read_page_file(name: str) -> str:
    return (PAGE_FOLDER / name).read_text(encoding="utf-8")


def _read_plotly() -> str:
    """plotly.js of the installed package, found without importing all of plotly."""
    spec = importlib.util.find_spec("plotly")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    try:
        return (folder / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    except OSError:
        raise NotSetUp(
            "the HTML page needs plotly, which is not installed", remedy="run ./yard --setup"
        ) from None
