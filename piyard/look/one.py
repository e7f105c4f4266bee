"""A job with pictures → what its model sees in them, on one board."""

from __future__ import annotations

from piyard import run as runs
from piyard import work
from piyard.look import arguments, inputs, seen, through
from piyard.look.arguments import Asked
from piyard.look.inputs import Inputs
from piyard.look.seen import Seen
from piyard.model import Model
from piyard.seat import Seat
from piyard.work import Work


def look(seat: Seat, shown: Inputs, asked: Asked, rules: Model) -> Seen:
    """What the job's model sees; pictures that nnrun cannot read are in the answer too.

    ``rules`` are the model's own, or with the thresholds of a user or an evaluation.
    """
    return seen.conclude(work.run_one(seat, work_of(rules, shown, asked)))


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
