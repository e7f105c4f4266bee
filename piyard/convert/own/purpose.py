"""What a network file is for, where neither it nor its user says so: by its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from piyard.convert.analysis import can_hold_classes, layer_output_kind, output_kind
from piyard.convert.ncnn_net import load_net_files, output_blobs, run_net
from piyard.convert.onnx_file import read_onnx
from piyard.convert.onnx_graph import declared_shape, graph_inputs
from piyard.convert.onnx_inputs import has_channels_last, picture_shape
from piyard.convert.own.cutting import GraphView, view_graph
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.own.preparation import MAX_LEVEL, PreprocessKeys, unit_levels
from piyard.convert.param import read_param
from piyard.convert.reference_models import load_onnx
from piyard.core.errors import WrongInput
from piyard.vision.schema import ImageRange
from piyard.vision.tasks.classify import OutputKind
from piyard.vision.tasks.other import OTHER
from piyard.vision.tasks.semantic import SEMANTIC

SHOWN_OUTPUTS = 4
WHOLE_PICTURE: PreprocessKeys = {"fit": "stretch", "resample": "bilinear"}


class NetworkOutput(msgspec.Struct, frozen=True, kw_only=True):
    """An output of a file."""

    name: str
    shape: tuple[int, ...]
    """Without the batch; empty where it is not known."""
    ends: OutputKind = "logits"

    @property
    def text(self) -> str:
        """``depth (1x64x64)``."""
        return f"{self.name} ({'x'.join(map(str, self.shape)) or '?'})"

    @property
    def map_size(self) -> tuple[int, ...]:
        """Rows and columns of a map; nothing of a vector."""
        is_map = len(self.shape) in {2, 3} and min(self.shape[-2:]) > 1
        return self.shape[-2:] if is_map else ()

    @property
    def channels(self) -> int:
        """How many maps there are."""
        return self.shape[0] if len(self.shape) == 3 else 1


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """A task, and what it says in a model's YAML beside that."""

    task: str
    size: str = ""
    """Of the first input, as its options state it."""
    keys: dict[str, Any] = {}
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
    cut = options.cut or _before_choices(file, network, size)
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


def list_outputs(
    file: Path, network: str, inputs: Sequence[Sequence[int]], cut: Sequence[str] = ()
) -> list[NetworkOutput]:
    """The outputs of a file, or the tensors of ``cut``, for inputs of these shapes.

    A program is run once, and a graph whose shapes do not follow without running it. Raises
    ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "ncnn":
        return _pair_outputs(file, inputs[0])
    view = view_graph(file, network, inputs[0])
    if view is None:
        return []
    names = list(cut) or view.outputs
    shapes = [tuple(view.shapes(names).get(name, ())[1:]) for name in names]
    if network == "onnx" and not all(shape and all(shape) for shape in shapes):
        shapes = _computed_shapes(file, inputs, cut)
    numbered = [f"out{number}" for number in range(len(names))]
    called = names if network == "onnx" else ([] if cut else view.keys) or numbered
    return [
        NetworkOutput(name=called[at], shape=shapes[at], ends=output_kind(view.steps, name))
        for at, name in enumerate(names)
    ]


def _before_choices(file: Path, network: str, size: Sequence[int]) -> list[str]:
    """Where a graph that ends in the number of the largest class is cut: at the classes' scores."""
    view = view_graph(file, network, size) if network == "onnx" else None
    if view is None:
        return []
    sources = [_scores_before(view, name) for name in view.outputs]
    return sources if sources != view.outputs else []


def _scores_before(view: GraphView, output: str) -> str:
    """The tensor whose largest class the output is; the output itself where it is none."""
    name = output
    while (step := view.steps.get(name)) is not None and step.kind in {"passing", "reshape"}:
        name = step.inputs[0]
    return step.inputs[0] if step is not None and step.kind == "argmax" else output


def _computed_shapes(
    file: Path, inputs: Sequence[Sequence[int]], cut: Sequence[str]
) -> list[tuple[int, ...]]:
    import numpy as np

    shapes = [tuple(shape) for shape in inputs]
    original = load_onnx(file, shapes, cut=cut)
    return [output.shape for output in original.run(*(np.zeros(s, np.float32) for s in shapes))]


def _pair_outputs(file: Path, size: Sequence[int]) -> list[NetworkOutput]:
    import numpy as np

    layers = read_param(file)
    results = run_net(load_net_files(file, file.with_suffix(".bin")), np.zeros(size, np.float32))
    return [
        NetworkOutput(
            name=name, shape=tuple(results[name].shape), ends=layer_output_kind(layers, name)
        )
        for name in output_blobs(layers)
    ]


def further_inputs(file: Path, network: str) -> list[dict[str, Any]]:
    """The inputs beside the first one, as the YAML has them; only ONNX tells their shapes.

    Raises ``WrongInput`` for one whose shape the file leaves open.
    """
    if network != "onnx":
        return []
    graph = read_onnx(file)
    values = graph_inputs(graph)
    first = picture_shape(declared_shape(values[0])) if values else []
    return [_further_input(file, value, first) for value in values[1:]]


def _further_input(file: Path, value: Any, first: Sequence[int]) -> dict[str, Any]:
    sides = declared_shape(value)
    shape = picture_shape(sides) if has_channels_last(sides) else sides[1:]
    if not shape or not all(shape) or len(shape) > 3:
        raise WrongInput(
            f"{file.name}: its input '{value.name}' has the shape {sides}, and not a batch and one "
            "to three sides that are fixed",
            remedy="export it with fixed shapes (no dynamic_axes)",
        )
    return {"name": value.name, "shape": shape, "picture": list(shape) == list(first)}


