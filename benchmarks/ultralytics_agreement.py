r"""How alike what piyard and Ultralytics' own ``predict`` see is, with the same weights.

    .venv/bin/python -m benchmarks.ultralytics_agreement PICTURES --python ~/venv/bin/python \
        yolo26_n=yolo26n.pt yolo11_n_pose=yolo11n-pose.onnx

Each MODEL=FILE is a model of models/ and the file that Ultralytics loads for it. piyard's side is
the converted net, computed by ncnn here in fp32. Ultralytics runs under ``--python`` in a process
of its own, at the model's size and with its thresholds. Of an object that only one of both tells
the score counts: a bar's width above the threshold it may be lost. A picture with as many objects
as are told at all is left out: which of those of equal scores they are is chance.

Files without trained weights are written by ``benchmarks/calibrated_yolo.py``. Where neither sees
anything, no figure is told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import net_function
from piyard.core.tables import FORMATS, render_table
from piyard.models.definition import Model, load_model
from piyard.models.networks import inference
from piyard.vision.head_schema import Dense, Yolov8
from piyard.vision.overlap import mask_iou, match_objects, object_iou
from piyard.vision.pictures import list_pictures, read_picture
from piyard.vision.predictions import DecodedObject, Rle, decode_mask
from piyard.vision.preprocess import prepare_picture
from piyard.vision.tasks.classify import class_scores, resolve_activation
from piyard.vision.transforms import picture_transform

if TYPE_CHECKING:
    from piyard.vision.tasks.base import Compute

CHILD = Path(__file__).with_name("ultralytics_predict.py")
COLUMNS = (
    *("Model", "Task", "Pictures", "Objects", "Matched", "Lowest IoU", "Scores within"),
    *("Keypoints within px", "Lowest mask IoU", "Alone"),
)
SURE = 0.5
"""Keypoints with a lower score are nowhere in particular."""


class Agreement(msgspec.Struct, kw_only=True):
    """The worst of a model's pictures."""

    pictures: int = 0
    objects: int = 0
    matched: int = 0
    iou: float = 1.0
    score: float = 0.0
    keypoint: float | None = None
    mask: float | None = None
    alone: float = 0.0
    """The highest score of an object that only one of both told."""

    def cells(self) -> list[str]:
        """Of the table."""
        return [
            *(str(self.pictures), str(self.objects), str(self.matched)),
            *((f"{self.iou:.4f}", f"{self.score:.4f}") if self.matched else ("", "")),
            "" if self.keypoint is None else f"{self.keypoint:.2f}",
            "" if self.mask is None else f"{self.mask:.4f}",
            f"{self.alone:.3f}" if self.alone else "none",
        ]


def main() -> int:
    """Print the table."""
    request = _arguments()
    pictures = list_pictures(request.pictures).pictures[: request.count]
    rows = []
    for pair in request.models:
        name, _, file = pair.partition("=")
        model = load_model(name)
        agreement = _compare_model(model, Path(file), pictures, request)
        rows.append([name, model.task, *agreement.cells()])
        print(render_table(COLUMNS, rows[-1:], "csv"), file=sys.stderr)
    print(render_table(COLUMNS, rows, request.format))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("models", nargs="+", metavar="MODEL=FILE")
    parser.add_argument("--python", default=sys.executable, help="one that has ultralytics")
    parser.add_argument("--first", default="", help="a module that it imports before torchvision")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--score", type=float, help="instead of the model's own threshold")
    parser.add_argument("--format", default="github", choices=FORMATS)
    return parser.parse_args()


def _compare_model(
    model: Model, file: Path, pictures: Sequence[Path], options: argparse.Namespace
) -> Agreement:
    if isinstance(model.head, Dense) and options.score is not None:
        head = msgspec.structs.replace(model.head, score=options.score)
        model = msgspec.structs.replace(model, head=head)
    worst = Agreement()
    with inference():
        compute = net_function(convert_model(load_model(model.name), force=True).folder)
        for path, theirs in zip(pictures, _predict(model, file, pictures, options), strict=True):
            _add_picture(worst, model, compute, path, theirs)
    return worst


