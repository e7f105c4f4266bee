"""A job with pictures → its model's predictions on one board."""

from __future__ import annotations

from math import prod

import msgspec

from piyard import model as models
from piyard import run as runs
from piyard import say, work
from piyard.conversion import Conversion, outputs
from piyard.look import arguments, seen, through
from piyard.look.arguments import Asked
from piyard.look.inputs import Inputs, named, release_of
from piyard.look.seen import Seen
from piyard.model import Model
from piyard.seat import Seat
from piyard.work import Work


def look(seat: Seat, inputs: Inputs, options: Asked, model: Model) -> Seen:
    """The model's predictions; pictures that nnrun cannot read are listed too.

    ``model`` is the job's, or has the thresholds of a user or an evaluation.
    """
    resolved = classified(seat.conversion, model, options)
    return seen.conclude(work.run_one(seat, work_of(model, inputs, resolved)))


def classified(conversion: Conversion, model: Model, options: Asked) -> Asked:
    """The output with the classes by its name on the board; labels only where they belong to it."""
    if model.task != "classify":
        return options
    index = outputs.of(conversion, model)
    blob, labels = conversion.outputs[index], len(models.labels(model))
    size = prod(conversion.manifest["reference"]["outputs"][blob])
    is_labelled = outputs.fits(size, labels)
    if not is_labelled:
        say.note(f"output {blob} has {size} values and no labels: classes are shown by number")
    classes = blob if len(conversion.outputs) > 1 else ""
    return msgspec.structs.replace(options, classes=classes, labelled=is_labelled)


def work_of(model: Model, inputs: Inputs, options: Asked) -> Work:
    """nnrun's command line for these inputs."""
    release = None if inputs.camera else release_of(inputs)
    verb, *rest = arguments.verb(model)
    return Work(
        verb=verb,
        arguments=[*rest, *arguments.flags(model, options), *through.inputs(inputs, release)],
        what={
            "task": model.task,
            "inputs": named(inputs),
            "shown": inputs.title,
            "film": inputs.of_film,
        },
        inputs=release,
        stdin_from=through.words(inputs, release),
        allow_bad_inputs=True,
    )


def drawn(model: Model, inputs: Inputs) -> dict[str, str]:
    """Where nnrun draws: pictures one by one, what moves as a film."""
    if model.task == "classify":
        return {}
    moves = model.task == "track" or not inputs.pictures
    return {"film": seen.FILM} if moves else {"drawn": runs.OUTPUTS}
