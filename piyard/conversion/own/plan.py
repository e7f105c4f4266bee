"""Planning, doing and undoing the addition of a model file."""

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
    """Files to write and files to copy, by their destination."""

    name: str
    written: dict[Path, str]
    copied: dict[Path, Path]
    findings: list[str]
    """Facts that the user did not state, a line each."""

    @property
    def lines(self) -> list[str]:
        """Everything as lines for the user."""
        return [
            *self.findings,
            *(f"write {path}" for path in self.written),
            *(f"copy {source} to {target}" for target, source in self.copied.items()),
        ]


def plan(options: Asked) -> Added:
    """What adding the model means; nothing is written.

    Raises ``WrongInput``, and ``ConversionFailed`` for a file that cannot be read.
    """
    _require_new(options.name)
    file_kind = kind.of(options.file)
    metadata = said.of(options.file, file_kind)
    labels = _labels(options, metadata)
    keypoints = listing.read("keypoints", options.keypoints, options.name)
    network = _network(options.file, file_kind, labels, keypoints)
    files = _files(options.file, network)
    purpose = usual.purpose(network)
    task = options.task or metadata.task or purpose.task
    size = options.size or metadata.size or purpose.size
    options = metadata.complete(options, task, size)
    described = describe(options, network, files, {"labels": labels, "keypoints": keypoints})
    text = yaml.safe_dump(
        described.keys, sort_keys=False, default_flow_style=None, allow_unicode=True
    )
    written = {models.FOLDER / f"{options.name}.yaml": text}
    written |= {models.listing(each.name): each.text for each in (labels, keypoints) if each.text}
    copied = {_cached(source): source for source in files.values()}
    cut = [] if options.cut else described.keys.get("cut", [])
    ending = [described.ending] if described.ending else []
    findings = [*metadata.lines(task, size), *_found(network, cut), *ending, *described.assumed]
    return Added(name=options.name, written=written, copied=copied, findings=findings)


def add(addition: Added) -> None:
    """Copy and write its files; ``forget`` removes what is written."""
    for target, source in addition.copied.items():
        if not target.is_file():
            with whole.draft(target) as draft:
                shutil.copyfile(source, draft)
    for path, text in addition.written.items():
        whole.write(path, text)


def forget(addition: Added) -> None:
    """Remove what was written to models/."""
    for path in addition.written:
        path.unlink(missing_ok=True)


def _found(network: str, cut: list[str]) -> list[str]:
    weights = [f"weights of {network}"] if network in networks.NAMES else []
    if not cut:
        return weights
    run = " (it was run to find that)" if network == "torchscript" else ""
    return [*weights, f"cut where decoding begins{run}, at: {', '.join(cut)}"]


def _labels(options: Asked, metadata: Said) -> Listing:
    """The user's labels, else those in the file."""
    if metadata.names and not options.labels:
        return listing.of(metadata.names, f"{options.name}-labels")
    return listing.read("labels", options.labels, options.name)


def _network(file: Path, file_kind: str, labels: Listing, keypoints: Listing) -> str:
    if file_kind != kind.CHECKPOINT:
        return file_kind
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
        raise WrongInput(f"'{name}' cannot be the name of a model", remedy="choose another: --name")
    if name in models.names():
        raise WrongInput(f"there is already a model '{name}'", remedy="choose another: --name")


def _cached(file: Path) -> Path:
    return download.folder() / digest.of_file(file) / file.name