def _predict(
    model: Model, file: Path, pictures: Sequence[Path], request: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """What Ultralytics sees in each picture."""
    options: dict[str, Any] = {"first": request.first, "end2end": False}
    if isinstance(model.head, Dense):
        head = model.head
        options |= {"conf": head.score, "iou": head.nms, "max_det": head.most}
        options["end2end"] = isinstance(head, Yolov8) and head.end_to_end
    size = [str(side) for side in model.input[1:]]
    words = [request.python, str(CHILD), str(file), model.task, *size, json.dumps(options)]
    done = subprocess.run(
        [*words, *map(str, pictures)], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if len(lines) != len(pictures):
        raise SystemExit(f"{file.name}: {done.stderr[-2000:]}")
    return map(json.loads, lines)


def _add_picture(
    worst: Agreement, model: Model, compute: Compute, path: Path, theirs: dict[str, Any]
) -> None:
    picture = read_picture(path)
    size = model.input[1:]
    if isinstance(model.head, Dense) and len(theirs.get("objects", ())) >= model.head.most:
        return
    outputs = compute(prepare_picture(picture, model.preprocess, size))
    worst.pictures += 1
    if "probabilities" in theirs:
        _add_classes(worst, model, outputs[0], np.asarray(theirs["probabilities"]))
        return
    transform = picture_transform(picture.size, model.preprocess, size)
    ours = model.spec.decode(model.head, outputs, size, transform)
    _add_objects(worst, ours, [_read_object(each) for each in theirs["objects"]], picture.size)


def _add_classes(worst: Agreement, model: Model, output: Any, theirs: Any) -> None:
    total = float(output.sum())
    ends = "probabilities" if output.min() >= 0 and abs(total - 1) < 1e-3 else "logits"
    activation = resolve_activation(model.activation, ends, output.size)
    ours = class_scores(output, activation, len(theirs))
    worst.objects += 1
    worst.matched += int(ours.argmax() == theirs.argmax())
    worst.score = max(worst.score, float(np.abs(ours - theirs).max()))


def _read_object(line: dict[str, Any]) -> DecodedObject:
    points = line.get("keypoints")
    mask, rotated = line.get("mask"), line.get("rotated")
    return DecodedObject(
        class_=int(line["class"]),
        score=line["score"],
        box=tuple(line["box"]),
        keypoints=None if points is None else np.asarray(points, np.float64),
        mask=None if mask is None else decode_mask(msgspec.convert(mask, Rle)),
        rotated=None if rotated is None else tuple(rotated),
    )


def _has_area(each: DecodedObject, size: tuple[int, int]) -> bool:
    """Within a picture of (width, height) = ``size``.

    Ultralytics tells rotated boxes beyond it and boxes whose sides are crossed, and no object whose
    mask is empty.
    """
    x0, y0, x1, y1 = np.clip(each.box, 0, size * 2)
    return bool(x0 < x1 and y0 < y1 and (each.mask is None or each.mask.any()))


def _add_objects(
    worst: Agreement,
    ours: Sequence[DecodedObject],
    theirs: Sequence[DecodedObject],
    size: tuple[int, int],
) -> None:
    ours = [each for each in ours if _has_area(each, size)]
    theirs = [each for each in theirs if _has_area(each, size)]
    pairs = match_objects(theirs, ours)
    worst.objects += max(len(ours), len(theirs))
    worst.matched += len(pairs)
    matched_theirs, matched_ours = {i for i, _ in pairs}, {j for _, j in pairs}
    alone = [each.score for i, each in enumerate(theirs) if i not in matched_theirs]
    alone += [each.score for j, each in enumerate(ours) if j not in matched_ours]
    worst.alone = max([worst.alone, *alone])
    for i, j in pairs:
        _add_pair(worst, theirs[i], ours[j], size)


def _add_pair(
    worst: Agreement, theirs: DecodedObject, ours: DecodedObject, size: tuple[int, int]
) -> None:
    """``size`` is (width, height): Ultralytics moves keypoints beyond the picture onto its edge."""
    worst.iou = min(worst.iou, float(object_iou([theirs], [ours])[0, 0]))
    worst.score = max(worst.score, abs(theirs.score - ours.score))
    if theirs.keypoints is not None and ours.keypoints is not None:
        sure = ours.keypoints[:, 2] >= SURE
        within = np.clip(ours.keypoints[sure, :2], 0, size)
        far = np.linalg.norm(theirs.keypoints[sure, :2] - within, axis=1)
        worst.keypoint = max(worst.keypoint or 0.0, float(far.max(initial=0.0)))
    if theirs.mask is not None and ours.mask is not None:
        overlap = mask_iou(theirs.mask, ours.mask)
        worst.mask = min(1.0 if worst.mask is None else worst.mask, overlap)


if __name__ == "__main__":
    sys.exit(main())
