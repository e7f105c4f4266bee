"""What a task is: how its outputs are decoded, its flags of nnrun, its table and its truth.

A task knows structs and arrays: of a model it reads what ``TaskModel`` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from piyard.vision.dense_head import ChannelLayout, channel_layout, split_anchors
from piyard.vision.head_schema import DenseHead, Head
from piyard.vision.overlap import Agreement, compare_objects
from piyard.vision.pictures import read_picture
from piyard.vision.predictions import ClassScore, DecodedObject, Frame, PredictedObject, encode_mask
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import (
    AUTO,
    FurtherInput,
    ImageRange,
    Preprocess,
    TextConfig,
    TrackerConfig,
)
from piyard.vision.transforms import ImageTransform, picture_transform

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.vision.schema import Floats


TruthKind = Literal["class", "box", "outline", "keypoints", "corners", "tracks", "track", "regions"]
"""What is known of a picture: its class; the boxes, outlines, keypoints or rotated boxes of its
objects; of a clip the tracks of many objects, or of one; the class of each pixel."""

Compute = Callable[..., list["Floats"]]
"""Inputs (c, h, w) → outputs in the layout of ``piyard.vision.schema``."""
Row = list[str]


class TaskModel(Protocol):
    """What a task reads of a model's YAML."""

    @property
    def labels(self) -> str:
        """The list of class names."""

    @property
    def keypoints(self) -> str:
        """The list of keypoint names."""

    @property
    def output(self) -> str:
        """The output with the classes."""

    @property
    def activation(self) -> str:
        """What makes scores of it."""

    @property
    def head(self) -> Head | None:
        """What the outputs mean."""

    @property
    def tracker(self) -> TrackerConfig | None:
        """How objects are tracked."""

    @property
    def images(self) -> Mapping[str, ImageRange]:
        """Outputs that are pictures."""

    @property
    def text(self) -> TextConfig | None:
        """Of an encoder of texts beside that of pictures."""

    @property
    def further(self) -> Sequence[FurtherInput]:
        """Inputs beside the first one."""


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user may choose of a task."""

    topk: int = 5
    """Number of classes."""
    init: tuple[float, float, float, float] | None = None
    """Tracking one object: x, y, width, height in the first frame."""
    fps: float = 30.0
    """Frames a second, which a tracker of many objects goes by."""
    classes: str = ""
    """The blob with the classes, of a net with several outputs."""
    raw: str = ""
    """The folder for raw outputs of classify."""
    labels: tuple[str, ...] = ()
    """Task clip: what may be in a picture."""
    prompt: str = ""
    """Task clip: what is said of a label in place of ``{}``; empty for the model's own."""
    scale: float = 1.0
    """Task clip: factor of a cosine, and what is added to it."""
    bias: float = 0.0


