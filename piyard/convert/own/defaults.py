"""What a user states about a network file, and the defaults for the rest."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, cast

import msgspec

from piyard.convert.own.preparation import FIT_KEYS, LEVEL_KEYS, MAX_LEVEL, PreprocessKeys
from piyard.core.errors import PROGRAM, ConversionFailed, WrongInput, unknown_name
from piyard.core.foreign import require_content, require_file
from piyard.core.parsing import parse_int
from piyard.language.gguf_file import MAGIC
from piyard.models.architectures.classifiers import ClassifierPicture, classifier_picture
from piyard.models.architectures.small_cnn import SIDE, is_small_cnn, parse_small_cnn
from piyard.models.architectures.timm_networks import TIMM_FOLDER, is_timm_network
from piyard.models.checkpoint_file import ZIP_BEGINNING, check_archive
from piyard.models.networks import CLASSIFIERS, FCOS, NETWORK_NAMES, RTMPOSE, YOLO, YOLO26, YOLOX

FILE_KINDS = {".onnx": "onnx", ".torchscript": "torchscript", ".param": "ncnn"}
"""Ending of a file → its kind."""
CHECKPOINT_SUFFIXES = frozenset({".pt", ".pth", ".th", ".tar", ".ckpt", ".safetensors"})
"""Endings of what torch saves, weights or a whole program, and of plain tensors."""
CHECKPOINT = "checkpoint"
SAVE_REMEDY = "save it as ONNX, or by torch.jit.trace(network, example).save('net.pt')"


PAIR_FOLDER_ENDING = "_ncnn_model"
"""Of the folders that Ultralytics' exporter writes."""


def find_pair(folder: Path) -> Path:
    """The .param in a folder that holds one ncnn pair. Raises ``WrongInput``."""
    pairs = sorted(folder.glob("*.ncnn.param")) or sorted(folder.glob("*.param"))
    if len(pairs) != 1:
        raise WrongInput(
            f"{folder} is a folder with {len(pairs) or 'no'} .param files",
            remedy="name a file; of folders those with one ncnn pair are taken, such as "
            f"Ultralytics' best{PAIR_FOLDER_ENDING}/",
        )
    return pairs[0]


def name_after(path: Path) -> str:
    """The name of a model from that file or folder, where the user has none."""
    if path.is_dir():
        return path.absolute().name.removesuffix(PAIR_FOLDER_ENDING)
    return path.stem


def detect_kind(file: Path) -> str:
    """The file's kind: a value of ``network``, or ``CHECKPOINT``. Raises ``WrongInput``."""
    require_file(file)
    start = require_content(file)
    if file.suffix == GGUF_SUFFIX:
        raise _refuse_gguf(file, start)
    if file.suffix not in {*FILE_KINDS, *CHECKPOINT_SUFFIXES}:
        raise WrongInput(
            f"{file.name} is none of {', '.join(sorted({*FILE_KINDS, *CHECKPOINT_SUFFIXES}))}",
            remedy=SAVE_REMEDY,
        )
    require_bearable(file)
    is_archive = start.startswith(ZIP_BEGINNING)
    if is_archive:
        check_archive(file)
    kind = FILE_KINDS.get(file.suffix)
    if kind == "torchscript" and not is_archive:
        raise ConversionFailed(
            f"{file.name} is not a TorchScript file: it begins with {start[:SHOWN_START]!r}",
            remedy="write it with torch.jit.trace(network, example).save(file)",
        )
    return kind or ("torchscript" if is_archive and _is_program(file) else CHECKPOINT)


GGUF_SUFFIX = ".gguf"
SHOWN_START = 12
"""Bytes of a foreign file that are shown."""
MAX_FILE_BYTES = 8 << 30
"""Half the memory of the largest Raspberry Pi."""


