"""Which network a checkpoint fits, by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from piyard.convert.own.defaults import SAVE_REMEDY
from piyard.core.errors import WrongInput
from piyard.core.text import sanitize_line
from piyard.models.architectures.classifiers import CLASSIFIER_TENSORS
from piyard.models.architectures.timm_networks import TIMM_NAME
from piyard.models.checkpoint import (
    STEP_COUNTER,
    Checkpoint,
    checkpoint_notes,
    open_checkpoint,
    state_variants,
)
from piyard.models.module_objects import list_other_settings
from piyard.models.networks import (
    CLASSIFIERS,
    NETWORK_NAMES,
    RTMPOSE,
    YOLO,
    YOLO26,
    YOLO_CLASSIFIERS,
    build_network,
    meta_weights,
)

if TYPE_CHECKING:
    import torch


SHOWN_TENSORS = 3
PLAIN_TYPE = "float32"
PROBE_CLASSES = 1009
"""No network has a layer of that width: where it comes back is the number of classes."""
SPARE_TENSORS = 3
"""How many more or fewer tensors the nearest network may have."""
YOLO_MARK, BACKBONE_MARK = "model.0.", "backbone."
"""What names begin with in Ultralytics' networks, and in piyard's others."""
KEYPOINT_BIAS = re.compile(r"model\.\d+\.cv4\.0\.2\.bias")
KEYPOINT_VALUES = 3
"""x, y and visibility."""

StateShapes = dict[str, tuple[int, ...]]


class NetworkMatch(msgspec.Struct, frozen=True, kw_only=True):
    """The network of a file, and what was found out about its weights."""

    network: str
    classes: int = 0
    """How many it is for; 0 where the file does not show it."""
    keypoints: int = 0
    lines: list[str] = []
    """For the user."""


def match_network(
    file: Path, *, network: str = "", classes: int = 0, keypoints: int
) -> NetworkMatch:
    """The network that the tensors fit by name and shape, or the named one if they fit it.

    ``classes`` is how many have names, 0 where none are named. Raises ``WrongInput`` where no
    network fits, or one with another number of classes, and ``ConversionFailed`` for a file that
    cannot be read.
    """
    checkpoint = open_checkpoint(file)
    variants = [
        (variant.changes, state_shapes(variant.state))
        for variant in state_variants(checkpoint.state)
    ]
    candidates = [
        Candidate(name, changes, in_file, _count_keypoints(name, in_file) or keypoints)
        for changes, in_file in variants
        for name in ([network] if network else _likely_networks(in_file))
    ]
    for candidate in candidates:
        if count := candidate.fitting_classes():
            _require_settings(file, candidate, count, checkpoint)
            count = 0 if candidate.network in RTMPOSE else count
            _require_named_classes(file, candidate.network, count, classes)
            return NetworkMatch(
                network=candidate.network,
                classes=count,
                keypoints=_count_keypoints(candidate.network, candidate.in_file),
                lines=_describe(candidate.network, checkpoint, candidate.changes),
            )
    raise _no_network_fits(file, candidates)


class Candidate(NamedTuple):
    """A network that a file may be of, and what is in the file."""

    network: str
    changes: str
    """What was done to the file's names."""
    in_file: StateShapes
    keypoints: int

    def shapes(self, classes: int) -> StateShapes:
        """The network's, for so many classes."""
        return _network_shapes(self.network, classes, self.keypoints)

    def fitting_classes(self) -> int:
        """The number of classes for which all shapes are the file's; 0 where they never are."""
        if self.shapes(PROBE_CLASSES).keys() != self.in_file.keys():
            return 0
        count = self.likely_classes()
        return count if count and self.shapes(count) == self.in_file else 0

    def likely_classes(self) -> int:
        """The number of classes that the last layers show; 0 where they show several."""
        counts = {
            in_file[0]
            for name, shape in self.shapes(PROBE_CLASSES).items()
            if shape[:1] == (PROBE_CLASSES,) and (in_file := self.in_file.get(name))
        }
        # A pose of one object has no classes.
        return counts.pop() if len(counts) == 1 else 0 if counts else 1

    def differences(self) -> list[str]:
        """A line for each tensor that is not as in the network for these classes."""
        return _list_differences(self.in_file, self.shapes(self.likely_classes() or 1))


