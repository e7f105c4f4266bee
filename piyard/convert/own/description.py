"""The YAML of a user's own model: what was stated, what is default, how a classifier ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, get_args

import msgspec

from piyard.convert.analysis import choose_output, layer_output_kind, list_outputs, output_kind
from piyard.convert.ncnn_net import load_net_files, output_blobs, run_net
from piyard.convert.own.anchors import FIRST_ANCHOR, describe_anchors, read_anchors
from piyard.convert.own.cutting import HeadMaps, find_head_maps, view_graph
from piyard.convert.own.decoding import settle_head
from piyard.convert.own.defaults import (
    OwnModelOptions,
    describe_assumption,
    list_assumed,
    network_defaults,
    parse_size,
)
from piyard.convert.own.name_lists import NameList
from piyard.convert.own.network_file import sha256_of_network
from piyard.convert.own.preparation import (
    CHANNEL_ORDERS,
    PreprocessKeys,
    default_input_range,
    default_preprocess,
    describe_preprocess,
)
from piyard.convert.own.purpose import Purpose
from piyard.convert.param import read_param
from piyard.convert.reference_models import GRAPH_PART
from piyard.core.errors import PROGRAM, WrongInput, unknown_name
from piyard.models.definition import Activation, Model, ModelDefinition, name_model
from piyard.vision.schema import AUTO, Yolov8
from piyard.vision.tasks import find_task
from piyard.vision.tasks.classify import OutputKind, resolve_activation

KNOWN_ACTIVATIONS: tuple[str, ...] = get_args(Activation)
MULTI_LABEL_NOTE = "of a net that gives each label for itself it is sigmoid"


class ClassifierOutputs(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs of a file, in order."""

    names: list[str]
    sizes: list[int]
    """Number of values of each; 0 where that is not known without running it."""
    ends: list[OutputKind]


class ClassOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The output with the classes, and what turns it into scores."""

    output: str = ""
    """Empty for the only one."""
    activation: str = AUTO
    assumed: dict[str, str] = {}
    """Fact → text."""
    ending: str = ""
    """A note where the network's ending decides the activation."""

    @property
    def keys(self) -> dict[str, str]:
        """What a model's YAML says of it."""
        return {
            "output": self.output,
            "activation": self.activation if self.activation != AUTO else "",
        }


BUILT_OUTPUTS = ClassifierOutputs(names=["out0"], sizes=[0], ends=["logits"])
"""Of the networks that piyard builds, for as many classes as there are labels."""


