"""What a network file is for, where neither it nor its user says so: by its inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.graph import declared_shape, graph_inputs
from piyard.convert.onnx.inputs import has_channels_last, picture_shape
from piyard.convert.output_kinds import can_hold_classes
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.own.images import (
    describe_images,
    find_images,
    has_picture,
    image_as_yaml,
    parse_images,
)
from piyard.convert.own.outputs import NetworkOutput, find_scores, list_outputs, name_outputs
from piyard.convert.own.preparation import PreprocessKeys, unit_levels
from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject, JsonValues
from piyard.vision.tasks.other import OTHER
from piyard.vision.tasks.semantic import SEMANTIC

WHOLE_PICTURE: PreprocessKeys = {"fit": "stretch", "resample": "bilinear"}


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """A task, and what it says in a model's YAML beside that."""

    task: str
    size: str = ""
    """Of the first input, as its options state it."""
    keys: JsonObject = {}
    assumed: dict[str, str] = {}
    """Fact → text."""
    preprocess: PreprocessKeys = {}
    """What is usual for it."""
    lines: list[str] = []
    """Facts of the file, for the user."""


def find_purpose(
    options: OwnModelOptions, network: str, file: Path, size: Sequence[int], labels: int
) -> Purpose:
    """The task of a file of which only inputs and outputs tell, for so many names of classes.

    A network with several inputs, or with nothing named, is of task other. Raises ``WrongInput``
    where there are names, and no output is for so many.
    """
    further = further_inputs(file, network)
    lines = _layout_lines(file, network)
    if further or options.task == OTHER.name:
        shapes = [size, *(each["shape"] for each in further)]
        outputs = list_outputs(file, network, shapes, options.cut)
        purpose = _as_other(options, outputs, size)
        inputs = {"further": further} if further else {}
        more = [_describe_inputs(further)] if further else []
        return msgspec.structs.replace(
            purpose, keys={**purpose.keys, **inputs}, lines=[*lines, *more, *purpose.lines]
        )
    cut = options.cut or find_scores(file, network, size)
    outputs = list_outputs(file, network, [size], cut)
    cut_keys = {"cut": cut} if cut and not options.cut else {}
    if options.task == SEMANTIC.name:
        purpose = _as_semantic(options, outputs, labels)
    elif not labels:
        purpose = _as_other(options, outputs, size)
    else:
        purpose = _by_labels(options, outputs, labels)
    keys = {**purpose.keys, **(cut_keys if purpose.task == SEMANTIC.name else {})}
    return msgspec.structs.replace(purpose, keys=keys, lines=[*lines, *purpose.lines])


def further_inputs(file: Path, network: str) -> list[JsonObject]:
    """The inputs beside the first one, as the YAML has them; only ONNX tells their shapes.

    Raises ``WrongInput`` for one whose shape the file leaves open.
    """
    if network != "onnx":
        return []
    graph = read_onnx(file)
    values = graph_inputs(graph)
    first = picture_shape(declared_shape(values[0])) if values else []
    return [_further_input(file, value, first) for value in values[1:]]


def _further_input(file: Path, value: Any, first: Sequence[int]) -> JsonObject:
    sides = declared_shape(value)
    shape = picture_shape(sides) if has_channels_last(sides) else sides[1:]
    if not shape or not all(shape) or len(shape) > 3:
        raise WrongInput(
            f"{file.name}: its input '{value.name}' has the shape {sides}, and not a batch and one "
            "to three sides that are fixed",
            remedy="export it with fixed shapes (no dynamic_axes)",
        )
    return {"name": value.name, "shape": shape, "picture": list(shape) == list(first)}


def _describe_inputs(further: Sequence[JsonValues]) -> str:
    inputs = [
        f"{each['name']} ({'x'.join(map(str, each['shape']))}, "
        f"{'a picture as the first' if each['picture'] else 'an array'})"
        for each in further
    ]
    return f"the file says: {len(further) + 1} inputs, beside the first one {', '.join(inputs)}"


def _layout_lines(file: Path, network: str) -> list[str]:
    if network != "onnx":
        return []
    values = graph_inputs(read_onnx(file))
    last = values and has_channels_last(declared_shape(values[0]))
    return ["the file says: channels last; the input is turned, channels first"] if last else []


def _by_labels(options: OwnModelOptions, outputs: Sequence[NetworkOutput], labels: int) -> Purpose:
    """A classifier where an output holds a score a class, else a map of classes."""
    sizes = [prod(each.shape) for each in outputs]
    if not outputs or any(
        not each.shape or can_hold_classes(size, labels)
        for each, size in zip(outputs, sizes, strict=True)
    ):
        return Purpose(task="classify")
    if any(_holds_class_maps(each, labels) for each in outputs):
        purpose = _as_semantic(options, outputs, labels)
        text = "task semantic: an output has a map for each of the labels"
        return msgspec.structs.replace(purpose, assumed={"task": text, **purpose.assumed})
    if options.output:
        return Purpose(task="classify")
    raise WrongInput(
        f"{options.file.name}: none of its outputs is for {labels} classes: "
        f"{name_outputs(outputs)}",
        remedy="as many names as classes in --labels; a detector needs --task detect --head HEAD; "
        "--task other takes it as it is",
    )


def _holds_class_maps(output: NetworkOutput, labels: int) -> bool:
    return bool(output.map_size) and (
        output.channels == labels or (output.channels == 1 and labels == 2)
    )


def _as_semantic(
    options: OwnModelOptions, outputs: Sequence[NetworkOutput], labels: int
) -> Purpose:
    fit = [at for at, each in enumerate(outputs) if _holds_class_maps(each, labels)]
    if options.output:
        names = [each.name for each in outputs]
        fit = [at for at in fit if options.output in {names[at], f"out{at}"}]
    if not fit:
        raise WrongInput(
            f"{options.file.name}: no output has a map for each of {labels} classes: "
            f"{name_outputs(outputs)}",
            remedy="name the classes with --labels, one a map, and the output with --output",
        )
    place = fit[0]
    threshold = 0.5 if outputs[place].ends == "probabilities" else 0.0
    head: JsonObject = {"kind": "semantic", "output": place}
    if outputs[place].channels == 1:
        head["threshold"] = threshold
    assumed = {}
    if len(outputs) > 1 and not options.output:
        assumed["output"] = (
            f"output {outputs[place].name} has the classes, of {name_outputs(outputs)}"
        )
    return Purpose(
        task=SEMANTIC.name, keys={"head": head}, assumed=assumed, preprocess=WHOLE_PICTURE
    )


def _as_other(
    options: OwnModelOptions, outputs: Sequence[NetworkOutput], size: Sequence[int]
) -> Purpose:
    chosen = parse_images(options.images, outputs)
    levels: PreprocessKeys = unit_levels(size[0]) if has_picture(outputs, size) else {}
    usual: PreprocessKeys = {**levels, **WHOLE_PICTURE}
    pictures = find_images(outputs, size, {**usual, **options.preprocess})
    images = pictures if chosen is None else chosen
    assumed = {}
    if options.task != OTHER.name:
        assumed["task"] = (
            f"task other, whose outputs are kept as they are: {name_outputs(outputs)}; "
            "classes need --labels, a detector --task and --head"
        )
    if images and chosen is None:
        assumed["images"] = describe_images(images)
    keys = (
        {"images": {name: image_as_yaml(span) for name, span in images.items()}} if images else {}
    )
    return Purpose(task=OTHER.name, keys=keys, assumed=assumed, preprocess=usual)
