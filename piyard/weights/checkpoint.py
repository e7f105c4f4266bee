"""A file of weights → tensors by their official names; no code that the file names is run.

Checkpoints come as a bare state_dict, as one wrapped in a dictionary (Megvii: ``model``, mmpose:
``state_dict``), or, from Ultralytics, as a pickled module. The classes such a module is made of are
stood in for by one that only keeps what it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.errors import ConversionFailed

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]

WRAPPERS = ("ema", "model", "state_dict")
"""Where the weights may be, best first: Ultralytics' running mean of them is what it publishes."""
PARALLEL = "module."
"""Put before every name by torch's DataParallel."""


class Inert:
    """Stands in for an object of a class that is not here: attributes only, no behaviour."""

    def __init__(self, *_: object, **__: object) -> None:
        """Made of anything, which is forgotten."""

    def __setstate__(self, state: object) -> None:
        """Keep what the file says the object's attributes are."""
        self.__dict__.update(state if isinstance(state, dict) else {})


_LAYERS = {
    "activation": "Hardswish LeakyReLU ReLU SiLU Sigmoid",
    "batchnorm": "BatchNorm2d",
    "container": "ModuleList Sequential",
    "conv": "Conv2d ConvTranspose2d",
    "dropout": "Dropout",
    "linear": "Identity Linear",
    "pooling": "AdaptiveAvgPool2d MaxPool2d",
    "upsampling": "Upsample",
}
_BLOCKS = {
    "block": "Attention Bottleneck C2PSA C2f C3 C3k C3k2 DFL PSABlock Proto SPPF",
    "conv": "Concat Conv DWConv",
    "head": "Classify Detect Pose Segment",
}
_OTHERS = (
    "ultralytics.nn.tasks.ClassificationModel",
    "ultralytics.nn.tasks.DetectionModel",
    "ultralytics.nn.tasks.PoseModel",
    "ultralytics.nn.tasks.SegmentationModel",
    # Heads for masks and poses keep `Detect.forward`, which pickle writes as a call of getattr.
    # Stood in for as well, it looks nothing up.
    "builtins.getattr",
    # How Ultralytics prepares pictures for a classifier, kept with it.
    *(
        f"torchvision.transforms.transforms.{one}"
        for one in ("CenterCrop", "Compose", "Normalize", "Resize", "ToTensor")
    ),
    "torchvision.transforms.functional.InterpolationMode",
    *(f"ultralytics.data.augment.{one}" for one in ("CenterCrop", "ToTensor")),
    # What trainers note down beside the weights.
    "mmengine.logging.history_buffer.HistoryBuffer",
    *(
        f"{at}.multiarray.{what}"
        for at in ("numpy.core", "numpy._core")
        for what in ("_reconstruct", "scalar")
    ),
    "numpy.dtype",
    "numpy.ndarray",
)


def allowed() -> list[str]:
    """The full names of the classes that are stood in for."""
    layers = [
        f"torch.nn.modules.{module}.{name}"
        for module, names in _LAYERS.items()
        for name in names.split()
    ]
    blocks = [name for names in _BLOCKS.values() for name in names.split()]
    ultralytics = [
        f"ultralytics.nn.modules.{module}.{name}"
        for module, names in _BLOCKS.items()
        for name in names.split()
    ]
    # Before May 2023 they all were in one file.
    return [*layers, *ultralytics, *(f"ultralytics.nn.modules.{name}" for name in blocks), *_OTHERS]


def read(path: Path) -> State:
    """The tensors of the file by name, fp16 as fp32. Raises ``ConversionFailed``."""
    state = _unwrapped(_load(path))
    if state is None:
        raise ConversionFailed(
            f"{path.name} holds no weights by name",
            remedy="save the network's state_dict, or a dictionary that has one as `state_dict`",
        )
    if state and all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): tensor for name, tensor in state.items()}
    return {name: tensor.float() if _is_half(tensor) else tensor for name, tensor in state.items()}


def notes(path: Path) -> dict[str, Any]:
    """What is noted beside the weights; nothing of that is checked. Raises as ``read``.

    ``trainer`` says that Ultralytics did, who keeps ``names`` of the classes, ``transforms`` of a
    classifier, ``train_args`` and the ``license``; others may have any key that is a text.
    """
    loaded = _load(path)
    if not isinstance(loaded, Mapping):
        return {}
    modules = (loaded.get(key) for key in WRAPPERS)
    trained = next((value for value in modules if isinstance(value, Inert)), None)
    plain = {key: value for key, value in loaded.items() if isinstance(key, str)}
    if trained is None:
        return {**plain, "trainer": False}
    kept = {key: vars(trained).get(key) for key in ("names", "transforms")}
    return {**plain, **kept, "trainer": True}


def _load(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals([(Inert, name) for name in allowed()]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
        raise _refused(path, str(error)) from None


def _refused(path: Path, why: str) -> ConversionFailed:
    named = re.search(r"GLOBAL ([\w.]+)", why)
    return ConversionFailed(
        f"{path.name} is not a weights file that is safe to load"
        + (f": it names {named[1]}, which piyard does not know" if named else ""),
        evidence="" if named else why[:600],
        remedy="piyard loads tensors only: save the state_dict, not the module",
    )


def _unwrapped(loaded: Any) -> State | None:
    """The tensors wherever they are in what was loaded; None when there are none by name."""
    if isinstance(loaded, Inert):
        return dict(_walk(loaded, "")) or None
    if not isinstance(loaded, Mapping):
        return None
    if _is_state(loaded):
        return dict(loaded)
    inner = (loaded[key] for key in WRAPPERS if loaded.get(key) is not None)
    return next((state for value in inner if (state := _unwrapped(value)) is not None), None)


def _is_state(loaded: Mapping[Any, Any]) -> bool:
    import torch

    return bool(loaded) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in loaded.items()
    )


def _walk(
    module: Inert, prefix: str, above: tuple[Inert, ...] = ()
) -> Iterator[tuple[str, torch.Tensor]]:
    """What ``state_dict`` would return for the module that the object was."""
    import torch

    left_out = vars(module).get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, values in _told(module, kind):
            if isinstance(values, torch.Tensor) and name not in left_out:
                yield prefix + name, values.detach()
    for name, inner in _told(module, "_modules"):
        if isinstance(inner, Inert) and inner not in above:
            yield from _walk(inner, f"{prefix}{name}.", (*above, module))


def _told(module: Inert, kind: str) -> list[tuple[str, Any]]:
    """A file may hold anything: what is not a dictionary of names counts as empty."""
    kept = vars(module).get(kind)
    pairs = kept.items() if isinstance(kept, Mapping) else ()
    return [(name, value) for name, value in pairs if isinstance(name, str)]


def _is_half(tensor: torch.Tensor) -> bool:
    import torch

    return tensor.dtype in {torch.float16, torch.bfloat16}