def read_outputs(
    file: Path, network: str, shape: Sequence[int], cut: Sequence[str]
) -> ClassifierOutputs:
    """The outputs of a file, or the tensors of ``cut``. A program with several is run once.

    Raises ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "ncnn":
        return _pair_outputs(file, shape)
    net = view_graph(file, network, shape)
    if net is None:
        return BUILT_OUTPUTS
    names = list(cut) or net.outputs
    shapes = net.shapes(names) if network == "onnx" or len(names) > 1 else {}
    sizes = [prod(shapes.get(name, (0, 0))[1:]) for name in names]
    ends = [output_kind(net.steps, name) for name in names]
    # A program does not name its outputs: they get pnnx's numbers.
    numbered = [f"out{number}" for number in range(len(names))]
    called = names if network == "onnx" else ([] if cut else net.keys) or numbered
    return ClassifierOutputs(names=called, sizes=sizes, ends=ends)


def _pair_outputs(file: Path, shape: Sequence[int]) -> ClassifierOutputs:
    import numpy as np

    layers = read_param(file)
    names = output_blobs(layers)
    sizes = dict.fromkeys(names, 0)
    if len(names) > 1:
        net = load_net_files(file, file.with_suffix(".bin"))
        results = run_net(net, np.zeros(shape, np.float32))
        sizes |= {name: int(values.size) for name, values in results.items()}
    ends = [layer_output_kind(layers, name) for name in names]
    return ClassifierOutputs(names=names, sizes=[sizes[name] for name in names], ends=ends)


def choose_class_output(
    candidates: ClassifierOutputs, *, output: str, activation: str, labels: int
) -> ClassOutput:
    """What the user stated, else what fits so many labels. Raises ``WrongInput``."""
    if activation not in {"", *KNOWN_ACTIVATIONS}:
        raise unknown_name("activation", activation, KNOWN_ACTIVATIONS)
    index = choose_output(output, candidates.names, candidates.sizes, labels)
    name, ends = candidates.names[index], candidates.ends[index]
    size = candidates.sizes[index] or (labels if labels == 1 or candidates is BUILT_OUTPUTS else 0)
    _require_activation_fits(name, ends, activation)
    several = len(candidates.names) > 1
    resolved = activation or _default_activation(ends, size)
    assumed = {}
    if several and not output:
        listed = list_outputs(candidates.names, candidates.sizes)
        assumed["output"] = f"output {name}, as large as there are labels, of {listed}"
    if ends == "logits" and not activation:
        assumed["activation"] = _describe_activation(resolved)
    note = "" if ends == "logits" else f"{name} holds {ends}: its activation is {resolved}"
    return ClassOutput(
        output=name if several else "", activation=resolved, assumed=assumed, ending=note
    )


def _default_activation(ends: OutputKind, size: int) -> str:
    is_known = size or ends != "logits"
    return resolve_activation(AUTO, ends, size) if is_known else AUTO


def _describe_activation(activation: str) -> str:
    if activation == AUTO:
        return f"activation softmax, of a single value sigmoid; {MULTI_LABEL_NOTE}"
    return f"activation {activation}" + (f"; {MULTI_LABEL_NOTE}" if activation == "softmax" else "")


def _require_activation_fits(name: str, ends: OutputKind, activation: str) -> None:
    if ends == "probabilities" and activation not in {"", AUTO, "none"}:
        raise WrongInput(
            f"--activation {activation}: '{name}' already holds probabilities",
            remedy="leave it out, or --activation none",
        )
    if ends != "log-probabilities" and activation == "exp":
        raise WrongInput(
            f"--activation exp: '{name}' does not end in the logarithm of probabilities",
            remedy="leave it out, or --activation none",
        )


ANCHORED = "yolov5"
"""The head whose anchors are read from the file."""
DEFAULT_MAPS = 3
OWN_LICENCE = "the user's own"
MAIN_PART = ""
"""The part that a model's own network is."""


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML's keys, and notes on them for the user."""

    keys: dict[str, Any]
    assumed: list[str]
    """Facts that nobody stated, a line each."""
    ending: str = ""
    """A note: a classifier's ending decides its activation, or a head decodes otherwise."""


def describe_model(
    options: OwnModelOptions,
    network: str,
    files: Mapping[str, Path],
    name_lists: Mapping[str, NameList],
    purpose: Purpose,
) -> ModelDescription:
    """The YAML. ``name_lists`` are its lists of names, by key.

    Raises ``WrongInput`` for what cannot be a model, and what ``cutting.found`` raises.
    """
    usual = network_defaults(network)
    task, head = purpose.task, options.head or usual.head
    size = parse_size(options.size or purpose.size or usual.size)
    require_picture_input(options, size)
    weights = {part: _weights_entry(options, file) for part, file in files.items()}
    main = weights.pop(MAIN_PART)
    preprocess = default_preprocess(
        head, size, options.preprocess, {**(usual.preprocess or {}), **purpose.preprocess}
    )
    _require_square(options, size, preprocess)
    ends, net_file = ClassOutput(), files.get(GRAPH_PART, files[MAIN_PART])
    if find_task(task).has_class_output:
        ends = _find_classes(options, network, net_file, size, name_lists)
    size_text = {"input": f"input {','.join(map(str, size))}"}
    known = ends.assumed | purpose.assumed
    lists = {key: each.assumed for key, each in name_lists.items() if each.assumed}
    texts = size_text | describe_preprocess(preprocess) | known | lists
    unstated = [*list_assumed(options.preprocess.keys(), size=options.size), *known, *lists]
    head_keys = {**usual.head_keys, **options.head_keys}
    all_keys = {
        "title": options.name,
        "own": True,
        "task": task,
        "network": network,
        "weights": [main],
        "parts": weights,
        "input": size,
        "preprocess": preprocess,
        "noise": default_input_range(preprocess),
        **{key: name_list.name for key, name_list in name_lists.items()},
        **ends.keys,
        "assumed": unstated,
        "head": _head_keys(head, options.strides or list(usual.strides), head_keys),
        "cut": options.cut,
        **purpose.keys,
    }
    keys: dict[str, Any] = {key: value for key, value in all_keys.items() if value}
    model = _validate_model(options.name, keys)
    maps = HeadMaps() if options.cut else find_head_maps(net_file, model)
    keys |= _map_keys(keys, model, maps)
    note = ends.ending
    if head == ANCHORED and "anchors" not in head_keys:
        anchors = read_anchors(net_file, model, maps, name_lists["labels"].count)
        keys["head"] = {**keys["head"], "anchors": anchors}
        note = describe_anchors(anchors)
    if maps.cut:
        settled = settle_head(net_file, _validate_model(options.name, keys), maps)
        keys["head"] = {**keys["head"], **settled.keys}
        note = settled.note or note
    return ModelDescription(
        keys=keys,
        assumed=[describe_assumption(fact, texts[fact]) for fact in unstated],
        ending=note,
    )


