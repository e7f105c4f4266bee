"""A checkpoint as people save one: its tensors by name, and what is noted beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from piyard.core.errors import ConversionFailed
from piyard.core.text import sanitize_line
from piyard.models.checkpoint_file import StubClass, load_checkpoint
from piyard.models.module_objects import is_by_ultralytics, list_objects, list_tensors, trained_task
from piyard.models.tensor_file import is_tensor_file, read_header_notes, read_tensor_file

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]


EMA_KEYS = (
    *("ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "model_ema_state_dict"),
    "params_ema",
)
"""The running mean of the weights, which trainers evaluate and publish."""
STATE_KEYS = (
    *EMA_KEYS,
    *("model", "model_state_dict", "state_dict", "net", "network", "net_state_dict", "params"),
    *("weights", "model_state", "model_weights", "module"),
)
"""Where the weights may be, best first."""
MAX_DEPTH = 4
"""Of dictionaries in each other."""
WRAPPER_NAMES = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Put anywhere into a name by torch.compile, FSDP and activation checkpointing."""
PARALLEL = "module."
"""Put before every name by torch's DataParallel."""
PREFIXES = (
    *("module.", "model.", "net.", "network.", "backbone.", "encoder.", "classifier_model."),
    *("_forward_module.", "ema_model.", "feature_extractor."),
)
"""What a module that holds the network calls it, before each name."""
TRAINING_PARTS = ("aux1.", "aux2.", "AuxLogits.")
"""Of GoogLeNet and Inception: computed in training only. So is one of two branches of YOLO26."""
MAX_STRANGERS = 16
"""Tensors beside a network's own, as those of a loss or a metric, that are left out."""
WHOLE_BYTES = frozenset({"int8", "uint8", "float8_e4m3fn", "float8_e5m2"})
"""Types of tensors that only quantised networks have."""


class Checkpoint(NamedTuple):
    """The tensors of a file by name, in fp32."""

    state: State
    place: str
    """The keys that lead to them, joined by dots; empty where they are the file."""
    stored: str
    """The types of its floating-point numbers, as float16."""
    objects: dict[str, StubClass]
    """The modules by name, where the file holds whole ones."""


def open_checkpoint(path: Path) -> Checkpoint:
    """The tensors, fp16 as fp32, and where they were. Raises ``ConversionFailed``."""
    if is_tensor_file(path):
        located = FoundState(dict(read_tensor_file(path)))
    else:
        located = _require_state(load_checkpoint(path), path)
    state = located.state
    _require_floats(state, path)
    stored = sorted({_type_name(each) for each in state.values() if each.is_floating_point()})
    objects = {} if located.module is None else dict(list_objects(located.module))
    return Checkpoint(_plain_state(state), located.place, ", ".join(stored), objects)


class FoundState(NamedTuple):
    """The tensors by name, the keys that lead to them, and the whole module they are of."""

    state: State
    place: str = ""
    module: StubClass | None = None


def _require_state(loaded: Any, path: Path) -> FoundState:
    if located := _find_state(loaded):
        return located
    several = _list_states(loaded)
    if len(several) > 1:
        raise ConversionFailed(
            f"{path.name} holds the weights of several networks: "
            f"{', '.join(map(sanitize_line, several))}",
            remedy="save the state_dict of the one that is to run",
        )
    raise ConversionFailed(
        f"{path.name} holds no weights by name",
        remedy="save the network's state_dict, or a dictionary that has one as `state_dict`",
    )


def _require_floats(state: State, path: Path) -> None:
    if any(tensor.is_quantized or _type_name(tensor) in WHOLE_BYTES for tensor in state.values()):
        raise ConversionFailed(
            f"{path.name} holds quantised weights, and piyard converts fp32 and fp16 ones",
            remedy="save the state_dict of the network before it was quantised",
        )


def _type_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _plain_state(state: State) -> State:
    """Names without what wraps them everywhere, tensors in fp32; counters stay as they are."""
    for marker in WRAPPER_NAMES:
        state = {name.replace(marker, ""): tensor for name, tensor in state.items()}
    if state and all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): tensor for name, tensor in state.items()}
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    return _apply_pruning(state)


def _apply_pruning(state: State) -> State:
    """``weight_orig`` times ``weight_mask`` is the weight (torch.nn.utils.prune)."""
    masked = {name: f"{name.removesuffix('_orig')}_mask" for name in state if "_orig" in name[-5:]}
    pairs = {name: mask for name, mask in masked.items() if mask in state}
    pruned = {name.removesuffix("_orig"): state[name] * state[mask] for name, mask in pairs.items()}
    return {
        name: tensor for name, tensor in state.items() if name not in {*pairs, *pairs.values()}
    } | pruned


class StateVariant(NamedTuple):
    """The tensors under the names that a network may have for them."""

    state: State
    changes: str = ""
    """What was taken off or left out."""


def state_variants(state: State) -> Iterator[StateVariant]:
    """The state, then without what it may have before each name, then without strangers."""
    removed = ""
    while True:
        changes = f"prefix '{removed}' taken off" if removed else ""
        yield StateVariant(state, changes)
        yield from _without_training_parts(state, changes)
        prefix = next((each for each in PREFIXES if all(n.startswith(each) for n in state)), "")
        if not prefix or not state:
            break
        removed += prefix
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    for prefix in PREFIXES:
        yield from _without_strangers(state, prefix)


