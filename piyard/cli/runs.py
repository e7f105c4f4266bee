"""Predictions on boards, and runs that keep running there: list, attach, fetch, cancel."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.cli import work
from piyard.cli.board_requests import RunRequest
from piyard.cli.own_models import load_or_add
from piyard.cli.work import plan_work, run_jobs
from piyard.convert.conversions import find_conversion
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import PROGRAM, JobsFailed, UnreadableLog, WrongInput
from piyard.core.tables import STYLES, Cell, render_table
from piyard.core.text import format_count, format_digits, mask_secrets, sanitize_line
from piyard.language.clip_tokens import PLACE
from piyard.measure.bench import BENCH_TASK, conclude_benchmark
from piyard.models.definition import Model, load_model
from piyard.predict.command import (
    USUAL_FRAMES,
    Inputs,
    PredictOptions,
    check_inputs,
    drawing_options,
    nnrun_flags,
    open_inputs,
)
from piyard.predict.decoders import PLACES, Place, describe_decoding
from piyard.predict.files import open_viewer
from piyard.predict.live import JSON_FORMAT
from piyard.predict.prediction import (
    Prediction,
    is_prediction,
    predict_on_board,
    prediction_columns,
    prediction_rows,
    read_prediction,
    summarise_prediction,
)
from piyard.predict.samples import find_samples, open_samples
from piyard.predict.sources import CAMERA, find_source
from piyard.report.formats import render_rows
from piyard.results.derive import make_row
from piyard.run import lifecycle, log, record
from piyard.run import record as run_record
from piyard.run.job import Job, JobContext
from piyard.run.lifecycle import finish_run, require_success
from piyard.run.plan import prepare_jobs
from piyard.run.record import LOG_FILE, Record, find_run, read_record, run_folder
from piyard.run.remote import cancel_process, read_status
from piyard.run.schedule import LIVE_RUNS_END, RUNS_GO_ON
from piyard.vision.schema import Dense
from piyard.vision.tasks.clip import CLIP


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a user chose beside boards and model."""

    inputs: Sequence[str]
    frames: int | None
    options: PredictOptions
    model: Model
    adjusted_model: Model
    """The model with the user's score and output."""
    draw: bool
    show: bool
    place: Place | None
    """Where films and streams are decoded, if chosen."""
    preview: bool

    @property
    def as_stream(self) -> bool:
        """Whether a URL that may be a picture's is a stream's."""
        return self.preview or self.place is not None


def run_model(request: RunRequest) -> None:
    """Show pictures to a model on each board, print what it sees, and say where it is drawn."""
    chosen = choose(request)
    _check_inputs(chosen)
    nnrun_flags(chosen.adjusted_model, chosen.options)  # what is missing is said before any work
    with plan_work(request, "run", models=[chosen.model]) as plan:
        if request.dry_run:
            plan.print(f"run on {', '.join(map(mask_secrets, chosen.inputs))}")
            _print_decoding(chosen, plan.usable)
            return
        with _open_inputs(chosen) as shown:
            prepared = prepare_jobs(
                plan.jobs, random_weights=request.random_weights, force=request.force
            )

            def look(context: JobContext) -> Prediction:
                return predict_on_board(
                    context,
                    shown,
                    board_arguments(chosen, context.job, shown),
                    chosen.adjusted_model,
                    place=chosen.place,
                    form=request.format,
                )

            is_watched = shown.is_live or chosen.preview
            stopping = LIVE_RUNS_END if is_watched else RUNS_GO_ON
            outcomes = run_jobs(plan, prepared, look, stopping=stopping)
    print_predictions(outcomes.results, request.format)
    if shown.is_live:
        raise_if_requested()
    if chosen.show:
        open_viewer([path for seen in outcomes.results for path in seen.shown])
    work.conclude(outcomes, plan, outcomes.unfinished_jobs)
    require_readable(outcomes.results)
    require_whole(outcomes.results)


def _print_decoding(chosen: Choice, boards: Sequence[BoardConnection]) -> None:
    """A line for each film, camera and stream, and each board: where it would be decoded."""
    for text in chosen.inputs:
        source = find_source(text, as_stream=chosen.as_stream)
        if source is None:
            continue
        for board in boards:
            facts = board.known_facts
            programs = (facts.decoders or "").split() if facts else None
            where = describe_decoding(source, chosen.place, board.name, programs)
            print(sanitize_line(f"{board.name}: {source.title} is {where}"))


def _check_inputs(chosen: Choice) -> None:
    if not chosen.model.further:
        check_inputs(chosen.inputs, as_stream=chosen.as_stream)
        return
    for text in chosen.inputs:
        find_samples(text)


@contextmanager
def _open_inputs(chosen: Choice) -> Iterator[Inputs]:
    """Pictures; for a net of several inputs, folders with a file an input."""
    if not chosen.model.further:
        with open_inputs(chosen.inputs, chosen.frames, as_stream=chosen.as_stream) as shown:
            yield shown
        return
    with open_samples(chosen.model, chosen.inputs) as samples:
        yield Inputs(samples=samples)


