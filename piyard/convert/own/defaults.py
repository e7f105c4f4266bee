"""What a user states about a network file, and the defaults for the rest."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, TypedDict, cast

import msgspec

from piyard.core.errors import WrongInput, unknown_name
from piyard.core.labels import format_labels, read_labels, read_numbered_labels
from piyard.core.parsing import parse_int
from piyard.models.classifiers import ClassifierPicture, classifier_picture
from piyard.models.definition import label_list_names, label_list_path
from piyard.models.networks import CLASSIFIERS, FCOS, NETWORK_NAMES, RTMPOSE, YOLO, YOLO26, YOLOX
from piyard.models.timm_networks import TIMM_FOLDER, is_timm_network
from piyard.vision.tasks import find_task

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
    found = sorted(folder.glob("*.ncnn.param")) or sorted(folder.glob("*.param"))
    if len(found) != 1:
        raise WrongInput(
            f"{folder} is a folder with {len(found) or 'no'} .param files",
            remedy="name a file; of folders those with one ncnn pair are taken, such as "
            f"Ultralytics' best{PAIR_FOLDER_ENDING}/",
        )
    return found[0]


def name_after(path: Path) -> str:
    """The name of a model from that file or folder, where the user has none."""
    if path.is_dir():
        return path.absolute().name.removesuffix(PAIR_FOLDER_ENDING)
    return path.stem


def detect_kind(file: Path) -> str:
    """The file's kind: a value of ``network``, or ``CHECKPOINT``. Raises ``WrongInput``."""
    if not file.is_file():
        raise WrongInput(f"{file} is not a file")
    if file.suffix in FILE_KINDS:
        return FILE_KINDS[file.suffix]
    if file.suffix not in CHECKPOINT_SUFFIXES:
        raise WrongInput(
            f"{file.name} is none of {', '.join(sorted({*FILE_KINDS, *CHECKPOINT_SUFFIXES}))}",
            remedy=SAVE_REMEDY,
        )
    return "torchscript" if _is_program(file) else CHECKPOINT


def _is_program(file: Path) -> bool:
    """TorchScript archives hold constants, those of ``torch.save`` do not."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(Path(name).name == "constants.pkl" for name in archive.namelist())
    except zipfile.BadZipFile:  # weights of an old torch, or broken: reading them tells
        return False


class NameList(msgspec.Struct, frozen=True):
    """A list in models/labels/, and its text where it must still be written there."""

    name: str = ""
    text: str = ""
    assumed: str = ""
    """For the user, where nobody stated the names."""

    @property
    def count(self) -> int:
        """How many names it has; 0 where there is no list."""
        if not self.name:
            return 0
        if self.text:
            return self.text.count("\n")
        return len(read_labels(label_list_path(self.name)))


def read_names(kind: str, source: str, model: str) -> NameList:
    """``source`` is a file, which becomes the model's own list, or the name of a list."""
    if not source or (not Path(source).is_file() and label_list_path(source).is_file()):
        return NameList(source)
    if not Path(source).is_file():
        raise WrongInput(f"--{kind}: there is no file {source}", remedy="one name a line")
    names = read_numbered_labels(Path(source))
    if not names:
        raise WrongInput(f"--{kind}: {source} holds no names", remedy="one name a line")
    return match_names(names, f"{model}-{kind}")


def match_names(names: Sequence[str], new_name: str) -> NameList:
    """The list in models/labels/ with these names, else a new one."""
    text = format_labels(names)
    for name in label_list_names():
        if label_list_path(name).read_bytes() == text.encode():
            return NameList(name)
    return NameList(new_name, text)


COCO_KEYPOINTS = "coco_keypoints"
"""The list of a person's keypoints in COCO."""


def number_keypoints(count: int, new_name: str) -> NameList:
    """Names for keypoints that have none: COCO's where they are as many, else numbers."""
    coco = NameList(COCO_KEYPOINTS, assumed=f"the {count} keypoints are COCO's")
    if coco.count == count:
        return coco
    names = match_names([f"point {number}" for number in range(1, count + 1)], new_name)
    return msgspec.structs.replace(names, assumed=f"the {count} keypoints have no names: numbered")


USUAL_LISTS = ("imagenet1k", "coco80")