def _describe_inputs(further: Sequence[Mapping[str, Any]]) -> str:
    each = [
        f"{one['name']} ({'x'.join(map(str, one['shape']))}, "
        f"{'a picture as the first' if one['picture'] else 'an array'})"
        for one in further
    ]
    return f"the file says: {len(further) + 1} inputs, beside the first one {', '.join(each)}"


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
        f"{options.file.name}: none of its outputs is for {labels} classes: {_list(outputs)}",
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
            f"{_list(outputs)}",
            remedy="name the classes with --labels, one a map, and the output with --output",
        )
    place = fit[0]
    threshold = 0.5 if outputs[place].ends == "probabilities" else 0.0
    head: dict[str, Any] = {"kind": "semantic", "output": place}
    if outputs[place].channels == 1:
        head["threshold"] = threshold
    assumed = {}
    if len(outputs) > 1 and not options.output:
        assumed["output"] = f"output {outputs[place].name} has the classes, of {_list(outputs)}"
    return Purpose(
        task=SEMANTIC.name, keys={"head": head}, assumed=assumed, preprocess=WHOLE_PICTURE
    )


def _as_other(
    options: OwnModelOptions, outputs: Sequence[NetworkOutput], size: Sequence[int]
) -> Purpose:
    chosen = parse_images(options.images, outputs)
    levels: PreprocessKeys = unit_levels(size[0]) if _has_picture(outputs, size) else {}
    usual: PreprocessKeys = {**levels, **WHOLE_PICTURE}
    found = _find_images(outputs, size, {**usual, **options.preprocess})
    images = found if chosen is None else chosen
    assumed = {}
    if options.task != OTHER.name:
        assumed["task"] = (
            f"task other, whose outputs are kept as they are: {_list(outputs)}; classes need "
            "--labels, a detector --task and --head"
        )
    if images and chosen is None:
        assumed["images"] = "; ".join(_describe_image(*item) for item in images.items())
    keys = {"images": {name: _as_yaml(span) for name, span in images.items()}} if images else {}
    return Purpose(task=OTHER.name, keys=keys, assumed=assumed, preprocess=usual)


def _has_picture(outputs: Sequence[NetworkOutput], size: Sequence[int]) -> bool:
    return any(each.channels == 3 and _is_scaled(each, size) for each in outputs)


def _find_images(
    outputs: Sequence[NetworkOutput], size: Sequence[int], preprocess: PreprocessKeys
) -> dict[str, ImageRange]:
    """Outputs of one or three channels at the input's size, or a multiple or a part of it."""
    return {
        f"out{at}": _usual_range(each, preprocess)
        for at, each in enumerate(outputs)
        if each.channels in {1, 3} and _is_scaled(each, size)
    }


def _is_scaled(output: NetworkOutput, size: Sequence[int]) -> bool:
    """Whether it is a map with the input's proportions, at a whole ratio."""
    if not output.map_size:
        return False
    (rows, columns), (height, width) = output.map_size, size[1:]
    larger = rows % height == 0 and columns % width == 0
    smaller = height % rows == 0 and width % columns == 0
    return (larger or smaller) and rows * width == columns * height


def _usual_range(output: NetworkOutput, preprocess: PreprocessKeys) -> ImageRange:
    """Of a picture the range that the network is fed; of one map its own, or that of a share."""
    if output.channels == 1:
        return (0.0, 1.0) if output.ends == "probabilities" else "own"
    mean, norm = preprocess.get("mean", [0.0])[0], preprocess.get("norm", [1 / MAX_LEVEL])[0]
    low, high = round(-mean * norm, 3), round((MAX_LEVEL - mean) * norm, 3)
    return (low, high) if (low, high) in {(-1.0, 1.0), (0.0, MAX_LEVEL)} else (0.0, 1.0)


def parse_images(text: str, outputs: Sequence[NetworkOutput]) -> dict[str, ImageRange] | None:
    """``--images``: ``out0=0:1,out1=own``, or ``none``; None where it is not stated."""
    if not text:
        return None
    if text == "none":
        return {}
    names = {each.name: f"out{at}" for at, each in enumerate(outputs)}
    return dict(_parse_image(part, names) for part in text.split(","))


def _parse_image(part: str, names: Mapping[str, str]) -> tuple[str, ImageRange]:
    name, _, span = part.rpartition("=")
    blob = names.get(name, name)
    low, _, high = span.partition(":")
    if blob not in names.values() or (span != "own" and not (low and high)):
        raise WrongInput(
            f"--images {part}",
            remedy=f"NAME=LOW:HIGH, NAME=own or none; its outputs: {', '.join(names)}",
        )
    return blob, ("own" if span == "own" else (_number(low, part), _number(high, part)))


def _number(text: str, part: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise WrongInput(f"--images {part}", remedy="numbers, as out0=0:1") from None


def _as_yaml(span: ImageRange) -> str | list[float]:
    return span if isinstance(span, str) else list(span)


def _describe_image(name: str, span: ImageRange) -> str:
    ends = "its least and its largest value" if span == "own" else f"{span[0]:g} and {span[1]:g}"
    return f"{name} is a picture, {ends} are black and white"


def _list(outputs: Sequence[NetworkOutput]) -> str:
    more = len(outputs) - SHOWN_OUTPUTS
    named = ", ".join(each.text for each in outputs[:SHOWN_OUTPUTS])
    return named + (f" and {more} more" if more > 0 else "")