def choose(request: RunRequest) -> Choice:
    """The choice that the flags make; raises ``WrongInput``."""
    (loaded,) = load_or_add(request.models, dry_run=request.dry_run)
    _check_labels(loaded, request.labels)
    endless = request.preview or tuple(request.inputs) != (CAMERA,)
    return Choice(
        inputs=request.inputs,
        frames=request.frames or (None if endless else USUAL_FRAMES),
        options=PredictOptions(
            topk=request.topk,
            init=request.init,
            fps=request.fps,
            labels=request.labels,
            prompt=_check_prompt(request.prompt),
        ),
        model=loaded,
        adjusted_model=_with_output(_with_score(loaded, request.score), request.output),
        draw=request.draw,
        show=request.show,
        place=next((place for place in PLACES if place == request.decode), None),
        preview=request.preview,
    )


def _check_labels(model: Model, labels: Sequence[str]) -> None:
    if labels and model.task != CLIP.name:
        raise WrongInput(
            f"{model.name} has labels of its own", remedy="leave out --labels and --prompt"
        )
    if not labels and model.task == CLIP.name:
        raise WrongInput(
            f"{model.name} needs to know what may be in a picture",
            remedy='for example --labels "cat,dog"; to search among pictures: '
            f"{PROGRAM} index --model {model.name}",
        )


def _check_prompt(prompt: str) -> str:
    if prompt and PLACE not in prompt:
        raise WrongInput(
            f"--prompt '{prompt}' has no {PLACE} where the label is to be",
            remedy='for example --prompt "a photo of a {}"',
        )
    return prompt


def board_arguments(chosen: Choice, job: Job, shown: Inputs) -> PredictOptions:
    """The options of one board's job."""
    drawn = drawing_options(chosen.adjusted_model, shown) if chosen.draw else {}
    return msgspec.structs.replace(
        chosen.options,
        precision=job.precision,
        threads=job.threads,
        preview=f"{job.model.name} on {job.host}" if chosen.preview else "",
        **drawn,
    )


def _print_table(seen: Sequence[Prediction], form: str, *, live: bool) -> None:
    """Without the columns that are only for programs, where people read it."""
    columns, rows = prediction_columns(seen[0].task, live=live), prediction_rows(seen)
    hidden = seen[0].spec.program_columns if form in STYLES and not live else 0
    shown = len(columns) - hidden
    print(render_table(columns[:shown], [row[:shown] for row in rows], form))


def print_predictions(seen: Sequence[Prediction], form: str) -> None:
    """The table on stdout; on stderr what was wrong, and where pictures are."""
    if not seen:
        return
    live = seen[0].live
    if live and form == JSON_FORMAT:
        print_summaries(seen)
    elif any(of.frames or not of.failure for of in seen):
        _print_table(seen, form, live=live)
    for of in seen:
        for bad in of.wrong:
            console.info(f"✗ {of.host}: {bad.name}: {bad.error}")
        console.info(f"✓ {summarise_prediction(of)}")
        if of.arrays:
            console.info(f"  arrays: {of.arrays}")
        if of.frames and (of.film or of.drawn):
            console.info(f"  drawn: {of.film or of.drawn[0].parent}")


def print_summaries(seen: Sequence[Prediction]) -> None:
    """The last lines of a live run, for programs."""
    for of in seen:
        summary = {
            "type": "summary",
            "board": of.host,
            "run": of.run,
            "frames": len(of.frames),
            "dropped": of.dropped,
            "failed": len(of.wrong),
        }
        print(json.dumps(summary))


def require_whole(seen: Sequence[Prediction]) -> None:
    """Raise the failure of a film, a camera or a stream; the others are told before."""
    failures = [of.failure for of in seen if of.failure]
    for failure in failures[1:]:
        console.info(f"✗ {failure.what}")
    if failures:
        raise failures[0]


def require_readable(seen: Sequence[Prediction]) -> None:
    """Raise when pictures could not be read: the others were looked at all the same."""
    bad = {error.name for of in seen for error in of.wrong}
    if bad:
        raise JobsFailed(
            f"{len(bad)} of the pictures could not be read; the others are done",
            remedy="each is named above with its reason",
        )


def _with_score(model: Model, score: float | None) -> Model:
    if score is None:
        return model
    if not isinstance(model.head, Dense):
        raise WrongInput(
            f"{model.title} gives objects no score to choose by", remedy="leave out --score"
        )
    return msgspec.structs.replace(model, head=msgspec.structs.replace(model.head, score=score))


def _with_output(model: Model, name: str) -> Model:
    """Another output than the model's own: what makes scores of it, it says by how it ends."""
    if not name or name == model.output:
        return model
    if not model.spec.has_class_output:
        raise WrongInput(f"{model.title} is not a classifier", remedy="leave out --output")
    return msgspec.structs.replace(model, output=name, activation="auto")