def assume_labels(count: int, model: str) -> NameList:
    """Names of classes that nobody named: those of the usual data where they are as many.

    None of no classes.
    """
    if not count:
        return NameList()
    for name in USUAL_LISTS:
        usual = NameList(name, assumed=f"the {count} classes are those of {name}")
        if usual.count == count:
            return usual
    names = match_names([f"class {number}" for number in range(count)], f"{model}-labels")
    return msgspec.structs.replace(names, assumed=f"the {count} classes have no names: numbered")


class PreprocessKeys(TypedDict, total=False):
    """A model's ``preprocess`` as its YAML has it, or a part of it."""

    fit: str
    resize: int
    crop: int
    resample: str
    pad: list[int]
    place: str
    padding: float
    order: str
    mean: list[float]
    norm: list[float]


MAX_LEVEL = 255.0
PICTURE_CHANNELS = 3
IMAGENET_LEVELS: PreprocessKeys = {
    "order": "rgb",
    "mean": [123.675, 116.28, 103.53],
    "norm": [0.017124753831663668, 0.01750700280112045, 0.017429193899782137],
}
PLAIN_LEVELS: PreprocessKeys = {"mean": [0.0, 0.0, 0.0], "norm": [1.0, 1.0, 1.0]}
UNIT_LEVELS: PreprocessKeys = {"mean": [0.0, 0.0, 0.0], "norm": [1 / MAX_LEVEL] * 3}
"""Levels from 0 to 1."""
OPENMMLAB_LEVELS: PreprocessKeys = {
    "order": "bgr",
    "mean": [103.53, 116.28, 123.675],
    "norm": [0.017429193899782137, 0.01750700280112045, 0.017124753831663668],
}
HEAD_DEFAULTS: dict[str, PreprocessKeys] = {
    "": IMAGENET_LEVELS,
    "yolov8": {"fit": "letterbox", "order": "rgb", **UNIT_LEVELS},
    "yolov5": {"fit": "letterbox", "order": "rgb", **UNIT_LEVELS},
    "yolox": {"fit": "letterbox", "place": "topleft", "order": "bgr", **PLAIN_LEVELS},
    "nanodet": {"fit": "stretch", **OPENMMLAB_LEVELS},
    "rtmdet": {"fit": "letterbox", "place": "topleft", **OPENMMLAB_LEVELS},
    "fcos": {"fit": "letterbox", "place": "topleft", "pad": [124, 116, 104], **IMAGENET_LEVELS},
    "simcc": {"fit": "box", **IMAGENET_LEVELS},
    "heatmap": {"fit": "box", **IMAGENET_LEVELS},
    "semantic": {"fit": "stretch", "resample": "bilinear", **IMAGENET_LEVELS},
}
"""Head → how its authors prepare a picture; flags override it where a model differs."""


END_TO_END_KEYS = MappingProxyType({"bins": 1, "end_to_end": True})
"""Of YOLO26's head."""


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
        return NetworkDefaults(task, "yolov8", "3,1024,1024" if task == "obb" else "3,640,640")
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
    is_classifier = network in CLASSIFIERS
    return _classifier_defaults(classifier_picture(network)) if is_classifier else FILE_DEFAULTS


def _classifier_defaults(picture: ClassifierPicture) -> NetworkDefaults:
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


FIGURE_KEYS: tuple[Literal["mean", "norm"], ...] = ("mean", "norm")
CHANNEL_ORDERS = {1: "gray", 3: "rgb", 4: "rgba"}
"""Number of channels → their usual order."""


def unit_levels(channels: int) -> PreprocessKeys:
    """Levels from 0 to 1 of so many channels."""
    return {
        "order": CHANNEL_ORDERS.get(channels, "rgb"),
        "mean": [0.0] * channels,
        "norm": [1 / MAX_LEVEL] * channels,
    }


def spread_levels(preprocess: PreprocessKeys, channels: int) -> PreprocessKeys:
    """Figures that are the same for each channel, for as many channels as there are."""
    spread = preprocess.copy()
    for key in FIGURE_KEYS:
        figures = preprocess.get(key, [])
        if len(figures) != channels and len(set(figures)) == 1:
            spread[key] = figures[:1] * channels
    return spread


