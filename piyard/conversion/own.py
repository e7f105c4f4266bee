"""A model of the user's own: its file becomes one that piyard knows by its sha256.

The file goes to the cache of downloads, its description to models/: from there on it is a model
like those that ship.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from piyard import digest, download
from piyard import model as models
from piyard.conversion import cutting, usual
from piyard.errors import WrongInput
from piyard.model import Model

NETWORKS = {".onnx": "onnx", ".torchscript": "torchscript", ".pt": "torchscript", ".param": "ncnn"}
"""Ending of a file → what kind of network it is."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says about the file."""

    file: Path
    name: str
    task: str
    size: str
    """``3,416,416``, or with a batch of one in front."""
    head: str = ""
    labels: str = ""
    """A file of names, one a line, or one of models/labels/."""
    keypoints: str = ""
    strides: list[int] = []
    """Of a dense head; the usual ones without."""
    cut: list[str] = []
    preprocess: dict[str, Any] = {}
    """What differs from what is usual for the head."""
    licence: str = "the user's own"


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Files to be made, by their place, and files to be copied."""

    name: str
    written: dict[Path, str]
    copied: dict[Path, Path]
    cut: list[str] = []
    """Where the file was found to be cut."""

    @property
    def told(self) -> list[str]:
        """A line for each, and for what was found."""
        cut = [f"cut where decoding begins, at: {', '.join(self.cut)}"] if self.cut else []
        return [
            *(f"write {path}" for path in self.written),
            *(f"copy {source} to {target}" for target, source in self.copied.items()),
            *cut,
        ]


def plan(asked: Asked) -> Added:
    """What adding the model means; nothing is done. Raises ``WrongInput``."""
    network = _network(asked.file)
    files = _files(asked.file, network)
    listed = {kind: _listing(asked, kind) for kind in ("labels", "keypoints")}
    described = _described(asked, network, files, {kind: one[0] for kind, one in listed.items()})
    model = _model(described)
    _require_new(asked.name)
    cut = cutting.found(asked.file, model) if network == "onnx" and not asked.cut else []
    described |= {"cut": cut} if cut else {}
    text = yaml.safe_dump(described, sort_keys=False, default_flow_style=None, allow_unicode=True)
    written = {models.FOLDER / f"{asked.name}.yaml": text}
    written |= {models.listing(name): text for name, text in listed.values() if text}
    copied = {_cached(source): source for source in files.values()}
    return Added(name=asked.name, written=written, copied=copied, cut=cut)


def described(*, fit: str, order: str, mean: str, norm: str) -> dict[str, Any]:
    """The flags that were given, as the YAML's ``preprocess`` has them."""
    given: dict[str, Any] = {"fit": fit, "order": order}
    given |= {key: _triple(key, text) for key, text in (("mean", mean), ("norm", norm)) if text}
    return {key: value for key, value in given.items() if value}


def numbers(key: str, text: str) -> list[int]:
    """A list of whole numbers, as a flag has it."""
    parts = [part for part in text.split(",") if part]
    if not all(part.strip().isdigit() for part in parts):
        raise WrongInput(f"--{key} {text}", remedy="whole numbers, as 8,16,32")
    return [int(part) for part in parts]


def _triple(key: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise WrongInput(f"--{key} {text}", remedy="three numbers, as 1.5,2,3") from None


def add(planned: Added) -> None:
    """Do it; ``forget`` undoes what is written."""
    for target, source in planned.copied.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file():
            draft = target.with_name(f".{target.name}.part")
            shutil.copyfile(source, draft)
            draft.replace(target)
    for path, text in planned.written.items():
        path.write_text(text, encoding="utf-8")


def forget(planned: Added) -> None:
    """Take away what was written to models/."""
    for path in planned.written:
        path.unlink(missing_ok=True)


def _network(file: Path) -> str:
    if not file.is_file():
        raise WrongInput(f"{file} is no file")
    if file.suffix not in NETWORKS:
        raise WrongInput(
            f"{file.name} is none of {', '.join(sorted(NETWORKS))}",
            remedy="a checkpoint is only weights: save the network with "
            "torch.jit.trace(network, example).save('net.pt')",
        )
    return NETWORKS[file.suffix]


def _files(file: Path, network: str) -> dict[str, Path]:
    """The files of the network by part; the first one is the main one."""
    if network != "ncnn":
        return {"": file}
    weights = file.with_suffix(".bin")
    if not weights.is_file():
        raise WrongInput(f"{weights} is missing", remedy="put the .bin beside the .param")
    return {"": file, "bin": weights}


def _listing(asked: Asked, kind: str) -> tuple[str, str]:
    """The name of a list in models/labels/, and its text where it is to be written."""
    given = getattr(asked, kind)
    if not given or (not Path(given).is_file() and models.listing(given).is_file()):
        return given, ""
    if not Path(given).is_file():
        raise WrongInput(f"--{kind}: there is no file {given}", remedy="one name a line")
    text = Path(given).read_text(encoding="utf-8", errors="replace")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise WrongInput(f"--{kind}: {given} holds no names", remedy="one name a line")
    listed = f"{asked.name}-{kind}"
    return listed, "".join(f"{name}\n" for name in names)


def _described(
    asked: Asked, network: str, files: Mapping[str, Path], listed: Mapping[str, str]
) -> dict[str, Any]:
    """The model as its YAML has it."""
    size, weights = _size(asked.size), {part: _weights(asked, file) for part, file in files.items()}
    preprocess = usual.preprocess(asked.head, size[1], asked.preprocess)
    described: dict[str, Any] = {
        "title": asked.name,
        "task": asked.task,
        "network": network,
        "weights": [weights.pop("")],
        "input": size,
        "preprocess": preprocess,
        **usual.noise(preprocess),
    }
    if weights:
        described["parts"] = weights
    described |= {kind: name for kind, name in listed.items() if name}
    if asked.head:
        strides = {"strides": asked.strides} if asked.strides else {}
        described["head"] = {"kind": asked.head} | strides
    if asked.cut:
        described["cut"] = asked.cut
    return described


def _model(described: Mapping[str, Any]) -> Model:
    """What a model must be; raises ``WrongInput``."""
    try:
        return msgspec.convert(described, Model)
    except msgspec.ValidationError as error:
        raise WrongInput(
            f"the model cannot be described so: {error}", remedy="invoke --help model.add"
        ) from None


def _weights(asked: Asked, file: Path) -> dict[str, str]:
    return {
        "source": file.name,
        "licence": asked.licence,
        "dataset": "not told",
        "sha256": digest.of_file(file),
    }


def _size(text: str) -> list[int]:
    sides = text.replace("x", ",").split(",")
    if not all(side.strip().isdigit() for side in sides) or len(sides) not in {3, 4}:
        raise WrongInput(f"--input {text}", remedy="channels,height,width, as 3,416,416")
    numbers = [int(side) for side in sides]
    if len(numbers) == 4 and numbers[0] != 1:
        raise WrongInput(
            f"--input {text}: a batch of {numbers[0]}", remedy="piyard runs one picture"
        )
    return numbers[-3:]


def _require_new(name: str) -> None:
    if not name or Path(name).name != name or name.startswith("."):
        raise WrongInput(f"'{name}' cannot be the name of a model", remedy="give another: --name")
    if name in models.names():
        raise WrongInput(f"there is a model '{name}' already", remedy="give another: --name")


def _cached(file: Path) -> Path:
    return download.folder() / digest.of_file(file) / file.name