ALL_FAILED = "failed"
RUN_COLUMNS = ("Run", "Board", "What", "Started", "State", "Exit code")


def list_runs(form: str) -> None:
    """All runs of this checkout, and how they stood when last heard of."""
    rows = []
    for folder in record.list_runs():
        try:
            rows.append(_run_row(read_record(folder)))
        except UnreadableLog as error:
            console.info(f"left out: {error.what}")
    print(render_table(RUN_COLUMNS, rows, form))
    if not rows:
        console.info(f"no runs yet: {PROGRAM} deploy-bench makes some")


def remove_runs(ids: Sequence[str], *, dry_run: bool) -> None:
    """Remove the folders of runs that are over; ``failed`` is all that gave no result.

    What was measured stays among the results.
    """
    folders = [folder for name in ids for folder in _removable(name)]
    for folder in dict.fromkeys(folders):
        if not dry_run:
            shutil.rmtree(folder)
        print(sanitize_line(f"{'remove' if dry_run else 'removed'} {folder}"))


def _removable(name: str) -> list[Path]:
    if name == ALL_FAILED:
        return [
            folder
            for folder in run_record.list_runs()
            if (it := _read_record(folder)) and it.is_lost
        ]
    folder = find_run(name)
    record = _read_record(folder)
    if record and record.state == "running":
        raise WrongInput(
            f"{record.id} keeps running on {record.host}, as far as was heard",
            remedy=f"{PROGRAM} attach {record.id} waits for it, "
            f"{PROGRAM} cancel {record.id} ends it",
        )
    return [folder]


def _read_record(folder: Path) -> Record | None:
    """The record of a run; None for one that cannot be read."""
    try:
        return read_record(folder)
    except UnreadableLog:
        return None


def attach(run_id: str, form: str, *, long: bool = False) -> None:
    """Wait for a run again, bring it back, and print what it gave."""
    record = read_record(find_run(run_id))
    if record.state == "running":
        with _connection(record) as line:
            record = finish_run(line, record, allow_bad_inputs=is_prediction(record))
    else:
        console.info(f"{record.id} is over ({record.state}), and was fetched")
    if record.is_lost and not is_prediction(record):
        _print_lost(record)
    _print_results(record, form, long=long)


def fetch(run_id: str) -> None:
    """Bring back what a run has written so far, without waiting."""
    record = read_record(find_run(run_id))
    with _connection(record) as connection:
        connection.has_lease = False
        done = lifecycle.collect_run(connection, record, read_status(connection.session, record.id))
    print(_state_line(done))


def cancel(run_id: str) -> None:
    """End a run on its board, its whole process group, and fetch what it wrote."""
    record = read_record(find_run(run_id))
    if record.state != "running":
        console.info(f"{record.id} is over already ({record.state})")
        return
    with _connection(record) as connection:
        done = lifecycle.collect_run(
            connection, record, cancel_process(connection.session, record.id)
        )
    print(_state_line(done))


@contextmanager
def _connection(record: Record) -> Iterator[BoardConnection]:
    """The line to the run's board, with the lease that the run was started with."""
    connection = BoardConnection(select_board(record.host), record.target)
    connection.lease = msgspec.structs.replace(connection.lease, token=record.token)
    connection.has_lease = True
    try:
        yield connection
    finally:
        connection.close()


def _run_row(record: Record) -> list[str]:
    what = f"{record.what.task} {record.what.slug}".strip()
    code = "" if record.exit_code is None else str(record.exit_code)
    exit_code = Cell(code, record.exit_code)
    return [record.id, record.host, what, record.when, record.state, exit_code]


def _print_results(record: Record, form: str, *, long: bool = False) -> None:
    if is_prediction(record):
        predictions = [read_prediction(record)]
        print_predictions(predictions, form)
        require_readable(predictions)
        return
    if record.what.task != BENCH_TASK:
        print(_state_line(record))
        return
    conversion = find_conversion(load_model(record.model.name), record.model.key)
    measured = conclude_benchmark(record, conversion)
    print(render_rows([make_row(measured)], form, [measured], long=long))


def _print_lost(record: Record) -> None:
    """What there is of a run without a result; raises what became of it."""
    print(_state_line(record))
    try:
        samples = [line.ms for line in log.read_log(run_folder(record.id) / LOG_FILE).samples]
    except UnreadableLog as error:
        console.info(f"nothing was measured: {error.what}")
    else:
        median = f", median {format_digits(statistics.median(samples))} ms" if samples else ""
        console.info(
            f"{format_count(len(samples), 'sample')} before it ended{median}: not a result"
        )
    require_success(record)


def _state_line(record: Record) -> str:
    return sanitize_line(
        f"{record.id} on {record.host}: {record.state}, in {run_folder(record.id)}"
    )
