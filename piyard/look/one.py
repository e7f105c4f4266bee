"""A job with pictures → what its model sees in them, on one board."""

from __future__ import annotations

from piyard import run as runs
from piyard import work
from piyard.board import Line
from piyard.job import Job
from piyard.look import arguments, inputs, seen, through
from piyard.look.arguments import Asked
from piyard.look.inputs import Inputs
from piyard.look.seen import Seen
from piyard.model import Model
from piyard.work import Ready, Terms, Work


def look(
    line: Line,
    job: Job,
    ready: Ready,
    terms: Terms,
    shown: Inputs,
    asked: Asked,
    rules: Model,
) -> Seen:
    """What the job's model sees; pictures that nnrun cannot read are in the answer too.

    ``rules`` are the model's own, or with the thresholds of a user or an evaluation.
    """
    todo = work_of(rules, shown, asked)
    return seen.conclude(work.run_one(line, job, ready, terms, todo))


def work_of(rules: Model, shown: Inputs, asked: Asked) -> Work:
    """What nnrun is to do."""
    sent = None if shown.camera else inputs.release_of(shown)
    verb, *rest = arguments.verb(rules)
    return Work(
        verb=verb,
        arguments=[*rest, *arguments.flags(rules, asked), *through.inputs(shown, sent)],
        what={"task": rules.task, "inputs": inputs.named(shown), "shown": shown.title},
        inputs=sent,
        through=through.words(shown, sent),
        partly=True,
    )


def drawn(rules: Model, shown: Inputs) -> dict[str, str]:
    """Where nnrun draws: pictures one by one, what moves as a film."""
    if rules.task == "classify":
        return {}
    moves = rules.task == "track" or not shown.pictures
    return {"film": seen.FILM} if moves else {"drawn": runs.OUTPUTS}
