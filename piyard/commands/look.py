"""``invoke run``: pictures, a film or the camera → what models see in them, on boards."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from piyard import model, pipeline, say, tables
from piyard.cli.board_requests import RunRequest
from piyard.commands import work
from piyard.errors import JobsFailed, WrongInput
from piyard.job import Job
from piyard.look import arguments, inputs, one, show, table
from piyard.look.arguments import Asked
from piyard.look.inputs import Inputs
from piyard.look.seen import Seen
from piyard.model import Model
from piyard.model.head import Dense
from piyard.seat import Seat


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a user chose beside boards and model."""

    inputs: Sequence[str]
    frames: int | None
    options: Asked
    rules: Model
    draw: bool
    show: bool


def run(request: RunRequest) -> None:
    """Show pictures to a model on each board, print what it sees, and say where it is drawn."""
    chosen = choice(request)
    inputs.check(chosen.inputs)
    arguments.flags(chosen.rules, chosen.options)  # what is missing is said before any work
    with work.planned(request, "run") as plan:
        if request.dry_run:
            plan.print(f"run on {', '.join(chosen.inputs)}")
            return
        with inputs.taken(chosen.inputs, chosen.frames) as shown:
            ready = pipeline.prepare(plan.jobs, random_weights=False, force=request.force)

            def look(seat: Seat) -> Seen:
                return one.look(seat, shown, asked_of(chosen, seat.job, shown), chosen.rules)

            outcomes = work.each(plan, ready, look)
    tell(outcomes.results, request.format)
    if chosen.show:
        show.show([path for seen in outcomes.results for path in seen.shown])
    work.conclude(outcomes, plan, outcomes.unfinished_jobs)
    require_read(outcomes.results)


def choice(request: RunRequest) -> Choice:
    """What the flags say; raises ``WrongInput``."""
    loaded = model.load(request.models[0])
    return Choice(
        inputs=request.inputs,
        frames=request.frames,
        options=Asked(topk=request.topk, init=box(request.init), fps=_fps(request.fps)),
        rules=_with_output(_with_score(loaded, request.score), request.output),
        draw=request.draw,
        show=request.show,
    )


def asked_of(chosen: Choice, job: Job, shown: Inputs) -> Asked:
    """What one board is asked."""
    drawn = one.drawn(chosen.rules, shown) if chosen.draw else {}
    return msgspec.structs.replace(
        chosen.options, precision=job.precision, threads=job.threads, **drawn
    )


def tell(seen: Sequence[Seen], form: str) -> None:
    """The table on stdout; on stderr what was wrong, and where pictures are."""
    if not seen:
        return
    print(tables.render(table.columns(seen[0].task), table.rows(seen), form))
    for of in seen:
        for bad in of.wrong:
            say.note(f"✗ {of.host}: {bad.name}: {bad.error}")
        say.note(f"✓ {table.summary(of)}")
        if of.film or of.drawn:
            say.note(f"  drawn: {of.film or of.drawn[0].parent}")


def require_read(seen: Sequence[Seen]) -> None:
    """Raise when pictures could not be read: the others were looked at all the same."""
    bad = {error.name for of in seen for error in of.wrong}
    if bad:
        raise JobsFailed(
            f"{len(bad)} of the pictures could not be read; the others are done",
            remedy="each is named above with its reason",
        )


def box(text: str) -> tuple[float, float, float, float] | None:
    """``x,y,width,height``; None when it was not given."""
    if not text:
        return None
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        x = y = width = height = math.nan
    if not (all(map(math.isfinite, (x, y, width, height))) and width > 0 and height > 0):
        raise WrongInput(
            f"--init takes x,y,width,height in pixels, not '{text}'",
            remedy="for example --init 120,80,60,140",
        )
    return x, y, width, height


def _fps(text: str) -> float:
    fps = _number(text)
    if not 0 < fps <= 1000:
        raise WrongInput(f"--fps takes frames a second, not '{text}'", remedy="for example 25")
    return fps


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _with_score(rules: Model, text: str) -> Model:
    if not text:
        return rules
    score = _number(text)
    if not 0 <= score <= 1:
        raise WrongInput(f"--score takes 0 to 1, not '{text}'", remedy="for example --score 0.4")
    if not isinstance(rules.head, Dense):
        raise WrongInput(
            f"{rules.title} gives objects no score to choose by", remedy="leave out --score"
        )
    return msgspec.structs.replace(rules, head=msgspec.structs.replace(rules.head, score=score))


def _with_output(rules: Model, name: str) -> Model:
    """Another output than the model's own: what makes scores of it, it says by how it ends."""
    if not name or name == rules.output:
        return rules
    if rules.task != "classify":
        raise WrongInput(f"{rules.title} is no classifier", remedy="leave out --output")
    return msgspec.structs.replace(rules, output=name, activation="auto")
