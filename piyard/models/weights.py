"""Files of weights: which one a model gets, reading it without running code, loading it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.core import console, download
from piyard.core.download import MIRROR_VARIABLE, fetch_unpinned, find_file
from piyard.core.errors import ConversionFailed, DownloadFailed
from piyard.core.files import sha256_of_file
from piyard.core.store import WeightsInfo
from piyard.models import synthetic
from piyard.models.definition import Model, Weights, digests_file_name, record_digest
from piyard.models.synthetic import WEIGHTS_SEED

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]


WRAPPERS = ("ema", "model", "state_dict")
"""Where the weights may be, best first: Ultralytics' running mean of them is what it publishes."""
PARALLEL = "module."
"""Put before every name by torch's DataParallel."""


class StubClass:
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


def allowed_globals() -> list[str]:
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


def read_checkpoint(path: Path) -> State:
    """The tensors of the file by name, fp16 as fp32. Raises ``ConversionFailed``."""
    state = _find_state(_load_checkpoint(path))
    if state is None:
        raise ConversionFailed(
            f"{path.name} holds no weights by name",
            remedy="save the network's state_dict, or a dictionary that has one as `state_dict`",
        )
    if state and all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): tensor for name, tensor in state.items()}
    return {name: tensor.float() if _is_half(tensor) else tensor for name, tensor in state.items()}


def checkpoint_notes(path: Path) -> dict[str, object]:
    """What is noted beside the weights; nothing of that is checked. Raises as ``read``.

    ``trainer`` says that Ultralytics did, who keeps ``names`` of the classes, ``transforms`` of a
    classifier, ``kpt_shape`` and ``kpt_names`` of keypoints, ``train_args`` and the ``license``;
    others may have any key that is a text.
    """
    loaded = _load_checkpoint(path)
    if not isinstance(loaded, Mapping):
        return {}
    modules = (loaded.get(key) for key in WRAPPERS)
    trained = next((value for value in modules if isinstance(value, StubClass)), None)
    plain = {key: value for key, value in loaded.items() if isinstance(key, str)}
    if trained is None:
        return {**plain, "trainer": False}
    kept = {key: vars(trained).get(key) for key in ("names", "transforms", "kpt_names")}
    described = vars(trained).get("yaml")
    shape = described.get("kpt_shape") if isinstance(described, Mapping) else None
    return {**plain, **kept, "kpt_shape": shape, "trainer": True}


