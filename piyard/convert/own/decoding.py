"""Does a head decode a file's maps as the file itself does? Compared on noise, place by place.

Exports end with their decoding, which is cut off. Before it is, both are computed once, so that a
head that means something else is never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from piyard.convert.ncnn_net import NcnnReference
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.own.cutting import HeadMaps
from piyard.convert.script_program import SandboxedProgram
from piyard.core.parsing import JsonObject, JsonValues
from piyard.models.definition import Model
from piyard.models.networks import inference
from piyard.models.synthetic import random_tensor
from piyard.vision.dense_head import place_boxes, place_scores, read_places
from piyard.vision.head_schema import Yolov5, Yolov8
from piyard.vision.schema import Stretch
from piyard.vision.tasks.obb import place_rotated_boxes
from piyard.vision.tasks.pose import decode_keypoints
from piyard.vision.transforms import picture_transform

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats

Exported = Yolov8 | Yolov5
"""Heads whose exports end decoded."""
UNIT_RANGE = (0.0, 1.0)
PIXELS_WITHIN = 0.1
"""How far boxes and keypoints of the same place may be apart."""
SCORES_WITHIN = 2e-3
MATRIX = 2
"""Dimensions of an output that holds decoded objects."""
ROW_FACTS = 6
"""x0, y0, x1, y1, score and class: what a row of an end-to-end output begins with."""


class Difference(NamedTuple):
    """How far two decodings are apart, in units of what rounding may do."""

    boxes: float
    scores: float
    extra: float

    @property
    def largest(self) -> float:
        """Of the three."""
        return max(self)

    def text(self, extra: str) -> str:
        """What differs, for people; ``extra`` is what comes after boxes and scores."""
        what = {"boxes": self.boxes, "scores": self.scores, extra: self.extra}
        return f"its {' and '.join(name for name, far in what.items() if far > 1)} are others"


class DecodedPlaces(NamedTuple):
    """What a head tells at each of its places, in pixels of the input."""

    head: Exported
    boxes: Doubles
    """(places, 4) of x0, y0, x1, y1; of rotated boxes x, y, width, height."""
    scores: Doubles
    """(places, classes)."""
    extra: Doubles
    """(places, values): keypoints, the coefficients of masks, or angles."""


EXTRA_NAMES = {"pose": "keypoints", "obb": "angles"}
"""By task, what comes after boxes and scores; else coefficients of masks."""


class SettledHead(NamedTuple):
    """What a comparison shows of a head."""

    keys: JsonValues = MappingProxyType({})
    """Keys of ``head`` that must differ from what it has."""
    note: str = ""
    """For the user, where it decodes otherwise than the file all the same."""


def settle_head(file: Path, model: Model, head_maps: HeadMaps) -> SettledHead:
    """The head with which the maps mean what the file's own outputs mean.

    Rows of the best objects that were not suppressed are those of an end-to-end head. Nothing where
    the file's outputs have a form that cannot be compared.
    """
    if not isinstance(model.head, Yolov8 | Yolov5):
        return SettledHead()
    with inference():
        noise = random_tensor(model.input, span=UNIT_RANGE)
        outputs = run_file(file, model.network, model.input, (), noise)
        own = outputs[: len(outputs) - model.spec.extra_outputs]
        maps = run_file(file, model.network, model.input, head_maps.cut, noise)
    if len(own) != 1 or own[0].ndim != MATRIX:
        return SettledHead()
    apart: list[tuple[float, str, JsonObject]] = []
    decoded = _decode_places(model.head, maps, model)
    for keys, head in _candidates(model.head, model.task):
        decoded = _decode_places(head, maps, model)
        difference = _compare(decoded, own[0])
        if difference is None:
            return SettledHead()
        text = difference.text(EXTRA_NAMES.get(model.task, "coefficients"))
        apart.append((difference.largest, text, keys))
    far, text, keys = min(apart, key=lambda each: each[0])
    note = f"WARNING: {file.name} itself decodes otherwise: {text}; look at pictures before use"
    if _tells_once(decoded, own[0]) and not head_maps.is_suppressed:
        keys = keys | {"end_to_end": True}
    return SettledHead(keys, note if far > 1 else "")


def run_file(
    file: Path, network: str, shape: tuple[int, ...], cut: Sequence[str], values: Floats
) -> list[Floats]:
    """The outputs, or the tensors of ``cut``, for one input (channels, rows, columns)."""
    if network == "onnx":
        return load_onnx(file, [shape], cut=cut).run(values)
    if network == "ncnn":
        return NcnnReference(param=file, bin=file.with_suffix(".bin"), cut=cut).run(values)
    program = SandboxedProgram(file, cut)
    try:
        return program.run(values)
    finally:
        program.end()


def _candidates(head: Exported, task: str) -> Iterator[tuple[JsonObject, Exported]]:
    """The head as it is, with keypoints on the other grid, with other angles; what differs."""
    yield {}, head
    if isinstance(head, Yolov8) and task == "obb":
        rule: Literal["sigmoid", "radians"] = "sigmoid" if head.angle == "radians" else "radians"
        yield {"angle": rule}, msgspec.structs.replace(head, angle=rule)
    if isinstance(head, Yolov8) and head.kpt_shape:
        other = "doubled" if head.kpt_grid == "centred" else "centred"
        yield {"kpt_grid": other}, msgspec.structs.replace(head, kpt_grid=other)


def _decode_places(head: Exported, maps: Sequence[Floats], model: Model) -> DecodedPlaces:
    task, size = model.spec, model.input[1:]
    places = read_places(head, task.head_maps(maps), size)
    layout = task.channel_layout(head, maps)
    extra = places.values[:, layout.extra]
    if model.task == "pose":
        whole = Stretch(order="rgb", mean=(0.0,) * 3, norm=(1.0,) * 3)
        inside = picture_transform(size[::-1], whole, size)
        points = decode_keypoints(head, extra, places, inside)
        values = head.kpt_shape[1] if isinstance(head, Yolov8) and head.kpt_shape else 3
        extra = points[..., :values].reshape(len(extra), -1)
    scores = place_scores(head, places.values, layout)
    if isinstance(head, Yolov8) and model.task == "obb":
        rotated = place_rotated_boxes(head, places, layout)
        return DecodedPlaces(head, rotated[:, :4], scores, rotated[:, 4:])
    return DecodedPlaces(head, place_boxes(head, places, layout), scores, extra)


def _compare(decoded: DecodedPlaces, own: Floats) -> Difference | None:
    """How far they are apart; None for outputs of other forms."""
    import numpy as np

    count = len(decoded.boxes)
    channels = 4 + decoded.scores.shape[1] + decoded.extra.shape[1]
    table = np.asarray(own, np.float64)
    if isinstance(decoded.head, Yolov5) and table.shape[1] == channels + 1:
        # Scores stand as the object's, and those of the classes: their products count.
        table = np.concatenate([table[:, :4], table[:, 4:5] * table[:, 5:]], axis=1)
    if table.shape in {(channels, count), (count, channels)}:
        rows = table.T if table.shape == (channels, count) else table
        return _compare_places(decoded, rows)
    return _compare_rows(decoded, table) if _tells_once(decoded, own) else None


def _tells_once(decoded: DecodedPlaces, own: Floats) -> bool:
    """Whether each row is an object: box, score, class, and what the task adds."""
    is_row = own.shape[1] == ROW_FACTS + decoded.extra.shape[1]
    is_exported = isinstance(decoded.head, Yolov8)
    return is_exported and is_row and len(decoded.boxes) not in own.shape


def _compare_places(decoded: DecodedPlaces, rows: Doubles) -> Difference:
    """``rows`` are (places, channels): a box as corners, or as its middle and size."""
    import numpy as np

    expected = rows[:, :4]
    middle, half = expected[:, :2], expected[:, 2:] / 2
    corners = [expected, np.concatenate([middle - half, middle + half], axis=1)]
    boxes = min(_furthest(decoded.boxes, each, PIXELS_WITHIN) for each in corners)
    classes = 4 + decoded.scores.shape[1]
    scores = _furthest(decoded.scores, rows[:, 4:classes], SCORES_WITHIN)
    extra = _furthest(decoded.extra, rows[:, classes:], PIXELS_WITHIN)
    return Difference(boxes, scores, extra)


def _compare_rows(decoded: DecodedPlaces, table: Doubles) -> Difference | None:
    """Rows of the best: each is one of the places. None where there are none."""
    import numpy as np

    rows = table[table[:, 4] > 0]
    if not len(rows):
        return None
    boxes = np.abs(decoded.boxes[None] - rows[:, None, :4]).max(axis=2) / PIXELS_WITHIN
    expected = decoded.scores[:, rows[:, 5].astype(np.int64)].T
    scores = np.abs(expected - rows[:, 4:5]) / SCORES_WITHIN
    place = np.maximum(boxes, scores).argmin(axis=1)
    each = np.arange(len(rows))
    extra = _furthest(decoded.extra[place], rows[:, ROW_FACTS:], PIXELS_WITHIN)
    return Difference(float(boxes[each, place].max()), float(scores[each, place].max()), extra)


def _furthest(ours: Doubles, theirs: Doubles, within: float) -> float:
    """The largest difference, in units of what is allowed: more for values that are large."""
    import numpy as np

    allowed = within * np.maximum(1, np.abs(theirs) / 100)
    return float((np.abs(ours - theirs) / allowed).max(initial=0.0))