def _refuse_gguf(file: Path, start: bytes) -> WrongInput:
    if start.startswith(MAGIC):
        return WrongInput(
            f"{file.name} is a language model, which is used by its name",
            remedy=f"{PROGRAM} model.add {file}",
        )
    return WrongInput(
        f"{file.name} is not a GGUF file: it begins with {start[:SHOWN_START]!r}",
        remedy="copy or download it again",
    )


def require_bearable(file: Path) -> None:
    """Raise ``WrongInput`` for a file that fits no board: nobody waits for its copy."""
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise WrongInput(
            f"{file.name} has {size / 1e9:.1f} GB: no Raspberry Pi holds such a network",
            remedy="take a smaller network, or the file of its weights alone",
        )


def _is_program(archive: Path) -> bool:
    """TorchScript archives hold constants, those of ``torch.save`` do not."""
    with zipfile.ZipFile(archive) as content:
        return any(Path(name).name == "constants.pkl" for name in content.namelist())


END_TO_END_KEYS = MappingProxyType({"bins": 1, "end_to_end": True})
"""Of YOLO26's head."""
SUPPRESSION_KEYS = MappingProxyType({"nms": 0.7})
"""What Ultralytics' own ``predict`` suppresses at, as the models that ship do."""


class NetworkDefaults(NamedTuple):
    """What a network is for."""

    task: str
    head: str
    size: str
    """As ``--input`` has it."""
    strides: tuple[int, ...] = ()
    """Where they are not the head's default ones."""
    head_keys: Mapping[str, object] = MappingProxyType({})
    """What else its head differs in."""
    preprocess: PreprocessKeys | None = None
    """Where that is not the head's default one; for an input of ``size``."""


FILE_DEFAULTS = NetworkDefaults("classify", "", "3,224,224")
"""For a file of which nothing else is known."""


def network_defaults(network: str) -> NetworkDefaults:
    """The purpose of a network that piyard builds, else ``FILE_DEFAULTS``."""
    if network in YOLO:
        task = _yolo_task(network)
        size = "3,1024,1024" if task == "obb" else "3,640,640"
        return NetworkDefaults(task, "yolov8", size, head_keys=SUPPRESSION_KEYS)
    if network in YOLO26:
        return NetworkDefaults("detect", "yolov8", "3,640,640", head_keys=END_TO_END_KEYS)
    if network in YOLOX:
        return NetworkDefaults(
            "detect", "yolox", "3,640,640" if network == "yolox_s" else "3,416,416"
        )
    if network in FCOS:
        return NetworkDefaults("detect", "fcos", "3,512,512", (8, 16, 32, 64, 128))
    if network in RTMPOSE:
        return NetworkDefaults("pose", "simcc", "3,256,192")
    return _classifier_defaults(network)


def _classifier_defaults(network: str) -> NetworkDefaults:
    if is_small_cnn(network):
        return _small_cnn_defaults(parse_small_cnn(network).channels)
    is_torchvision = network in CLASSIFIERS
    return _picture_defaults(classifier_picture(network)) if is_torchvision else FILE_DEFAULTS


def _small_cnn_defaults(channels: int) -> NetworkDefaults:
    levels: PreprocessKeys = {
        "fit": "stretch",
        "resample": "bilinear",
        "order": {1: "gray", 3: "rgb", 4: "rgba"}[channels],
        "mean": [0.0] * channels,
        "norm": [1 / MAX_LEVEL] * channels,
    }
    return NetworkDefaults("classify", "", f"{channels},{SIDE},{SIDE}", preprocess=levels)


def _picture_defaults(picture: ClassifierPicture) -> NetworkDefaults:
    crop: PreprocessKeys = {
        "fit": "crop",
        "resize": picture.resize,
        "crop": picture.crop,
        "resample": picture.resample,
        "order": "rgb",
        "mean": [round(MAX_LEVEL * level, 9) for level in picture.mean],
        "norm": [1 / (MAX_LEVEL * level) for level in picture.deviation],
    }
    return NetworkDefaults("classify", "", f"3,{picture.crop},{picture.crop}", preprocess=crop)


