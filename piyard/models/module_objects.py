"""What a whole module in a file says beside its tensors: how its layers compute.

Names and shapes of tensors fit networks that compute something else: with other activations,
strides, or numbers that batch norms add to a variance. A state_dict says nothing of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from piyard.models.checkpoint_file import StubClass

if TYPE_CHECKING:
    import torch

    Objects = Mapping[str, StubClass]
    """Modules by name."""


ACTIVATIONS = "torch.nn.modules.activation"
CONVOLUTION, NORM = "torch.nn.modules.conv.Conv2d", "torch.nn.modules.batchnorm.BatchNorm2d"
TRAINED_TASKS = {
    "DetectionModel": "detect",
    "SegmentationModel": "segment",
    "PoseModel": "pose",
    "ClassificationModel": "classify",
    "OBBModel": "obb",
}
"""What Ultralytics' classes are for."""
CONVOLUTION_KEYS = ("stride", "padding", "dilation", "groups")


def list_objects(
    module: StubClass, name: str = "", above: tuple[StubClass, ...] = ()
) -> Iterator[tuple[str, StubClass]]:
    """The module and all within it, as ``named_modules`` would, those within themselves once."""
    yield name, module
    for key, inner in named_items(module, "_modules"):
        if isinstance(inner, StubClass) and inner not in (*above, module):
            yield from list_objects(inner, f"{name}.{key}" if name else key, (*above, module))


def list_tensors(module: StubClass) -> Iterator[tuple[str, torch.Tensor]]:
    """What ``state_dict`` would return for the module that the object was."""
    import torch

    for name, each in list_objects(module):
        left_out = vars(each).get("_non_persistent_buffers_set", ())
        for kind in ("_parameters", "_buffers"):
            for key, values in named_items(each, kind):
                if isinstance(values, torch.Tensor) and key not in left_out:
                    yield f"{name}.{key}" if name else key, values.detach()


def is_by_ultralytics(value: object) -> bool:
    """Whether it was an object of a class of Ultralytics."""
    return isinstance(value, StubClass) and value.named.startswith("ultralytics.")


def trained_task(module: StubClass) -> str:
    """What its class is for; empty for one that has no task here."""
    return TRAINED_TASKS.get(module.named.rpartition(".")[2], "")


def named_items(module: StubClass, kind: str) -> list[tuple[str, Any]]:
    """A file may hold anything: what is not a dictionary of names counts as empty."""
    kept = vars(module).get(kind)
    pairs = kept.items() if isinstance(kept, Mapping) else ()
    return [(name, value) for name, value in pairs if isinstance(name, str)]


def adopt_norms(network: torch.nn.Module, objects: Objects) -> None:
    """Let the network's batch norms add to a variance what those of the file add.

    Ultralytics' classifiers keep torch's 0.00001, its other networks add 0.001.
    """
    import torch

    for name, layer in network.named_modules():
        if not isinstance(layer, torch.nn.BatchNorm2d):
            continue
        pickled = _find_object(objects, name)
        added = vars(pickled).get("eps") if pickled is not None and pickled.named == NORM else None
        if isinstance(added, float) and 0 < added < 1:
            layer.eps = added


def list_other_settings(network: torch.nn.Module, objects: Objects) -> list[str]:
    """A line for whatever the file's layers compute in another way than the network's."""
    lines = []
    theirs, ours = _activations_in_file(objects), _activations(network)
    if theirs and not theirs <= ours:
        lines.append(
            f"activations: {_join(theirs)} in the file, {_join(ours) or 'none'} in the network"
        )
    for name, layer in network.named_modules():
        pickled = _find_object(objects, name)
        if pickled is not None and pickled.named == CONVOLUTION:
            lines += _other_keys(name, layer, vars(pickled))
    return lines


def _other_keys(name: str, layer: torch.nn.Module, pickled: Mapping[str, object]) -> list[str]:
    return [
        f"{name}: {key} {pickled[key]!r} in the file, {ours!r} in the network"
        for key in CONVOLUTION_KEYS
        if key in pickled and (ours := getattr(layer, key, None)) != pickled[key]
    ]


def _find_object(objects: Objects, name: str) -> StubClass | None:
    """By its name, or the one that something holds which was taken off the names of tensors."""
    if name in objects:
        return objects[name]
    held = [each for other, each in objects.items() if other.endswith(f".{name}")]
    return held[0] if name and len(held) == 1 else None


def _activations_in_file(objects: Objects) -> set[str]:
    places = [each.named.rpartition(".") for each in objects.values()]
    return {kind for module, _, kind in places if module == ACTIVATIONS}


def _activations(network: torch.nn.Module) -> set[str]:
    kinds = {type(layer) for layer in network.modules()}
    return {kind.__name__ for kind in kinds if kind.__module__ == ACTIVATIONS}


def _join(kinds: set[str]) -> str:
    return ", ".join(sorted(kinds))
