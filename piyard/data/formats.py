"""The formats: how a folder is recognised, and which loader opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from piyard.core.errors import WrongInput, unknown_name
from piyard.data.coco import is_coco, read_coco
from piyard.data.dataset import KIND_TEXTS, DataSet
from piyard.data.dota import is_dota, read_dota
from piyard.data.idx import is_idx, read_idx
from piyard.data.imagenet import is_imagenet, read_imagenet
from piyard.data.label_maps import is_label_maps, read_label_maps
from piyard.data.mot import is_mot, read_mot
from piyard.data.otb import is_otb, read_otb
from piyard.data.request import DataRequest
from piyard.data.voc import is_voc, read_voc
from piyard.data.yolo import is_yolo, read_yolo
from piyard.vision.pictures import list_subfolders
from piyard.vision.tasks.base import TruthKind


class DataFormat(msgspec.Struct, frozen=True, kw_only=True):
    """One format of data sets."""

    layout: str
    """What lies in such a folder, for people."""
    kinds: frozenset[TruthKind]
    """What may be known of its pictures."""
    recognise: Callable[[Path], bool]
    read: Callable[[DataRequest], DataSet]
    is_vague: bool = False
    """Whether other formats' folders look like it too."""


DATA_FORMATS: dict[str, DataFormat] = {
    "imagenet": DataFormat(
        layout="a folder a class, or labels.csv with file,index",
        kinds=frozenset({"class"}),
        recognise=is_imagenet,
        read=read_imagenet,
        is_vague=True,
    ),
    "idx": DataFormat(
        layout="SPLIT-images-idx3-ubyte and SPLIT-labels-idx1-ubyte, as MNIST's",
        kinds=frozenset({"class"}),
        recognise=is_idx,
        read=read_idx,
    ),
    "yolo": DataFormat(
        layout="data.yaml or classes.txt, images/ and labels/ with a text file a picture",
        kinds=frozenset({"box", "outline", "keypoints", "corners"}),
        recognise=is_yolo,
        read=read_yolo,
    ),
    "coco": DataFormat(
        layout="instances or person_keypoints as JSON, and the pictures",
        kinds=frozenset({"box", "outline", "keypoints"}),
        recognise=is_coco,
        read=read_coco,
    ),
    "voc": DataFormat(
        layout="Annotations/ with an XML file a picture, and JPEGImages/",
        kinds=frozenset({"box"}),
        recognise=is_voc,
        read=read_voc,
    ),
    "dota": DataFormat(
        layout="labelTxt/ with a text file a picture, and images/",
        kinds=frozenset({"corners"}),
        recognise=is_dota,
        read=read_dota,
    ),
    "masks": DataFormat(
        layout="images/ and masks/ (or JPEGImages/ and SegmentationClass/) with a PNG a picture",
        kinds=frozenset({"regions"}),
        recognise=is_label_maps,
        read=read_label_maps,
    ),
    "mot": DataFormat(
        layout="img1/ and gt/gt.txt, or a folder of such sequences",
        kinds=frozenset({"tracks"}),
        recognise=is_mot,
        read=read_mot,
    ),
    "otb": DataFormat(
        layout="img/ and groundtruth_rect.txt, or a folder of such sequences",
        kinds=frozenset({"track"}),
        recognise=is_otb,
        read=read_otb,
    ),
}
DATA_FORMAT_NAMES = tuple(DATA_FORMATS)


def open_data(request: DataRequest, form: str = "") -> DataSet:
    """The data set in a folder, by its own format or the one named.

    What a file holds of one picture alone is read when it is asked for. Raises ``WrongInput``.
    """
    if form and form not in DATA_FORMATS:
        raise unknown_name("data format", form, DATA_FORMATS)
    if not request.path.exists():
        raise WrongInput(f"{request.path} does not exist", remedy="check --data")
    name = form or recognise_data(request.path, request.kind)
    data = DATA_FORMATS[name]
    if request.kind and request.kind not in data.kinds:
        raise WrongInput(
            f"{request.path} is of the format {name}, which has {_text(data.kinds)}; "
            f"what is needed: {KIND_TEXTS[request.kind]}",
            remedy="name other data, or another model; --data-format names the format",
        )
    return data.read(request)


def recognise_data(path: Path, kind: TruthKind | None = None) -> str:
    """The format of what is there; of several the one that has that kind of truth.

    Raises ``WrongInput`` for an unknown one, and where it may be several.
    """
    names = [name for name, form in DATA_FORMATS.items() if form.recognise(path)]
    if not names:
        raise _unknown_error(path)
    clear = [name for name in names if not DATA_FORMATS[name].is_vague] or names
    fitting = [name for name in clear if kind is None or kind in DATA_FORMATS[name].kinds] or clear
    if DATA_FORMATS[fitting[0]].is_vague and _find_within(path):
        raise _unknown_error(path)
    if len(fitting) > 1:
        raise WrongInput(
            f"{path} may be a data set of {len(fitting)} formats: {', '.join(fitting)}",
            remedy=f"say which: --data-format {fitting[0]}",
        )
    return fitting[0]


def _unknown_error(path: Path) -> WrongInput:
    """With what would be one, or the folder within that is."""
    if within := _find_within(path):
        name, folder = within
        return WrongInput(
            f"{path} is not a data set, but {folder.name} in it is one ({name})",
            remedy=f"--data {folder}",
        )
    return WrongInput(
        f"{path} is not a data set of a known format",
        evidence="\n".join(f"{name}: {form.layout}" for name, form in DATA_FORMATS.items()),
        remedy="name a folder, data.yaml or JSON file of one of them",
    )


def _find_within(path: Path) -> tuple[str, Path] | None:
    """The first folder within that is clearly of a format."""
    for folder in list_subfolders(path) if path.is_dir() else ():
        for name, form in DATA_FORMATS.items():
            if not form.is_vague and form.recognise(folder):
                return name, folder
    return None


def _text(kinds: frozenset[TruthKind]) -> str:
    return ", ".join(text for kind, text in KIND_TEXTS.items() if kind in kinds)
