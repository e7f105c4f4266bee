"""Writes a network as people save it: one file in one format, by the libraries they use.

    PYTHON benchmarks/exports.py NETWORK FORMAT FOLDER

NETWORK is ``ultralytics:yolo11n-seg``, ``torchvision:resnet18`` or ``timm:vit_tiny_patch16_224``,
built with seeded weights; FORMAT one of ``FORMATS``. The path of what was written is the last line
printed. PYTHON is one that has these libraries: piyard's own need not, and never imports them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 20260101
FORMATS = ("pt", "checkpoint", "torchscript", "onnx", "dynamo", "ncnn")
YOLO_SIDE, CLASSIFIER_SIDE = 320, 224
CALIBRATION = 8
"""Pictures that a classifier's batch norms are set by."""
SIDES = {"inception_v3": 299}
"""Networks that take no other side than theirs."""


def load_library(name: str) -> Any:
    """A library of the user's, which piyard's own environment may not have."""
    return importlib.import_module(name)


def declare_operators() -> None:
    """Name torchvision's operators where its binary part does not go with this torch."""
    torch = load_library("torch")
    library = torch.library.Library("torchvision", "FRAGMENT")
    globals()["_library"] = library  # its declarations live as long as it does
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main(network: str, form: str, folder: Path) -> Path:
    """Write the network; returns the path."""
    torch = load_library("torch")
    declare_operators()
    torch.manual_seed(SEED)
    family, _, name = network.partition(":")
    if family == "ultralytics":
        return export_ultralytics(name, form, folder)
    return export_classifier(family, name, form, folder)


def export_ultralytics(name: str, form: str, folder: Path) -> Path:
    """By Ultralytics' own exporter, but for the dynamo one, which it does not call."""
    yolo = load_library("ultralytics").YOLO
    model = yolo(f"{name}.yaml")
    file = folder / f"{name}.pt"
    widen_statistics(model.model)
    model.save(file)
    if form == "pt":
        return file
    if form == "dynamo":
        return export_dynamo(file, folder)
    keys = {"torchscript": "torchscript", "onnx": "onnx", "ncnn": "ncnn"}
    return Path(yolo(file).export(format=keys[form], imgsz=side_of(name), verbose=False))


def export_dynamo(file: Path, folder: Path) -> Path:
    """By torch's default exporter, with the notes that Ultralytics' exporter writes."""
    onnx, torch = load_library("onnx"), load_library("torch")
    yolo = load_library("ultralytics").YOLO
    plain = Path(yolo(file).export(format="onnx", imgsz=side_of(file.stem), verbose=False))
    notes = onnx.load(plain).metadata_props
    module = yolo(file).model.float().eval().fuse(verbose=False)
    for layer in module.modules():
        if hasattr(layer, "export"):
            layer.export, layer.format, layer.dynamic = True, "onnx", False
    target = folder / f"{file.stem}-dynamo.onnx"
    example = torch.zeros(1, 3, side_of(file.stem), side_of(file.stem))
    module(example)
    torch.onnx.export(module, (example,), target, dynamo=True, verbose=False)
    graph = onnx.load(target, load_external_data=False)
    graph.metadata_props.extend(notes)
    target.write_bytes(graph.SerializeToString())
    return target


def side_of(name: str) -> int:
    """Of the square input."""
    return CLASSIFIER_SIDE if name.endswith("-cls") else YOLO_SIDE


def export_classifier(family: str, name: str, form: str, folder: Path) -> Path:
    """One of torchvision or timm."""
    torch = load_library("torch")
    side = SIDES.get(name, CLASSIFIER_SIDE)
    module = build_classifier(family, name, side)
    example = torch.zeros(1, 3, side, side)
    file = folder / f"{name}{ {'checkpoint': '.pth', 'torchscript': '.pt'}.get(form, '.onnx') }"
    writers: dict[str, Callable[[], Any]] = {
        "checkpoint": lambda: torch.save(module.state_dict(), file),
        "torchscript": lambda: torch.jit.trace(module, example).save(str(file)),
        "onnx": lambda: torch.onnx.export(module, (example,), file, dynamo=False),
        "dynamo": lambda: torch.onnx.export(module, (example,), file, verbose=False),
    }
    with torch.no_grad():
        writers[form]()
    return file


def build_classifier(family: str, name: str, side: int) -> Any:
    """With seeded weights, in evaluation mode."""
    if family == "timm":
        module = load_library("timm").create_model(name, pretrained=False)
    else:
        module = getattr(load_library("torchvision").models, name)(weights=None)
    module.eval()
    calibrate_norms(module, side)
    return module


def calibrate_norms(module: Any, side: int) -> None:
    """Set each batch norm's mean and deviation by a few pictures, as training does.

    Without it values grow or fade from layer to layer, which no trained network's do.
    """
    torch = load_library("torch")
    norms = [each for each in module.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        module(calibration_pictures(CALIBRATION, side))
    module.eval()


def calibration_pictures(count: int, side: int) -> Any:
    """Random pictures of mean 0 and deviation 1, the last ones noise.

    The others have as much of each size of detail, as photographs: where all is smooth, norms
    would make much of the little that differs in deep layers.
    """
    torch = load_library("torch")
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(count // 4, 3, side, side, generator=generator)
    pictures = torch.randn(count - len(noise), 3, 1, 1, generator=generator).repeat(
        1, 1, side, side
    )
    cells = 4
    while cells < side:
        detail = torch.randn(len(pictures), 3, cells, cells, generator=generator)
        pictures += torch.nn.functional.interpolate(detail, (side, side), mode="bicubic")
        cells *= 2
    return torch.cat([(pictures - pictures.mean()) / pictures.std(), noise])


def widen_statistics(module: Any) -> None:
    """Let running means and deviations differ from 0 and 1, as trained ones do."""
    torch = load_library("torch")
    generator = torch.Generator().manual_seed(SEED)
    for name, values in module.named_buffers():
        if name.endswith("running_mean"):
            values.copy_(0.1 * torch.randn(values.shape, generator=generator))
        if name.endswith("running_var"):
            values.copy_(0.5 + torch.rand(values.shape, generator=generator))


if __name__ == "__main__":
    _, network_name, format_name, folder_name = sys.argv
    place = Path(folder_name)
    place.mkdir(parents=True, exist_ok=True)
    written = main(network_name, format_name, place)
    if not written.exists():
        sys.exit(f"{written} was not written")
    print(written)
