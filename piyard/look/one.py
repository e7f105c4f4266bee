"""A job with pictures → what its model sees in them, on one board."""

from __future__ import annotations

from math import prod

import msgspec

from piyard import model, say, work
from piyard import run as runs
from piyard.conversion import Conversion, outputs
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
    known = classified(seat.conversion, rules, asked)
    return seen.conclude(work.run_one(seat, work_of(rules, shown, known)))


def classified(conversion: Conversion, rules: Model, asked: Asked) -> Asked:
    """The output with the classes by its name on the board; labels only where they are its own."""
    if rules.task != "classify":
        return asked
    at = outputs.of(conversion, rules)
    blob, labels = conversion.outputs[at], len(model.labels(rules))
    size = prod(conversion.manifest["reference"]["outputs"][blob])
    is_labelled = outputs.fits(size, labels)
    if not is_labelled:
        say.note(f"output {blob} has {size} values and no labels: classes are shown by number")
    classes = blob if len(conversion.outputs) > 1 else ""
    return msgspec.structs.replace(asked, classes=classes, labelled=is_labelled)


def work_of(rules: Model, shown: Inputs, asked: Asked) -> Work:
    """What nnrun is to do."""
    sent = None if shown.camera else inputs.release_of(shown)
    verb, *rest = arguments.verb(rules)
    return Work(
        verb=verb,
        arguments=[*rest, *arguments.flags(rules, asked), *through.inputs(shown, sent)],
        what={
            "task": rules.task,
            "inputs": inputs.named(shown),
            "shown": shown.title,
            "film": shown.of_film,
        },
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