class PictureSet(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures that belong together: frames in their order, or just any."""

    pictures: Sequence[Path]
    init: tuple[float, float, float, float] | None = None
    """x, y, width, height of the object to follow in the first frame."""
    fps: float = 30.0
    ordered: bool = False
    """Whether one frame follows the other, and all must be seen by the same tracker."""


class Net(msgspec.Struct, frozen=True, kw_only=True):
    """A network with the function that computes it, and what its outputs mean."""

    task: TaskSpec
    size: tuple[int, int]
    """Rows, columns of its input."""
    preprocess: Preprocess
    outputs: Head | None = None
    """How they are decoded; none of a classifier."""
    tracker: TrackerConfig | None = None
    activation: str = AUTO
    """Of a classifier."""
    labels: Sequence[str]
    compute: Compute
    head: Compute | None = None
    """The second net of a tracker of one object."""
    place: int = 0
    """Of a classifier's outputs, the one with the classes."""
    ends: str = "logits"
    """What that output is already."""

    def prepare(self, picture: Image) -> Floats:
        """The network's input."""
        return prepare_picture(picture, self.preprocess, self.size)


class Predictor(msgspec.Struct, frozen=True, kw_only=True):
    """What sees objects in pictures: a net, and the one that finds its objects first."""

    net: Net
    detector: Net | None = None

    def predict_frames(self, film: PictureSet) -> Iterator[Frame]:
        """What is in each picture, in order; in a clip a tracker follows what moves."""
        return self.net.task.predict_frames(self, film)

    def predict_picture(self, path: Path) -> Frame:
        """What is in one picture."""
        return self.net.task.predict_picture(self, path)


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One task; the tasks' own files override what differs from this."""

    name: str
    """As ``task:`` of a model's YAML and nnrun's verb."""
    needs: tuple[str, ...]
    """Keys that a model's YAML must have."""
    owns: tuple[str, ...] = ()
    """Keys that the YAML of no other task may have."""
    has_class_output: bool = False
    """Whether one output holds a score a class, for the picture as a whole."""
    extra_outputs: int = 0
    """Outputs after a dense head's maps, such as prototypes."""
    has_labels: bool = True
    """Whether nnrun takes names of classes, where there are any."""
    is_boxed: bool = True
    """Whether its objects are drawn in boxes; else they are regions."""
    is_drawn: bool = True
    """Whether nnrun draws what it sees."""
    keeps_outputs: bool = False
    """Whether the outputs themselves are the answer."""
    is_clip: bool = False
    """Whether pictures are one clip's frames, which are drawn as a film."""
    columns: tuple[str, ...]
    """Of the table of predictions, after the board's."""
    program_columns: int = 0
    """How many of them, at the end, are only for programs."""
    proof_pictures: Path = Path("data", "coco_mini_val", "val2017")
    """Pictures within the mirror that suit these models."""
    ultralytics_head: str | None = None
    """What Ultralytics' networks for this task end with; None where it has no such task."""
    coco_type: str = ""
    """pycocotools' name of what is compared."""

    def check_keys(self, model: TaskModel, others: Iterable[TaskSpec]) -> None:
        """Raise ``ValueError`` for a model that lacks a key, or has one of another task's."""
        if not all(_is_set(model, key) for key in self.needs):
            raise ValueError(f"task {self.name} needs {_join_keys(self.needs)}")
        for other in others:
            if any(key not in self.owns and _is_set(model, key) for key in other.owns):
                raise ValueError(
                    f"{_join_keys(other.owns)} {'are' if len(other.owns) > 1 else 'is'} for task "
                    f"{other.name}"
                )

    def nnrun_verb(self, _tracker: TrackerConfig | None) -> list[str]:
        """The words that name nnrun's task."""
        return [self.name]

    def flags(
        self, _model: TaskModel, _options: TaskOptions, _detector: Sequence[str]
    ) -> list[str]:
        """nnrun's flags beside those that all tasks have; ``detector`` are the detector's own."""
        return []

    def picture_flags(self, _activation: str, _classes: str) -> list[str]:
        """The flags that nnrun's benchmark needs to end with what is in a picture."""
        return []

    def extra_channels(self, _head: DenseHead, _outputs: Sequence[Floats], _channels: int) -> int:
        """How many channels of a dense head's maps come after box and classes."""
        return 0

    def channel_layout(self, head: DenseHead, outputs: Sequence[Floats]) -> ChannelLayout:
        """The layout of a network's outputs; raises ``WrongInput`` where they are too few."""
        maps, strides = split_anchors(head, self.head_maps(outputs))
        channels = sum(len(blob) for blob in maps) // len(strides)
        extra = self.extra_channels(head, outputs, channels)
        return channel_layout(head, outputs, channels, extra)

    def head_maps(self, outputs: Sequence[Floats]) -> Sequence[Floats]:
        """The outputs that are maps of a dense head."""
        return outputs[: len(outputs) - self.extra_outputs]

    def decode(
        self,
        _head: Head | None,
        _outputs: Sequence[Floats],
        _size: tuple[int, int],
        _transform: ImageTransform,
    ) -> list[DecodedObject]:
        """The objects that ``outputs`` for an input of ``size`` = (rows, columns) tell."""
        return []

    def find_objects(self, predictor: Predictor, picture: Image) -> list[DecodedObject]:
        """The objects in a picture."""
        net = predictor.net
        transform = picture_transform(picture.size, net.preprocess, net.size)
        return self.decode(net.outputs, net.compute(net.prepare(picture)), net.size, transform)

    def predict_picture(self, predictor: Predictor, path: Path) -> Frame:
        """What is in one picture."""
        picture = read_picture(path)
        labels = predictor.net.labels
        objects = [make_object(each, labels) for each in self.find_objects(predictor, picture)]
        return make_frame(path, picture, objects=objects)

    def predict_frames(self, predictor: Predictor, film: PictureSet) -> Iterator[Frame]:
        """What is in each picture, in order."""
        for path in film.pictures:
            yield self.predict_picture(predictor, path)

    def compare(
        self, expected: Sequence[DecodedObject], actual: Sequence[DecodedObject]
    ) -> Agreement:
        """How alike two sets of objects in a picture are."""
        return compare_objects(expected, actual)

    def rows(self, _frames: Sequence[Frame]) -> list[Row]:
        """The rows under ``columns``."""
        raise NotImplementedError

    def summarise(self, _frames: Sequence[Frame]) -> list[str]:
        """What was seen, part by part; how many frames there were is said before."""
        return []

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind | None:
        """What must be known of pictures to judge a model by; None where nothing can."""
        return None

    def coco_classes(self, labels: Sequence[str]) -> Sequence[str]:
        """The model's classes, as COCO's categories are called."""
        return labels

    def coco_result(self, predicted: PredictedObject) -> dict[str, object]:
        """The object as pycocotools compares it, beside its picture, category and score."""
        x0, y0, x1, y1 = predicted.box
        return {"bbox": [x0, y0, x1 - x0, y1 - y0]}


def _is_set(model: TaskModel, key: str) -> bool:
    return getattr(model, key) not in ("", None, AUTO, (), {})


def _join_keys(keys: Iterable[str]) -> str:
    return " and ".join(f"`{key}`" for key in keys)


def make_frame(
    path: Path,
    picture: Image,
    top: Sequence[ClassScore] = (),
    objects: Sequence[PredictedObject] = (),
) -> Frame:
    """What is in that picture."""
    width, height = picture.size
    return Frame(name=str(path), width=width, height=height, top=list(top), objects=list(objects))


def make_object(decoded: DecodedObject, labels: Sequence[str]) -> PredictedObject:
    """The object as nnrun's log would have it."""
    points = decoded.keypoints
    return PredictedObject(
        class_=decoded.class_,
        label=labels[decoded.class_] if decoded.class_ < len(labels) else None,
        score=decoded.score,
        box=decoded.box,
        mask=None if decoded.mask is None else encode_mask(decoded.mask),
        keypoints=None if points is None else [(x, y, s) for x, y, s in points.tolist()],
        rotated=decoded.rotated,
    )