def _yolo_task(network: str) -> str:
    return {"seg": "segment", "pose": "pose", "obb": "obb"}.get(network.partition("-")[2], "detect")


FACT_FLAGS = {
    "input": "--input",
    "order": "--order",
    "mean": "--mean",
    "norm": "--norm",
    "fit": "--fit or --resize",
    "output": "--output",
    "activation": "--activation",
    "task": "--task",
    "images": "--images",
    "keypoints": "--keypoints",
    "labels": "--labels",
}
"""Fact about a model → the flags that set it."""


def list_assumed(stated: Collection[str], *, size: str) -> list[str]:
    """The facts that nobody stated; ``stated`` are keys of ``preprocess``."""
    first = [] if size else ["input"]
    fit = [] if stated & FIT_KEYS else ["fit"]  # type: ignore[operator]
    return [*first, *(key for key in LEVEL_KEYS if key not in stated), *fit]


def describe_assumption(fact: str, text: str) -> str:
    """An assumption as a line for the user."""
    return f"assumed: {text} ({FACT_FLAGS[fact]} overrides it)"


class OwnModelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user states about the file; the rest comes from the file, or is a default."""

    file: Path
    name: str
    task: str = ""
    size: str = ""
    """``3,416,416``, or with a batch of one in front."""
    head: str = ""
    labels: str = ""
    """A file of names, one a line, or one of models/labels/."""
    keypoints: str = ""
    strides: list[int] = []
    cut: list[str] = []
    output: str = ""
    """Of a classifier with several, the one with the classes."""
    images: str = ""
    """Of task other: outputs that are pictures, as ``out0=0:1,out1=own``, or ``none``."""
    activation: str = ""
    """What turns it into scores: softmax, sigmoid, exp or none."""
    preprocess: PreprocessKeys = {}
    """What differs from the defaults for the head."""
    licence: str = ""
    head_keys: Mapping[str, object] = {}
    """Further keys of the YAML's ``head``."""
    network: str = ""
    """Of a checkpoint: a network's name, ``timm/NAME`` of timm's; empty to find it out."""


def parse_network(text: str) -> str:
    """The network that ``--network`` names, as a model's YAML has it."""
    name = text.replace("timm:", TIMM_FOLDER, 1) if text.startswith("timm:") else text
    if name and not (name in NETWORK_NAMES or is_timm_network(name) or is_small_cnn(name)):
        raise unknown_name("network", name, NETWORK_NAMES)
    return name


def preprocess_options(
    *, fit: str, order: str, mean: str, norm: str, resize: str = ""
) -> PreprocessKeys:
    """The flags that were set, as keys of the YAML's ``preprocess``."""
    flags: dict[str, object] = {"fit": fit or ("crop" if resize else ""), "order": order}
    flags["resize"] = parse_int("resize", resize)
    flags |= {
        key: _parse_figures(key, text) for key, text in (("mean", mean), ("norm", norm)) if text
    }
    return cast("PreprocessKeys", {key: value for key, value in flags.items() if value})


def parse_integers(key: str, text: str) -> list[int]:
    """A list of whole numbers, as a flag has it."""
    parts = [part for part in text.split(",") if part]
    if not all(part.strip().isdigit() for part in parts):
        raise WrongInput(f"--{key} {text}", remedy="whole numbers, as 8,16,32")
    return [int(part) for part in parts]


def parse_size(text: str) -> list[int]:
    """Channels, height, width."""
    sides = text.replace("x", ",").split(",")
    if not all(side.strip().isdigit() for side in sides) or len(sides) not in {3, 4}:
        raise WrongInput(f"--input {text}", remedy="channels,height,width, as 3,416,416")
    shape = [int(side) for side in sides]
    if len(shape) == 4 and shape[0] != 1:
        raise WrongInput(
            f"--input {text}: a batch of {shape[0]}", remedy="piyard runs one picture at a time"
        )
    return shape[-3:]


def _parse_figures(key: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise WrongInput(f"--{key} {text}", remedy="a number a channel, as 1.5,2,3") from None
