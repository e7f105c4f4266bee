"""The YAML of a user's own model: what was stated, what is default, how a classifier ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard.convert.model_files import GRAPH_PART
from piyard.convert.own.anchors import FIRST_ANCHOR, describe_anchors, read_anchors
from piyard.convert.own.class_output import ClassOutput, choose_class_output, read_outputs
from piyard.convert.own.cutting import HeadMaps, find_head_maps
from piyard.convert.own.decoding import settle_head
from piyard.convert.own.defaults import (
    NetworkDefaults,
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
from piyard.core.errors import PROGRAM, WrongInput
from piyard.core.parsing import JsonObject, JsonValues
from piyard.models.definition import Model, ModelDefinition, name_model
from piyard.vision.head_schema import Yolov8
from piyard.vision.tasks import find_task

ANCHORED = "yolov5"
"""The head whose anchors are read from the file."""
DEFAULT_MAPS = 3
OWN_LICENCE = "the user's own"
MAIN_PART = ""
"""The part that a model's own network is."""


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML's keys, and notes on them for the user."""

    keys: JsonObject
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

    Raises ``WrongInput`` for what cannot be a model, and what ``find_head_maps`` raises.
    """
    usual = network_defaults(network)
    size = parse_size(options.size or purpose.size or usual.size)
    require_picture_input(options, size)
    preprocess = _choose_preprocess(options, usual, purpose, size)
    net_file, classes = files.get(GRAPH_PART, files[MAIN_PART]), ClassOutput()
    if find_task(purpose.task).has_class_output:
        classes = _find_classes(options, network, net_file, size, name_lists)
    assumed = _list_assumptions(options, size, preprocess) | classes.assumed | purpose.assumed
    assumed |= {key: names.assumed for key, names in name_lists.items() if names.assumed}
    stated: JsonObject = {
        "title": options.name,
        "own": True,
        "task": purpose.task,
        "network": network,
        **_weights_keys(options, files),
        "input": size,
        "preprocess": preprocess,
        "noise": default_input_range(preprocess),
        **{key: names.name for key, names in name_lists.items()},
        **classes.keys,
        "assumed": list(assumed),
        "head": _head_keys(options, usual),
        "cut": options.cut,
        **purpose.keys,
    }
    keys = {key: value for key, value in stated.items() if value}
    keys, note = _settle_decoding(options, net_file, keys, name_lists["labels"].count)
    lines = [describe_assumption(fact, text) for fact, text in assumed.items()]
    return ModelDescription(keys=keys, assumed=lines, ending=note or classes.ending)


def _choose_preprocess(
    options: OwnModelOptions, usual: NetworkDefaults, purpose: Purpose, size: Sequence[int]
) -> PreprocessKeys:
    """The user's, over what is usual for the task, the network and its head."""
    defaults: PreprocessKeys = {**(usual.preprocess or {}), **purpose.preprocess}
    preprocess = default_preprocess(options.head or usual.head, size, options.preprocess, defaults)
    _require_square(options, size, preprocess)
    return preprocess


def _list_assumptions(
    options: OwnModelOptions, size: Sequence[int], preprocess: PreprocessKeys
) -> dict[str, str]:
    """What nobody stated of the input and its preparation: fact → text."""
    texts = {"input": f"input {','.join(map(str, size))}"} | describe_preprocess(preprocess)
    unstated = list_assumed(options.preprocess.keys(), size=options.size)
    return {fact: texts[fact] for fact in unstated}


def _weights_keys(options: OwnModelOptions, files: Mapping[str, Path]) -> JsonObject:
    entries = {part: _weights_entry(options, file) for part, file in files.items()}
    main = entries.pop(MAIN_PART)
    return {"weights": [main], "parts": entries}


def _settle_decoding(
    options: OwnModelOptions, file: Path, keys: JsonObject, labels: int
) -> tuple[JsonObject, str]:
    """The keys with where the file is cut and how its values decode; and a note on that."""
    model = _validate_model(options.name, keys)
    maps = HeadMaps() if options.cut else find_head_maps(file, model)
    keys, note = keys | _map_keys(keys, model, maps), ""
    if keys.get("head", {}).get("kind") == ANCHORED and "anchors" not in options.head_keys:
        anchors = read_anchors(file, model, maps, labels)
        keys, note = _with_head(keys, {"anchors": anchors}), describe_anchors(anchors)
    if maps.cut:
        settled = settle_head(file, _validate_model(options.name, keys), maps)
        keys, note = _with_head(keys, settled.keys), settled.note or note
    return keys, note


def _with_head(keys: JsonValues, further: JsonValues) -> JsonObject:
    return {**keys, "head": {**keys["head"], **further}}


def _head_keys(options: OwnModelOptions, usual: NetworkDefaults) -> dict[str, object]:
    """The head; its anchors, which are read from the file later, as so many maps have them."""
    kind, strides = options.head or usual.head, options.strides or list(usual.strides)
    if not kind:
        return {}
    further = {**usual.head_keys, **options.head_keys}
    if kind == ANCHORED:
        further = {"anchors": [FIRST_ANCHOR] * (len(strides) or DEFAULT_MAPS)} | further
    return {"kind": kind} | ({"strides": strides} if strides else {}) | further


def _map_keys(keys: JsonValues, model: Model, maps: HeadMaps) -> JsonObject:
    """Where the file is cut; and the bins of a distribution, which the first map's sides show."""
    further: JsonObject = {"cut": maps.cut} if maps.cut else {}
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
    """Raise ``WrongInput`` for an input that is not a picture."""
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