def _head_keys(
    head: str, strides: Sequence[int], further: Mapping[str, object]
) -> dict[str, object]:
    if not head:
        return {}
    if head == ANCHORED and "anchors" not in further:
        maps = len(strides) or DEFAULT_MAPS
        further = {**further, "anchors": [FIRST_ANCHOR] * maps}
    return {"kind": head} | ({"strides": strides} if strides else {}) | dict(further)


def _map_keys(keys: Mapping[str, Any], model: Model, maps: HeadMaps) -> dict[str, Any]:
    """Where the file is cut; and the bins of a distribution, which the first map's sides show."""
    further: dict[str, Any] = {"cut": maps.cut} if maps.cut else {}
    sides = maps.channels[0] if len(maps.channels) > 1 else 0
    if isinstance(model.head, Yolov8) and sides and not sides % 4 and sides != 4 * model.head.bins:
        further["head"] = keys["head"] | {"bins": sides // 4}
    return further


def _find_classes(
    options: OwnModelOptions,
    network: str,
    file: Path,
    size: Sequence[int],
    name_lists: Mapping[str, NameList],
) -> ClassOutput:
    outputs = read_outputs(file, network, size, options.cut)
    return choose_class_output(
        outputs,
        output=options.output,
        activation=options.activation,
        labels=name_lists["labels"].count,
    )


def require_picture_input(options: OwnModelOptions, size: Sequence[int]) -> None:
    """Raise ``WrongInput`` for an input that is no picture."""
    if size[0] in CHANNEL_ORDERS:
        return
    last = (
        "; it has the channels last: export it with them first" if size[2] in CHANNEL_ORDERS else ""
    )
    raise WrongInput(
        f"{options.file.name} takes an input of {','.join(map(str, size))}, and not channels, "
        "height, width of a picture of 1, 3 or 4 channels",
        remedy=f"pictures are gray, RGB or RGBA{last}",
    )


def _require_square(
    options: OwnModelOptions, size: Sequence[int], preprocess: PreprocessKeys
) -> None:
    if preprocess["fit"] == "crop" and size[1] != size[2]:
        raise WrongInput(
            f"{options.file.name} takes {size[1]}x{size[2]}, which is not square, and how a "
            "picture fits into it is not stated",
            remedy="--fit stretch, or --fit letterbox where the aspect ratio was kept",
        )


def _validate_model(name: str, described: Mapping[str, object]) -> Model:
    try:
        return name_model(name, msgspec.convert(described, ModelDefinition))
    except msgspec.ValidationError as error:
        raise WrongInput(
            f"this does not describe a model: {error}", remedy=f"{PROGRAM} --help model.add"
        ) from None


def _weights_entry(options: OwnModelOptions, file: Path) -> dict[str, str]:
    return {
        "source": file.name,
        "licence": options.licence or OWN_LICENCE,
        "dataset": "not told",
        "sha256": sha256_of_network(file),
    }
