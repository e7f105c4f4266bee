"""Where an own model's network comes from: its file, one that piyard builds, or an export of it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.convert.model_files import GRAPH_PART
from piyard.convert.own.defaults import (
    CHECKPOINT,
    OwnModelOptions,
    parse_size,
    require_bearable,
)
from piyard.convert.own.description import MAIN_PART
from piyard.convert.own.exporting import TRAINED_SIZE, export_checkpoint
from piyard.convert.own.file_metadata import read_metadata
from piyard.convert.own.matching import NetworkMatch, match_network
from piyard.convert.own.metadata import AUTHOR, Metadata
from piyard.convert.own.name_lists import (
    NameList,
)
from piyard.core.errors import WrongInput
from piyard.core.foreign import require_content

COCO_KEYPOINTS = 17
"""COCO's, where none are named."""


class NetworkSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a network comes from."""

    match: NetworkMatch
    files: dict[str, Path]
    """By part."""
    metadata: Metadata
    exporter: str = ""
    """What made a graph of the user's checkpoint, for people."""


def find_source(
    options: OwnModelOptions,
    file_kind: str,
    metadata: Metadata,
    labels: NameList,
    keypoints: NameList,
) -> NetworkSource:
    """The file itself, a network that piyard builds, or what Ultralytics' package exports.

    Raises ``WrongInput`` where a checkpoint is of none of them.
    """
    file = options.file
    if file_kind != CHECKPOINT:
        _require_no_network(options)
        match = NetworkMatch(network=file_kind)
        return NetworkSource(match=match, files=_network_files(file, file_kind), metadata=metadata)
    count = keypoints.count or COCO_KEYPOINTS
    try:
        match = match_network(file, network=options.network, classes=labels.count, keypoints=count)
    except WrongInput:
        if metadata.author != AUTHOR:
            raise
        return _export_source(options, metadata)
    return NetworkSource(match=match, files={MAIN_PART: file}, metadata=metadata)


def _require_no_network(options: OwnModelOptions) -> None:
    if options.network:
        raise WrongInput(
            f"--network {options.network}: {options.file.name} is a network itself",
            remedy="leave it out: it is for files of weights",
        )


def _export_source(options: OwnModelOptions, metadata: Metadata) -> NetworkSource:
    """A checkpoint of Ultralytics that only its own package can load."""
    size = parse_size(options.size)[1:] if options.size else TRAINED_SIZE
    exported = export_checkpoint(options.file, size)
    return NetworkSource(
        match=NetworkMatch(network="onnx", lines=[exported.source]),
        files={MAIN_PART: options.file, GRAPH_PART: exported.file},
        metadata=_read_graph_metadata(exported.file, metadata),
        exporter=exported.source,
    )


def _read_graph_metadata(graph: Path, trained: Metadata) -> Metadata:
    """What the graph states, with the checkpoint's own preparation of pictures."""
    return msgspec.structs.replace(read_metadata(graph, "onnx"), notes=trained.notes)


def _network_files(file: Path, network: str) -> dict[str, Path]:
    """The files of the network by part."""
    if network != "ncnn":
        return {MAIN_PART: file}
    weights = file.with_suffix(".bin")
    if not weights.is_file():
        raise WrongInput(f"{weights} is missing", remedy="put the .bin beside the .param")
    require_content(weights)
    require_bearable(weights)
    return {MAIN_PART: file, "bin": weights}