def _without_training_parts(state: State, changes: str) -> Iterator[StateVariant]:
    kept = {
        name: values
        for name, values in state.items()
        if not name.startswith(TRAINING_PARTS) and not _has_end_to_end_twin(name, state)
    }
    if len(kept) < len(state):
        parts = "its auxiliary heads, which only training computes, left out"
        yield StateVariant(kept, f"{changes}; {parts}" if changes else parts)


def _has_end_to_end_twin(name: str, state: State) -> bool:
    """Whether the same layer is in YOLO26's other branch, ``model.23.one2one_cv2.…``, too."""
    twin = re.sub(r"\.(cv\d\w*\.)", r".one2one_\1", name, count=1)
    return twin != name and twin in state


def _without_strangers(state: State, prefix: str) -> Iterator[StateVariant]:
    own = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    strangers = [name for name in state if not name.startswith(prefix)]
    if own and 0 < len(strangers) <= MAX_STRANGERS:
        yield StateVariant(own, f"prefix '{prefix}' taken off; left out: {', '.join(strangers)}")


STEP_COUNTER = "num_batches_tracked"
"""Counts training steps, means nothing here, and old files have none."""


def name_state(state: State, names: Collection[str]) -> State:
    """The tensors under a network's names for them; as they are where none fit."""
    needed = {name for name in names if not name.endswith(STEP_COUNTER)}
    for variant in state_variants(state):
        if {name for name in variant.state if not name.endswith(STEP_COUNTER)} == needed:
            return variant.state
    return state


def checkpoint_notes(path: Path) -> dict[str, object]:
    """What is noted beside the weights; nothing of that is checked. Raises as ``read``.

    ``trainer`` says that Ultralytics did, who keeps ``names`` of the classes, ``transforms`` of a
    classifier, ``kpt_shape`` and ``kpt_names`` of keypoints, ``train_args``, the ``license`` and
    the ``task`` of its class; others may have any key that is a text.
    """
    if is_tensor_file(path):
        return {**read_header_notes(path), "trainer": False}
    loaded = load_checkpoint(path)
    if not isinstance(loaded, Mapping):
        return {}
    modules = (loaded.get(key) for key in STATE_KEYS)
    trained = next((value for value in modules if is_by_ultralytics(value)), None)
    plain = {key: value for key, value in loaded.items() if isinstance(key, str)}
    if trained is None:
        return {**plain, "trainer": False}
    kept = {key: vars(trained).get(key) for key in ("names", "transforms", "kpt_names")}
    described = vars(trained).get("yaml")
    shape = described.get("kpt_shape") if isinstance(described, Mapping) else None
    task = trained_task(trained)
    return {**plain, **kept, "kpt_shape": shape, "task": task, "trainer": True}


def _find_state(loaded: Any, depth: int = MAX_DEPTH) -> FoundState | None:
    """The tensors wherever they are in what was loaded, and where; None without any by name."""
    if isinstance(loaded, StubClass):
        tensors = dict(list_tensors(loaded))
        return FoundState(tensors, module=loaded) if tensors else None
    if not isinstance(loaded, Mapping) or not depth:
        return None
    if _is_state(loaded):
        return FoundState(dict(loaded))
    keys = [key for key in STATE_KEYS if loaded.get(key) is not None]
    located = ((key, _find_state(loaded[key], depth - 1)) for key in keys)
    first = next(((key, inner) for key, inner in located if inner), None)
    if first is None:
        return _only_state(loaded)
    key, inner = first
    return inner._replace(place=f"{key}.{inner.place}" if inner.place else key)


def _only_state(loaded: Mapping[Any, Any]) -> FoundState | None:
    """Where nothing has a usual key: the only state there is, else tensors among other things."""
    states = _list_states(loaded)
    if len(states) == 1:
        key, state = next(iter(states.items()))
        held = loaded[key]
        return FoundState(state, key, held if isinstance(held, StubClass) else None)
    tensors = {name: value for name, value in loaded.items() if _is_named_tensor(name, value)}
    has_parts = any("." in name for name in tensors)
    return FoundState(tensors) if has_parts and not states else None


def _list_states(loaded: Any) -> dict[str, State]:
    """The states of a dictionary by their keys."""
    if not isinstance(loaded, Mapping):
        return {}
    states = {
        key: dict(value) if isinstance(value, Mapping) else dict(list_tensors(value))
        for key, value in loaded.items()
        if isinstance(key, str) and (_is_state(value) or isinstance(value, StubClass))
    }
    return {key: state for key, state in states.items() if state}


def _is_state(loaded: Any) -> bool:
    return (
        isinstance(loaded, Mapping)
        and bool(loaded)
        and all(_is_named_tensor(name, value) for name, value in loaded.items())
    )


def _is_named_tensor(name: Any, value: Any) -> bool:
    import torch

    return isinstance(name, str) and isinstance(value, torch.Tensor)
