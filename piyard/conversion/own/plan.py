"""What adding a file means, doing it, and undoing it."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import yaml

from piyard import digest, download, networks, whole
from piyard import model as models
from piyard.conversion.own import kind, listing, said, usual
from piyard.conversion.own.asked import Asked
from piyard.conversion.own.description import MAIN, describe
from piyard.conversion.own.fitting import fitting
from piyard.conversion.own.listing import Listing
from piyard.conversion.own.said import Said
from piyard.errors import WrongInput

KEYPOINTS = 17
"""COCO's, where none are named."""


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Files to be made, by their place, and files to be copied."""

    name: str
    written: dict[Path, str]
    copied: dict[Path, Path]
    found: list[str]
    """What was not said and is now known, a line each."""

    @property
    def told(self) -> list[str]:
        """A line for each."""
        return [
            *self.found,
            *(f"write {path}" for path in self.written),
            *(f"copy {source} to {target}" for target, source in self.copied.items()),
        ]


def plan(asked: Asked) -> Added:
    """What adding the model means; nothing is done.

    Raises ``WrongInput``, and ``ConversionFailed`` for a file that cannot be read.
    """
    _require_new(asked.name)
    what = kind.of(asked.file)
    told = said.of(asked.file, what)
    labels = _labels(asked, told)
    keypoints = listing.read("keypoints", asked.keypoints, asked.name)
    network = _network(asked.file, what, labels, keypoints)
    files = _files(asked.file, network)
    purpose = usual.purpose(network)
    task = asked.task or told.task or purpose.task
    size = asked.size or told.size or purpose.size
    asked = told.beside(asked, task, size)
    described = describe(asked, network, files, {"labels": labels, "keypoints": keypoints})
    text = yaml.safe_dump(
        described.keys, sort_keys=False, default_flow_style=None, allow_unicode=True
    )
    written = {models.FOLDER / f"{asked.name}.yaml": text}
    written |= {models.listing(one.name): one.text for one in (labels, keypoints) if one.text}
    copied = {_cached(source): source for source in files.values()}
    cut = [] if asked.cut else described.keys.get("cut", [])
    ends = [described.found] if described.found else []
    found = [*told.told(task, size), *_found(network, cut), *ends, *described.assumed]
    return Added(name=asked.name, written=written, copied=copied, found=found)


def add(planned: Added) -> None:
    """Do it; ``forget`` undoes what is written."""
    for target, source in planned.copied.items():
        if not target.is_file():
            with whole.draft(target) as draft:
                shutil.copyfile(source, draft)
    for path, text in planned.written.items():
        whole.write(path, text)


def forget(planned: Added) -> None:
    """Take away what was written to models/."""
    for path in planned.written:
        path.unlink(missing_ok=True)


def _found(network: str, cut: list[str]) -> list[str]:
    known = [f"weights of {network}"] if network in networks.NAMES else []
    if not cut:
        return known
    run = " (it was run to find that)" if network == "torchscript" else ""
    return [*known, f"cut where decoding begins{run}, at: {', '.join(cut)}"]


def _labels(asked: Asked, told: Said) -> Listing:
    """Those the user names; else those the file names."""
    if told.names and not asked.labels:
        return listing.of(told.names, f"{asked.name}-labels")
    return listing.read("labels", asked.labels, asked.name)


def _network(file: Path, what: str, labels: Listing, keypoints: Listing) -> str:
    if what != kind.CHECKPOINT:
        return what
    return fitting(file, classes=labels.count, keypoints=keypoints.count or KEYPOINTS)


def _files(file: Path, network: str) -> dict[str, Path]:
    """The files of the network by part."""
    if network != "ncnn":
        return {MAIN: file}
    weights = file.with_suffix(".bin")
    if not weights.is_file():
        raise WrongInput(f"{weights} is missing", remedy="put the .bin beside the .param")
    return {MAIN: file, "bin": weights}


def _require_new(name: str) -> None:
    if not name or Path(name).name != name or name.startswith("."):
        raise WrongInput(f"'{name}' cannot be the name of a model", remedy="give another: --name")
    if name in models.names():
        raise WrongInput(f"there is a model '{name}' already", remedy="give another: --name")


def _cached(file: Path) -> Path:
    return download.folder() / digest.of_file(file) / file.name