def _load_checkpoint(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals([(StubClass, name) for name in allowed_globals()]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
        raise _unsafe_checkpoint(path, str(error)) from None


def _unsafe_checkpoint(path: Path, why: str) -> ConversionFailed:
    named = re.search(r"GLOBAL ([\w.]+)", why)
    return ConversionFailed(
        f"{path.name} is not a weights file that is safe to load"
        + (f": it names {named[1]}, which piyard does not know" if named else ""),
        evidence="" if named else why[:600],
        remedy="piyard loads tensors only: save the state_dict, not the module",
    )


def _find_state(loaded: Any) -> State | None:
    """The tensors wherever they are in what was loaded; None when there are none by name."""
    if isinstance(loaded, StubClass):
        return dict(_walk(loaded, "")) or None
    if not isinstance(loaded, Mapping):
        return None
    if _is_state(loaded):
        return dict(loaded)
    inner = (loaded[key] for key in WRAPPERS if loaded.get(key) is not None)
    return next((state for value in inner if (state := _find_state(value)) is not None), None)


def _is_state(loaded: Mapping[Any, Any]) -> bool:
    import torch

    return bool(loaded) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in loaded.items()
    )


def _walk(
    module: StubClass, prefix: str, above: tuple[StubClass, ...] = ()
) -> Iterator[tuple[str, torch.Tensor]]:
    """What ``state_dict`` would return for the module that the object was."""
    import torch

    left_out = vars(module).get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, values in _named_items(module, kind):
            if isinstance(values, torch.Tensor) and name not in left_out:
                yield prefix + name, values.detach()
    for name, inner in _named_items(module, "_modules"):
        if isinstance(inner, StubClass) and inner not in above:
            yield from _walk(inner, f"{prefix}{name}.", (*above, module))


def _named_items(module: StubClass, kind: str) -> list[tuple[str, Any]]:
    """A file may hold anything: what is not a dictionary of names counts as empty."""
    kept = vars(module).get(kind)
    pairs = kept.items() if isinstance(kept, Mapping) else ()
    return [(name, value) for name, value in pairs if isinstance(name, str)]


def _is_half(tensor: torch.Tensor) -> bool:
    import torch

    return tensor.dtype in {torch.float16, torch.bfloat16}


RECORDED_NOTE = "recorded on first download"
SHORT_DIGITS = 8


class ChosenWeights(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted file, known by its full sha256; without one, random weights."""

    file: Weights | None = None
    sha256: str = ""

    @property
    def identity(self) -> WeightsInfo:
        """What decides the values."""
        if self.file:
            return WeightsInfo(kind="file", sha256=self.sha256)
        return WeightsInfo(kind="random", seed=WEIGHTS_SEED)

    @property
    def short(self) -> str:
        """What a model's YAML calls them: the first digits of the sha256, or ``random``."""
        return self.sha256[:SHORT_DIGITS] or "random"

    @property
    def description(self) -> WeightsInfo:
        """The identity, with source, licence and data set for people."""
        file = self.file
        if not file:
            return self.identity
        return msgspec.structs.replace(
            self.identity,
            source=file.source,
            licence=file.licence,
            dataset=file.dataset,
            url=file.url,
            sha256_is="" if file.published_digest else RECORDED_NOTE,
        )


RANDOM_WEIGHTS = ChosenWeights()


def choose_weights(model: Model) -> ChosenWeights:
    """The first accepted file that is here, else the first that can be downloaded."""
    for file in model.weights:
        if file.digest and (sha256 := download.known_sha256(file.digest)):
            return ChosenWeights(file=file, sha256=sha256)
    file = next((file for file in model.weights if file.url), model.weights[0])
    return ChosenWeights(file=file, sha256=file.sha256 or sha256_of_file(_fetch_file(file)))


def fetch_weights(chosen: ChosenWeights) -> None:
    """Make sure the chosen file is here, so that nothing slow starts without it.

    Raises ``DownloadFailed``.
    """
    if chosen.file:
        _fetch_file(chosen.file)


def load_weights(network: torch.nn.Module, chosen: ChosenWeights) -> None:
    """Put the chosen weights into the network.

    Raises ``DownloadFailed``, and ``ConversionFailed`` when names or shapes differ.
    """
    if not chosen.file:
        synthetic.randomise(network)
        return
    state = read_checkpoint(_fetch_file(chosen.file))
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ConversionFailed(
            f"the weights '{chosen.file.source}' do not fit the network",
            evidence="\n".join(str(error).splitlines()[:12]),
            remedy="correct `network` or `weights` in the model's YAML",
        ) from None


def _fetch_file(file: Weights) -> Path:
    if file.digest and (path := find_file(file.digest)):
        return path
    if file.url:
        console.info(f"{file.name}: {file.source}; licence {file.licence}")
    try:
        return _download_file(file)
    except DownloadFailed as error:
        digest_note = f" (sha256 {file.digest})" if file.digest else ""
        raise DownloadFailed(
            error.what if file.url else f"'{file.source}' has no public address",
            evidence=error.evidence if file.url else "",
            remedy=f"name a folder that holds the weights{digest_note} in {MIRROR_VARIABLE}, "
            "or use --random-weights: the right speed, meaningless answers",
        ) from None


def _download_file(file: Weights) -> Path:
    if file.digest:
        return download.fetch(file.url, sha256=file.digest, name=file.name)
    path = fetch_unpinned(file.url, name=file.name)
    record_digest(file.url, path.parent.name)
    console.info(
        f"{file.name}: sha256 {path.parent.name} {RECORDED_NOTE}, in {digests_file_name()}"
    )
    return path
