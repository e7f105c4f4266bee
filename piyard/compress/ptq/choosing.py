"""Which layers of a network become int8: those that its proof, accuracy and time allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from piyard.build.builder import build_nnrun
from piyard.compress.counted_cost import COUNTED_TARGET
from piyard.compress.method import Step
from piyard.compress.ptq.accuracy import Judge, ask_accuracy
from piyard.compress.ptq.inputs import PictureInputs, other_pictures
from piyard.compress.ptq.likeness import make_likeness, picture_count
from piyard.compress.ptq.mixed import Choice, Costs, choose_layers
from piyard.compress.ptq.quantise import Quantised
from piyard.compress.ptq.sensitivity import (
    SENSITIVITY_INPUTS,
    by_loss,
    measure_losses,
    spare_costly,
)
from piyard.convert.conversions import Conversion
from piyard.convert.mask_search import SearchLimit, fewest_layers
from piyard.convert.ncnn_net import NET_STEM
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.files import scratch_folder
from piyard.core.target import load_target
from piyard.core.text import format_count
from piyard.measure.counted.layers import open_machine
from piyard.models.definition import Model

MOST_KEPT = 0.5
"""Of the layers: where accuracy asks for more, int8 is the wrong thing."""
SHOWN_LOSSES = 3


def choose_names(
    step: Step, conversion: Conversion, quantised: Quantised, inputs: PictureInputs
) -> tuple[list[str], list[str]]:
    """The layers that become int8, and notes for people."""
    choices = step.settings
    losses = _measure_losses(step.parent, quantised, inputs)
    notes = _describe_losses(losses, whole=choices.per_layer)
    judge = _make_judge(step, conversion, quantised, inputs)
    if choices.mixed:
        choice = _choose_by_count(judge, losses)
        if not choice.layers:
            raise WrongInput(
                f"{step.parent.name}: {choice.text}",
                remedy="leave it in fp16; without --mixed it becomes int8 for its size",
            )
        return choice.layers, [*notes, _describe_kept(choice.inaccurate), choice.text]
    spared = _spare_layers(quantised, losses, choices.spare)
    allowed = _keep_right(step, judge, {n: loss for n, loss in losses.items() if n not in spared})
    kept = [name for name in losses if name not in allowed]
    return allowed, [*notes, _describe_kept(kept)]


def _make_judge(
    step: Step, conversion: Conversion, quantised: Quantised, inputs: PictureInputs
) -> Judge:
    """Of accuracy only where it is asked for: a variant's proof is needed in any case."""
    choices, data, parent = step.settings, step.require_data(), step.parent
    is_asked = choices.mixed or choices.keep_accuracy is not None
    return Judge(
        conversion=conversion,
        quantised=quantised,
        likeness=make_likeness(
            parent, conversion.folder, other_pictures(data, picture_count(parent))
        ),
        accuracy=ask_accuracy(conversion, data, inputs, choices.keep_accuracy)
        if is_asked
        else None,
    )


def _spare_layers(quantised: Quantised, losses: Mapping[str, float], share: float) -> set[str]:
    """Layers that stay as they are for ``share`` of the network's size."""
    weights = {
        each.name: sum(tensor.values.size for tensor in each.tensors.values())
        for each in quantised.exact
    }
    # fp32 takes four bytes of a weight, int8 one.
    return spare_costly(losses, weights, int(share * sum(weights.values()) * 4 / 3))


def _measure_losses(parent: Model, quantised: Quantised, inputs: PictureInputs) -> dict[str, float]:
    with console.step(f"what int8 costs each layer of {parent.name}", unit="pictures") as progress:
        return measure_losses(quantised, inputs.first(SENSITIVITY_INPUTS), progress.update)


def _describe_losses(losses: Mapping[str, float], *, whole: bool) -> list[str]:
    order = by_loss(losses)
    shown = order if whole else order[:SHOWN_LOSSES]
    return [f"int8 in {name} alone: outputs move by {losses[name]:.2e}" for name in shown]


def _describe_kept(kept: Sequence[str]) -> str:
    return f"kept from int8 for accuracy: {', '.join(kept) or 'no layer'}"


def _keep_right(step: Step, judge: Judge, losses: Mapping[str, float]) -> list[str]:
    """These layers but as few of those that cost most as is asked of the network.

    Raises ``WrongInput`` where an accuracy is asked for that half of them do not bring. Where only
    the proof asks for more, all of them: it says by how much, and may be overruled.
    """
    order = by_loss(losses)
    if judge.is_good(order):
        return list(losses)
    # However long it takes: the same step has to give the same bytes.
    unlimited = SearchLimit(float("inf"))
    spared = fewest_layers(
        order, lambda kept: judge.is_good(n for n in order if n not in kept), unlimited, MOST_KEPT
    )
    if not spared and judge.accuracy:
        raise WrongInput(
            f"{step.parent.name}: int8 costs more accuracy than is allowed, whichever half of "
            "its layers keeps floats",
            remedy="allow more by --keep-accuracy, or train it for int8: --method qat",
        )
    return [name for name in losses if name not in spared]


def _choose_by_count(judge: Judge, losses: Mapping[str, float]) -> Choice:
    quantised = judge.quantised
    lines = [each.layer for each in quantised.exact]
    with _counter(judge.conversion, quantised) as count:
        return choose_layers(lines, quantised.table, losses, count, judge.is_good)


@contextmanager
def _counter(
    conversion: Conversion, quantised: Quantised
) -> Iterator[Callable[[Sequence[str]], Costs]]:
    """What each layer takes on an emulated board when these are int8."""
    nnrun = build_nnrun(load_target(COUNTED_TARGET)).nnrun
    with open_machine(nnrun) as machine:

        def count(names: Sequence[str]) -> Costs:
            title = f"count {conversion.name} with {format_count(len(names), 'layer')} in int8"
            with scratch_folder("piyard-count-") as folder, console.step(title):
                quantised.write(folder, names)
                return machine.count_layers(
                    folder / f"{NET_STEM}.ncnn.param",
                    folder / f"{NET_STEM}.ncnn.bin",
                    conversion.input_shapes,
                    "int8" if names else "fp16",
                )

        yield count