def _likely_networks(in_file: StateShapes) -> list[str]:
    """Those worth building: by the number of tensors, and by what the names begin with."""
    marks = {
        mark for mark in (YOLO_MARK, BACKBONE_MARK) if any(n.startswith(mark) for n in in_file)
    }
    own = {
        YOLO_MARK: YOLO | YOLO26 | YOLO_CLASSIFIERS,
        BACKBONE_MARK: NETWORK_NAMES - YOLO - YOLO26 - YOLO_CLASSIFIERS - CLASSIFIERS,
    }
    far = {name: abs(count - len(in_file)) for name, count in CLASSIFIER_TENSORS.items()}
    near = sorted(far, key=lambda name: far[name])
    return [
        *(name for name in near if far[name] <= SPARE_TENSORS),
        *(name for mark in marks for name in sorted(own[mark])),
    ]


def _count_keypoints(network: str, in_file: StateShapes) -> int:
    """As the layer that ends in them shows; 0 where none does."""
    if not network.endswith("-pose"):
        return 0
    sizes = [shape[0] for name, shape in in_file.items() if KEYPOINT_BIAS.fullmatch(name) and shape]
    return sizes[0] // KEYPOINT_VALUES if sizes else 0


def _require_settings(
    file: Path, candidate: Candidate, classes: int, checkpoint: Checkpoint
) -> None:
    """Raise ``WrongInput`` where tensors fit, and layers compute something else."""
    if not checkpoint.objects:
        return
    with meta_weights():
        network = build_network(candidate.network, classes, keypoints=candidate.keypoints)
    if lines := list_other_settings(network, checkpoint.objects):
        raise WrongInput(
            f"{file.name} has the tensors of {candidate.network}, and computes something else",
            evidence="\n".join(sanitize_line(line) for line in lines[:SHOWN_TENSORS]),
            remedy=SAVE_REMEDY,
        )


def _require_named_classes(file: Path, network: str, count: int, named: int) -> None:
    if named and count and named != count:
        raise WrongInput(
            f"{file.name} is {network} for {count} classes, and {named} are named",
            remedy="--labels FILE: one name a line, in the order of training",
        )


def _describe(network: str, checkpoint: Checkpoint, changes: str) -> list[str]:
    notes = [
        f"under '{checkpoint.place}'" if checkpoint.place else "",
        f"{checkpoint.stored} widened to {PLAIN_TYPE}"
        if checkpoint.stored not in {"", PLAIN_TYPE}
        else "",
        changes,
    ]
    return [sanitize_line("; ".join([f"weights of {network}", *filter(None, notes)]))]


def _no_network_fits(file: Path, candidates: Sequence[Candidate]) -> WrongInput:
    message = f"{file.name} fits no network that piyard builds"
    named = _noted_timm_name(file)
    hint = (
        f"it is noted as {named}: --network timm:{named}"
        if named
        else "one of timm's: --network timm:NAME"
    )
    remedy = f"{hint}; of another network: {SAVE_REMEDY}"
    if not candidates:
        return WrongInput(message, remedy=remedy)
    lines, nearest = min(
        ((each.differences(), each) for each in candidates), key=lambda pair: len(pair[0])
    )
    if len(lines) > len(nearest.in_file) / 2:
        return WrongInput(message, remedy=remedy)
    tensors = len(nearest.in_file)
    line = f"nearest is {nearest.network}, where {len(lines)} of {tensors} tensors differ:"
    return WrongInput(message, evidence="\n".join([line, *lines[:SHOWN_TENSORS]]), remedy=remedy)


def _noted_timm_name(file: Path) -> str:
    """What timm's trainer calls the network."""
    arch = checkpoint_notes(file).get("arch")
    return arch if isinstance(arch, str) and TIMM_NAME.fullmatch(arch) else ""


@cache
def _network_shapes(name: str, classes: int, keypoints: int) -> StateShapes:
    """Of a network without weights, which takes neither memory nor time."""
    with meta_weights():
        return state_shapes(build_network(name, classes, keypoints=keypoints).state_dict())


def state_shapes(state: Mapping[str, torch.Tensor]) -> StateShapes:
    """The shape of each tensor, counters of steps aside."""
    return {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if not name.endswith(STEP_COUNTER)
    }


def _list_differences(in_file: StateShapes, in_network: StateShapes) -> list[str]:
    """A line for each tensor that is missing, superfluous, or of another shape."""
    return [
        f"{name}: {_format_shape(ours)} in the file, {_format_shape(theirs)} in the network"
        for name in {**in_network, **in_file}
        if (ours := in_file.get(name)) != (theirs := in_network.get(name))
    ]


def _format_shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else "x".join(map(str, shape)) or "one number"