def default_preprocess(
    head: str,
    size: Sequence[int],
    differing: PreprocessKeys,
    usual: PreprocessKeys | None = None,
) -> PreprocessKeys:
    """A model's ``preprocess`` for that head and input (channels, rows, columns).

    No head is a classifier; ``usual`` is its network's or its task's own for the usual height. The
    defaults for one kind of fit do not apply to another, except the levels; no head's levels are
    known but for three channels.
    """
    if head not in HEAD_DEFAULTS:
        raise unknown_name("head", head, set(HEAD_DEFAULTS) - {""})
    channels, side, columns = size
    usual = usual or {}
    levels = _without_fit(usual)
    defaults: PreprocessKeys = {"fit": "crop", **HEAD_DEFAULTS[head], **levels}
    if defaults["fit"] == "crop" and side != columns:
        defaults = {**defaults, "fit": "stretch", "resample": "bilinear"}
    if channels != PICTURE_CHANNELS:
        defaults = {**defaults, **unit_levels(channels)}
    if usual.get("fit", "crop") != "crop":
        defaults = {**defaults, **usual}
    differing = spread_levels(differing, channels)
    fit = differing.get("fit", defaults["fit"])
    if fit != defaults["fit"]:
        defaults = {
            "order": defaults["order"],
            "mean": defaults["mean"],
            "norm": defaults["norm"],
        }
    if fit == "crop":
        is_usual = usual.get("crop") == side
        crop: PreprocessKeys = {
            "resize": usual["resize"] if is_usual else round(side / 0.875),
            "crop": side,
            "resample": usual.get("resample", "bilinear"),
        }
        defaults = {**defaults, **crop}
    return {**defaults, **differing}


def default_input_range(preprocess: PreprocessKeys) -> list[float]:
    """A model's ``noise`` for a network that is fed levels from 0 to 255; else empty."""
    return [0.0, 255.0] if set(preprocess["norm"]) == {1.0} else []


def ultralytics_preprocess(task: str, size: Sequence[int]) -> PreprocessKeys:
    """Classifiers see the middle square, its side the short one's; all others the whole picture."""
    channels, rows, columns = size
    levels = unit_levels(channels)
    if not find_task(task).has_class_output:
        return {"fit": "letterbox", **levels}
    if rows == columns:
        return {
            "fit": "crop",
            "resize": rows,
            "crop": rows,
            "resample": "bilinear",
            **levels,
        }
    return {"fit": "stretch", "resample": "bilinear", **levels}


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
FIT_KEYS = frozenset({"fit", "resize", "crop", "resample", "pad", "place", "padding"})
"""Keys of ``preprocess`` that belong to its ``fit``."""
LEVEL_KEYS: tuple[Literal["order", "mean", "norm"], ...] = ("order", "mean", "norm")


def merge_preprocess(metadata: PreprocessKeys, options: PreprocessKeys) -> PreprocessKeys:
    """The ``preprocess`` that the file states, overridden by the user's options."""
    other_fit = options.get("fit") not in {None, metadata.get("fit")}
    base = _without_fit(metadata) if other_fit else metadata
    return {**base, **options}


def _without_fit(preprocess: PreprocessKeys) -> PreprocessKeys:
    levels = {key: value for key, value in preprocess.items() if key not in FIT_KEYS}
    return cast("PreprocessKeys", levels)


def list_assumed(stated: Collection[str], *, size: str) -> list[str]:
    """The facts that nobody stated; ``stated`` are keys of ``preprocess``."""
    first = [] if size else ["input"]
    fit = [] if stated & FIT_KEYS else ["fit"]  # type: ignore[operator]
    return [*first, *(key for key in LEVEL_KEYS if key not in stated), *fit]


def describe_preprocess(preprocess: PreprocessKeys) -> dict[str, str]:
    """Fact → text, for a model's ``preprocess`` or a part of it."""
    facts = {
        key: f"{key} {_format_value(preprocess[key])}" for key in LEVEL_KEYS if key in preprocess
    }
    return facts | ({"fit": _describe_fit(preprocess)} if "fit" in preprocess else {})


def describe_assumption(fact: str, text: str) -> str:
    """An assumption as a line for the user."""
    return f"assumed: {text} ({FACT_FLAGS[fact]} overrides it)"


def _describe_fit(preprocess: PreprocessKeys) -> str:
    if "crop" not in preprocess:
        return f"fit {preprocess['fit']}"
    resize, crop = preprocess["resize"], preprocess["crop"]
    return f"fit crop (short side to {resize}, the middle {crop} of it)"


def _format_value(value: str | Sequence[float]) -> str:
    return value if isinstance(value, str) else ",".join(f"{number:.6g}" for number in value)


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
    if name and name not in NETWORK_NAMES and not is_timm_network(name):
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
