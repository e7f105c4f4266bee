"""What adding a model file means, doing it, and undoing it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec
import yaml

from piyard.convert.model_files import GRAPH_PART
from piyard.convert.onnx.file import list_parts, read_onnx
from piyard.convert.onnx.precision import list_other_types
from piyard.convert.own.changes import list_changes
from piyard.convert.own.defaults import (
    OwnModelOptions,
    detect_kind,
    network_defaults,
    parse_size,
)
from piyard.convert.own.description import ModelDescription, describe_model, require_picture_input
from piyard.convert.own.file_metadata import read_metadata, with_timm_notes
from piyard.convert.own.metadata import Metadata
from piyard.convert.own.name_lists import (
    NameList,
    assume_labels,
    match_names,
    number_keypoints,
    read_names,
)
from piyard.convert.own.network_file import copy_network, sha256_of_network
from piyard.convert.own.network_source import NetworkSource, find_source
from piyard.convert.own.ownership import plan_removal, require_free_name
from piyard.convert.own.program_file import shown_size
from piyard.convert.own.purpose import Purpose, find_purpose
from piyard.core.download import downloads_folder
from piyard.core.errors import WrongInput
from piyard.core.files import write_text
from piyard.models import definition
from piyard.models.definition import FILE_NETWORKS, label_list_path, model_names

SHOWN_TASKS = frozenset({"", "semantic", "other"})
"""Tasks that inputs and outputs show, or whose details they do."""


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """Files to write and files to copy, by their destination."""

    name: str
    written: dict[Path, str]
    copied: dict[Path, Path]
    """An ONNX file with the tensors of the files beside it."""
    findings: list[str]
    """Facts that the user did not state, a line each."""
    changes: dict[str, list[str]] = {}
    """What was assumed → the flags that make it something else."""
    removed: list[Path] = []
    """Of a model that is replaced: files that the new one does not have."""

    @property
    def lines(self) -> list[str]:
        """Everything as lines for the user."""
        return [
            *self.findings,
            *(f"{'replace' if path.is_file() else 'write'} {path}" for path in self.written),
            *(f"remove {path}" for path in self.removed),
            *(
                f"copy {source} to {target}"
                for target, source in self.copied.items()
                if not target.is_file()
            ),
        ]


def plan_addition(options: OwnModelOptions, *, replace: bool = False) -> Addition:
    """What adding the model means, perhaps in the place of an own one; nothing is written.

    Raises ``WrongInput``, and ``ConversionFailed`` for a file that cannot be read.
    """
    require_free_name(options.name, options.file, replace=replace)
    file_kind = detect_kind(options.file)
    metadata = with_timm_notes(read_metadata(options.file, file_kind), options.network)
    labels = _choose_labels(options, metadata)
    keypoints = _choose_keypoints(options, metadata)
    source = find_source(options, file_kind, metadata, labels, keypoints)
    network, metadata = source.match.network, source.metadata
    lists = {
        "labels": labels if labels.name else assume_labels(source.match.classes, options.name),
        "keypoints": keypoints if keypoints.name else _find_keypoints(options, source),
    }
    _require_computable(options.file, metadata)
    size = options.size or metadata.size or _usual_size(options.file, network)
    purpose = _choose_purpose(options, metadata, network, size, lists["labels"].count)
    purpose = msgspec.structs.replace(purpose, size=size)
    complete = metadata.complete(options, purpose.task, size)
    described = describe_model(complete, network, source.files, lists, purpose)
    if source.exporter:
        described.keys["parts"][GRAPH_PART]["source"] = source.exporter
    findings = [
        *_list_changes(options.file, file_kind),
        *metadata.lines(purpose.task, size),
        *purpose.lines,
        *source.match.lines,
        *_describe_cut(network, [] if complete.cut else described.keys.get("cut", [])),
        *([described.ending] if described.ending else []),
        *described.assumed,
    ]
    return _plan_files(options.name, described, lists.values(), source, findings)


def _plan_files(
    name: str,
    described: ModelDescription,
    lists: Collection[NameList],
    source: NetworkSource,
    findings: list[str],
) -> Addition:
    """What is written, copied and removed for a model with this description."""
    text = yaml.safe_dump(
        described.keys, sort_keys=False, default_flow_style=None, allow_unicode=True
    )
    written = {definition.MODELS_FOLDER / f"{name}.yaml": text}
    written |= {label_list_path(each.name): each.text for each in lists if each.text}
    targets = {_cache_path(file): file for file in source.files.values()}
    replaced = plan_removal(name).files if name in model_names() else []
    kept = {*written, *(label_list_path(each.name) for each in lists)}
    return Addition(
        name=name,
        written=written,
        copied={target: file for target, file in targets.items() if target != file},
        findings=findings,
        changes=list_changes(described.keys),
        removed=[path for path in replaced if path not in kept],
    )


def _usual_size(file: Path, network: str) -> str:
    shown = shown_size(file) if network == "torchscript" else ""
    return shown or network_defaults(network).size


class WrittenFiles(msgspec.Struct, frozen=True):
    """What was where an addition wrote: texts by path, None where nothing was."""

    before: dict[Path, bytes | None]

    def restore(self) -> None:
        """Make it as it was."""
        for path, content in self.before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)


def _choose_purpose(
    options: OwnModelOptions, metadata: Metadata, network: str, size: str, labels: int
) -> Purpose:
    """What the user or the file states; else what inputs and outputs show."""
    stated = options.task or metadata.task
    if network not in FILE_NETWORKS or options.head or stated not in SHOWN_TASKS:
        return Purpose(task=stated or network_defaults(network).task)
    sides = parse_size(size)
    require_picture_input(options, sides)
    return find_purpose(options, network, options.file, sides, labels)


def apply_addition(addition: Addition) -> WrittenFiles:
    """Copy and write its files; returns what undoes it."""
    paths = [*addition.written, *addition.removed]
    written = WrittenFiles({p: p.read_bytes() if p.is_file() else None for p in paths})
    for target, source in addition.copied.items():
        if not target.is_file():
            copy_network(source, target, target.parent.name)
    for path, text in addition.written.items():
        write_text(path, text)
    for path in addition.removed:
        path.unlink(missing_ok=True)
    return written


def _describe_cut(network: str, cut: list[str]) -> list[str]:
    if not cut:
        return []
    run = " (it was run to find that)" if network == "torchscript" else ""
    return [f"cut where decoding begins{run}, at: {', '.join(cut)}"]


def _list_changes(file: Path, kind: str) -> list[str]:
    """What becomes of an ONNX file, a line each."""
    if kind != "onnx":
        return []
    parts, types = list_parts(file), list_other_types(read_onnx(file))
    joined = [f"tensors are in {', '.join(parts)} beside it: joined into one file"] if parts else []
    single = [f"stored in {', '.join(types)}: taken as fp32, the same values"] if types else []
    return joined + single


def _require_computable(file: Path, metadata: Metadata) -> None:
    if metadata.refusal:
        raise WrongInput(
            f"{file.name}: {metadata.refusal}",
            remedy="take a detector without a transformer's decoder: YOLO26, YOLO11, YOLOX, FCOS",
        )


def _choose_labels(options: OwnModelOptions, metadata: Metadata) -> NameList:
    """The user's labels, else those in the file."""
    if metadata.names and not options.labels:
        return match_names(metadata.names, f"{options.name}-labels")
    return read_names("labels", options.labels, options.name)


