"""Predictions on boards: what is shown to which model, printed and said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from piyard.board.connection import BoardConnection
from piyard.cli.answers import ONLY_OF_ANSWERS, answer_prompt
from piyard.cli.job_plan import Plan, conclude, plan_work, run_jobs
from piyard.cli.own_models import load_or_add
from piyard.cli.prediction_requests import RunRequest
from piyard.convert.param import usual_precisions
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import PROGRAM, JobsFailed, WrongInput
from piyard.core.tables import STYLES, render_table
from piyard.core.text import mask_secrets, sanitize_line
from piyard.language.clip_tokens import PLACE
from piyard.models.definition import Model
from piyard.models.language_models import language_model_names
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
from piyard.predict.prediction import Prediction, predict_on_board
from piyard.predict.prediction_rows import prediction_columns, prediction_rows, summarise_prediction
from piyard.predict.samples import find_samples, open_samples
from piyard.predict.sources import CAMERA, find_source
from piyard.run.job import Job, JobContext
from piyard.run.outcomes import JobOutcomes
from piyard.run.plan import prepare_jobs
from piyard.run.schedule import LIVE_RUNS_END, RUNS_GO_ON
from piyard.vision.head_schema import Dense
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
    """Show pictures to a model on each board, print what it sees, and say where it is drawn.

    A language model gets a prompt instead, and says how it goes on.
    """
    if request.models[0] in language_model_names():
        answer_prompt(request)
        return
    _refuse_answer_flags(request)
    chosen = choose(request)
    usual = usual_precisions(chosen.model, ("fp32",))
    request = request.replace(precisions=request.precisions or usual)
    _check_inputs(chosen)
    nnrun_flags(chosen.adjusted_model, chosen.options)  # what is missing is said before any work
    with plan_work(request, "run", models=[chosen.model]) as plan:
        if request.dry_run:
            plan.print(f"run on {', '.join(map(mask_secrets, chosen.inputs))}")
            _print_decoding(chosen, plan.usable)
            return
        with _open_inputs(chosen) as shown:
            outcomes = _predict(request, chosen, plan, shown)
    print_predictions(outcomes.results, request.format)
    if shown.is_live:
        raise_if_requested()
    if chosen.show:
        open_viewer([path for seen in outcomes.results for path in seen.shown])
    conclude(outcomes, plan, outcomes.unfinished_jobs)
    require_readable(outcomes.results)
    require_whole(outcomes.results)


def _predict(
    request: RunRequest, chosen: Choice, plan: Plan, shown: Inputs
) -> JobOutcomes[Job, Prediction]:
    """What the model sees in the inputs, on each board."""
    prepared = prepare_jobs(plan.jobs, random_weights=request.random_weights, force=request.force)

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
    return run_jobs(plan, prepared, look, stopping=stopping)


def _refuse_answer_flags(request: RunRequest) -> None:
    for word in request.typed():
        if word.removeprefix("--") in ONLY_OF_ANSWERS:
            raise WrongInput(
                f"{word} is for language models, and {request.models[0]} sees pictures",
                remedy=f"leave out {word}",
            )


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
