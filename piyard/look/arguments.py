"""A model's YAML as nnrun's verb and flags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from piyard import model
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
    """What the user may choose beside the model."""

    precision: str = "fp32"
    threads: int = 1
    topk: int = 5
    """Task classify: classes told."""
    init: tuple[float, float, float, float] | None = None
    """Tracking one object: x, y, width, height in the first frame."""
    fps: float = 30.0
    """Frames a second, which a tracker of many objects goes by."""
    classes: str = ""
    """Task classify: the blob with the classes, of a net with several outputs."""
    labelled: bool = True
    """Whether the model's labels are those of what it is asked for."""
    raw: str = ""
    """The folder for raw outputs of classify."""
    drawn: str = ""
    """The folder for annotated pictures."""
    film: str = ""
    """The MJPEG file for them."""


def verb(rules: Model) -> list[str]:
    """The words that name nnrun's task."""
    if rules.task != "track":
        return [rules.task]
    return ["track", "sot" if isinstance(rules.tracker, Nanotrack) else "mot"]


def flags(rules: Model, asked: Asked) -> list[str]:
    """All of nnrun's flags, but for the inputs. Raises ``WrongInput``."""
    return [
        *net_flags(rules, "model"),
        *("--precision", asked.precision, "--threads", str(asked.threads)),
        *(["--labels", LABELS] if rules.labels and asked.labelled else []),
        *_of_task(rules, asked),
        *_drawn(asked),
    ]


def net_flags(rules: Model, stem: str) -> list[str]:
    """A net's files, its preprocessing and what its outputs mean."""
    return [
        *("--param", f"{stem}.ncnn.param", "--bin", f"{stem}.ncnn.bin"),
        *nnrun_flags(rules.preprocess, rules.input[1:]),
        *(head_flags(rules.head) if rules.head else []),
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


def _of_task(rules: Model, asked: Asked) -> list[str]:
    if rules.task == "classify":
        raw = ["--save-outputs", asked.raw] if asked.raw else []
        return [
            *classes.nnrun_flags(rules.activation, asked.classes),
            "--topk",
            str(asked.topk),
            *raw,
        ]
    if rules.detector:
        return _prefixed(net_flags(model.load(rules.detector), DETECTOR))
    match rules.tracker:
        case Bytetrack():
            return [*_bytetrack(rules.tracker), "--fps", repr(asked.fps)]
        case Nanotrack():
            return _nanotrack(rules.tracker, asked)
        case None:
            return []


def _prefixed(argv: Iterable[str]) -> list[str]:
    return [f"--{DETECTOR}-{one[2:]}" if one.startswith("--") else one for one in argv]


def _bytetrack(how: Bytetrack) -> list[str]:
    return [
        *("--track-high", repr(how.high), "--track-low", repr(how.low)),
        *("--track-new", repr(how.new), "--track-match", repr(how.match)),
        *("--track-buffer", str(how.buffer)),
    ]


def _nanotrack(how: Nanotrack, asked: Asked) -> list[str]:
    if asked.init is None:
        raise WrongInput(
            "this model follows one object, and nobody said which",
            remedy="--init x,y,width,height of it in the first frame, in pixels",
        )
    return [
        *("--head-param", "head.ncnn.param", "--head-bin", "head.ncnn.bin"),
        *("--init", ",".join(f"{one:g}" for one in asked.init)),
        *("--template", str(how.template), "--search", str(how.search)),
        *("--stride", str(how.stride), "--context", repr(how.context)),
        *("--penalty", repr(how.penalty), "--window", repr(how.window), "--rate", repr(how.rate)),
    ]


def _drawn(asked: Asked) -> Sequence[str]:
    return [
        *(["--draw", asked.drawn] if asked.drawn else []),
        *(["--mjpeg", asked.film] if asked.film else []),
    ]