def _choose_keypoints(options: OwnModelOptions, metadata: Metadata) -> NameList:
    """The user's names, else those in the file, else numbers where the file says how many."""
    shape = metadata.head_keys.get("kpt_shape")
    count = shape[0] if shape and options.task in {"", metadata.task} else 0
    new_name = f"{options.name}-keypoints"
    if options.keypoints or not count:
        names = read_names("keypoints", options.keypoints, options.name)
        _require_keypoint_count(names, count)
        return names
    if len(metadata.keypoints) == count:
        return match_names(metadata.keypoints, new_name)
    return number_keypoints(count, new_name)


def _find_keypoints(options: OwnModelOptions, source: NetworkSource) -> NameList:
    """Those that the network states, else names for those that the weights are for.

    A checkpoint that was never trained states no task, the graph exported from it does.
    """
    if (keypoints := _choose_keypoints(options, source.metadata)).name:
        return keypoints
    count = source.match.keypoints
    return number_keypoints(count, f"{options.name}-keypoints") if count else NameList()


def _require_keypoint_count(names: NameList, count: int) -> None:
    if count and names.count != count:
        raise WrongInput(
            f"--keypoints: {names.count} names, and the network has {count} keypoints",
            remedy="name each keypoint, in the network's order, or leave it out",
        )


def _cache_path(file: Path) -> Path:
    return downloads_folder() / sha256_of_network(file) / file.name
