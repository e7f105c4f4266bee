"""A model's YAML as nnrun's verb and flags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from piyard import model as models
from piyard.errors import WrongInput
from piyard.heads import classes
from piyard.model import Model
from piyard.model.head import Dense, Head, Heatmap, Nanodet, Simcc, Yolov8
from piyard.model.tracker import Bytetrack, Nanotrack
from piyard.preprocess.flags import nnrun_flags

LABELS = "labels.txt"
DETECTOR = "detector"
"""What a detector's files and flags begin with, where a pose model needs one."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the user may choose besides the model."""

    precision: str = "fp32"
    threads: int = 1
    topk: int = 5
    """Task classify: number of classes."""
    init: tuple[float, float, float, float] | None = None
    """Tracking one object: x, y, width, height in the first frame."""
    fps: float = 30.0
    """Frames a second, which a tracker of many objects goes by."""
    classes: str = ""
    """Task classify: the blob with the classes, of a net with several outputs."""
    labelled: bool = True
    """Whether the model's labels belong to the output that is read."""
    raw: str = ""
    """The folder for raw outputs of classify."""
    drawn: str = ""
    """The folder for annotated pictures."""
    film: str = ""
    """The MJPEG file for them."""


def verb(model: Model) -> list[str]:
    """The words that name nnrun's task."""
    if model.task != "track":
        return [model.task]
    return ["track", "sot" if isinstance(model.tracker, Nanotrack) else "mot"]


def flags(model: Model, options: Asked) -> list[str]:
    """All of nnrun's flags, but for the inputs. Raises ``WrongInput``."""
    return [
        *net_flags(model, "model"),
        *("--precision", options.precision, "--threads", str(options.threads)),
        *(["--labels", LABELS] if model.labels and options.labelled else []),
        *_of_task(model, options),
        *_drawn(options),
    ]


def net_flags(model: Model, stem: str) -> list[str]:
    """A net's files, its preprocessing and what its outputs mean."""
    return [
        *("--param", f"{stem}.ncnn.param", "--bin", f"{stem}.ncnn.bin"),
        *nnrun_flags(model.preprocess, model.input[1:]),
        *(head_flags(model.head) if model.head else []),
    ]


def head_flags(head: Head) -> list[str]:
    """What the outputs mean."""
    kind = ["--head", str(type(head).__struct_config__.tag)]
    match head:
        case Simcc():
            return [*kind, "--split", repr(head.split)]
        case Heatmap():
            return kind
        case _:
            return [*kind, *_dense(head)]


def _dense(head: Dense) -> list[str]:
    bins = ["--bins", str(head.bins)] if isinstance(head, Yolov8 | Nanodet) else []
    return [
        *("--strides", ",".join(map(str, head.strides)), *bins),
        *("--score", repr(head.score), "--nms", repr(head.nms), "--most", str(head.most)),
    ]


def _of_task(model: Model, options: Asked) -> list[str]:
    if model.task == "classify":
        raw = ["--save-outputs", options.raw] if options.raw else []
        return [
            *classes.nnrun_flags(model.activation, options.classes),
            "--topk",
            str(options.topk),
            *raw,
        ]
    if model.detector:
        return _prefixed(net_flags(models.load(model.detector), DETECTOR))
    match model.tracker:
        case Bytetrack():
            return [*_bytetrack(model.tracker), "--fps", repr(options.fps)]
        case Nanotrack():
            return _nanotrack(model.tracker, options)
        case None:
            return []


def _prefixed(argv: Iterable[str]) -> list[str]:
    return [f"--{DETECTOR}-{word[2:]}" if word.startswith("--") else word for word in argv]


def _bytetrack(config: Bytetrack) -> list[str]:
    return [
        *("--track-high", repr(config.high), "--track-low", repr(config.low)),
        *("--track-new", repr(config.new), "--track-match", repr(config.match)),
        *("--track-buffer", str(config.buffer)),
    ]


def _nanotrack(config: Nanotrack, options: Asked) -> list[str]:
    if options.init is None:
        raise WrongInput(
            "this model follows one object, and none was given",
            remedy="--init x,y,width,height of it in the first frame, in pixels",
        )
    return [
        *("--head-param", "head.ncnn.param", "--head-bin", "head.ncnn.bin"),
        *("--init", ",".join(f"{side:g}" for side in options.init)),
        *("--template", str(config.template), "--search", str(config.search)),
        *("--stride", str(config.stride), "--context", repr(config.context)),
        *(
            "--penalty",
            repr(config.penalty),
            "--window",
            repr(config.window),
            "--rate",
            repr(config.rate),
        ),
    ]


def _drawn(options: Asked) -> Sequence[str]:
    return [
        *(["--draw", options.drawn] if options.drawn else []),
        *(["--mjpeg", options.film] if options.film else []),
    ]
