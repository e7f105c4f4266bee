"""Writes an Ultralytics network with seeded weights that sees a few things in given pictures.

    PYTHON -m benchmarks.calibrated_yolo yolo26n-seg FOLDER PICTURE… [--trained yolo26n.pt]

For comparisons of what is decoded, where no trained weights are at hand. Weights are drawn, batch
norms are set by the pictures (compare on the same ones), and the last layers are scaled: sides of
some strides, and scores that ``OBJECTS`` places of the fullest picture pass with.
Layers that a trained network of the same names and shapes has stay as they are in it. PYTHON is
one that has Ultralytics. The path of what was written is the last line printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from math import log
from pathlib import Path
from typing import Any

from benchmarks.exports import SEED, declare_operators, load_library

CLASSIFIER_SIDE, GRAY = 224, 114
OBJECTS = 60
"""Places whose score passes in the fullest picture, before suppression: fewer than are told."""
PASSING = log(0.25 / 0.75)
"""The logit of Ultralytics' usual threshold."""
BINNED = {"cv2": (1.5, 0.0), "cv3": (1.0, 0.0), "cv4": (1.0, 0.0)}
PLAIN = {**BINNED, "cv2": (0.7, 2.5)}
"""Deviation and mean of the last layers of sides, classes and the rest: of distributions over
bins, and of sides themselves."""
ATTENTION, ATTENTION_SCALE = ".qkv.bn", 0.3
"""The layer before attention, which drawn weights would let look at one place only."""
CLASS_DEVIATION = 3.0
"""Of a classifier's logits."""


def main(name: str, folder: Path, pictures: list[str], trained: Path | None, side: int) -> Path:
    """Write ``NAME.pt``; returns the path."""
    torch = load_library("torch")
    declare_operators()
    torch.manual_seed(SEED)
    yolo = load_library("ultralytics").YOLO
    model = yolo(f"{name}.yaml")
    kept = load_trained(model.model, yolo(trained).model) if trained else frozenset()
    shown = read_pictures(pictures, CLASSIFIER_SIDE if name.endswith("-cls") else side)
    with torch.no_grad():
        calibrate(model.model, shown, kept)
    file = folder / f"{name}.pt"
    model.save(file)
    return file


def load_trained(network: Any, trained: Any) -> Collection[str]:
    """Take over the tensors of the same names and shapes; returns their names."""
    ours, theirs = network.state_dict(), trained.float().state_dict()
    same = {
        key: each for key, each in theirs.items() if key in ours and each.shape == ours[key].shape
    }
    network.load_state_dict(same, strict=False)
    return same.keys()


def read_pictures(files: list[str], side: int) -> Any:
    """(n, 3, side, side), R, G, B from 0 to 1, as large as fits, the rest gray."""
    np, torch = load_library("numpy"), load_library("torch")
    levels = [np.asarray(fit_picture(file, side)) for file in files]
    return torch.from_numpy(np.stack(levels).transpose(0, 3, 1, 2).copy()).float() / 255


def fit_picture(file: str, side: int) -> Any:
    """In the middle of a square."""
    image = load_library("PIL.Image")
    picture = image.open(file).convert("RGB")
    ratio = side / max(picture.size)
    picture = picture.resize([round(ratio * each) for each in picture.size])
    square = image.new("RGB", (side, side), (GRAY, GRAY, GRAY))
    square.paste(picture, [(side - each) // 2 for each in picture.size])
    return square


def calibrate(network: Any, shown: Any, kept: Collection[str]) -> None:
    """Set batch norms and last layers by what the pictures make of them, but those kept."""
    torch = load_library("torch")
    seeded = {layer for name, layer in network.named_modules() if f"{name}.weight" not in kept}
    network.train()
    for name, layer in network.named_modules():
        if name.endswith(ATTENTION) and layer in seeded:
            layer.weight.mul_(ATTENTION_SCALE)
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
            layer.train(layer in seeded)
            if layer in seeded:
                layer.reset_running_stats()
    hooks = [
        layer.register_forward_hook(hook)
        for layer, hook in last_layers(network.model[-1])
        if layer in seeded
    ]
    network(shown)
    for hook in hooks:
        hook.remove()
    network.eval()


def last_layers(head: Any) -> Iterator[tuple[Any, Any]]:
    """The layers that end in what is decoded, and what scales each."""
    if hasattr(head, "linear"):
        yield head.linear, scale_to(CLASS_DEVIATION, 0.0)
        return
    kinds = BINNED if head.reg_max > 1 else PLAIN
    for name, levels in head.named_children():
        kind = name.removeprefix("one2one_")[:3]
        if kind not in kinds or name.endswith("sigma"):
            continue
        for level in levels:
            last = level[-1] if hasattr(level, "__getitem__") else level
            if hasattr(last, "weight"):
                hook = pass_few() if kind == "cv3" else scale_to(*kinds[kind])
                yield last, hook


def scale_to(deviation: float, mean: float) -> Any:
    """A hook that gives each channel of the layer's output the mean, and all the deviation."""

    def scale(layer: Any, _: Any, output: Any) -> None:
        plain = output.detach() - broadcast(layer.bias, output)
        factor = deviation / plain.std()
        over = [0, *range(2, output.dim())]
        layer.weight.data.mul_(factor)
        layer.bias.data.copy_(mean - plain.mean(over) * factor)

    return scale


def pass_few() -> Any:
    """A hook that lets ``OBJECTS`` places of all three levels pass in the fullest picture."""

    def scale(layer: Any, inputs: Any, output: Any) -> None:
        scale_to(*BINNED["cv3"])(layer, inputs, output)
        logits = layer.forward(inputs[0]).detach()
        best = logits.amax(1).flatten(1)
        count = min(OBJECTS // 3, best.shape[1])
        layer.bias.data.add_(PASSING - best.topk(count).values[:, -1].max())

    return scale


def broadcast(bias: Any, output: Any) -> Any:
    """A value a channel, for every place."""
    return bias.view(1, -1, *[1] * (output.dim() - 2))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", help="as yolo26n-seg")
    parser.add_argument("folder", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--side", type=int, default=640, help="of the square input")
    parser.add_argument("--trained", type=Path, help="a checkpoint whose layers are taken over")
    return parser.parse_args()


if __name__ == "__main__":
    request = arguments()
    request.folder.mkdir(parents=True, exist_ok=True)
    print(main(request.network, request.folder, request.pictures, request.trained, request.side))
