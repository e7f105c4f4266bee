"""Predictions as rows for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from piyard.look.lines import Frame, Object
from piyard.look.seen import Seen
from piyard.report.figures import count, digits
from piyard.tables import Value, number

CLASSES = ("Board", "Picture", "Rank", "Class", "Score")
OBJECTS = ("Board", "Picture", "Object", "Class", "Score", "Box")
TRACKS = ("Board", "Track", "Class", "Frames", "First", "Last", "Score")
SURE = 0.3
"""Keypoints with a lower score are not counted."""

Row = list[str]


def columns(task: str) -> tuple[str, ...]:
    """The table's columns for a task."""
    more = {"segment": ("Mask (px)",), "pose": ("Keypoints",)}.get(task, ())
    return {"classify": CLASSES, "track": TRACKS}.get(task, (*OBJECTS, *more))


def rows(predictions: Sequence[Seen]) -> list[Row]:
    """The rows under ``columns`` of the task they all share."""
    return [row for prediction in predictions for row in _rows(prediction)]


def _rows(prediction: Seen) -> list[Row]:
    if prediction.task == "track":
        return _tracks(prediction)
    frame_rows = _classes if prediction.task == "classify" else _objects
    names = _names([frame.name for frame in prediction.frames])
    return [
        [prediction.host, names[frame.name], *row]
        for frame in prediction.frames
        for row in frame_rows(prediction, frame)
    ]


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Of each picture its file's name, with the folder's where another one is called the same."""
    plain = {path: Path(path).name for path in paths}
    counts = Counter(plain.values())
    return {
        path: name if counts[name] == 1 else str(Path(Path(path).parent.name, name))
        for path, name in plain.items()
    }


def _classes(_prediction: Seen, frame: Frame) -> list[Row]:
    return [
        [
            number(rank),
            str(score.label if score.label is not None else score.index),
            Value(f"{score.score:.4f}", score.score),
        ]
        for rank, score in enumerate(frame.top, 1)
    ]


def _objects(prediction: Seen, frame: Frame) -> list[Row]:
    if not frame.objects:
        blank = Value("", None)
        return [[number(0), "nothing", blank, blank, *_more(prediction.task, None)]]
    return [
        [number(at), each.name, _score(each.score), _box(each), *_more(prediction.task, each)]
        for at, each in enumerate(frame.objects, 1)
    ]


def _score(score: float) -> Value:
    return Value(f"{score:.3f}", score)


def _more(task: str, predicted: Object | None) -> Row:
    if task == "segment":
        from piyard.look import masks

        return [
            number(masks.area(predicted.mask)) if predicted and predicted.mask else Value("", None)
        ]
    if task == "pose":
        points = (predicted and predicted.keypoints) or []
        return [f"{sum(score >= SURE for *_, score in points)} of {len(points)}" if points else ""]
    return []


def _box(predicted: Object) -> Value:
    """Left, top, right, bottom, for people to the pixel."""
    return Value(",".join(f"{side:.0f}" for side in predicted.box), list(predicted.box))


def _tracks(prediction: Seen) -> list[Row]:
    """A row a track, in the order they appear: its frames, and their mean score."""
    tracks: dict[int, list[tuple[int, Object]]] = {}
    for at, frame in enumerate(prediction.frames):
        for each in frame.objects:
            tracks.setdefault(each.id if each.id is not None else 0, []).append((at, each))
    return [[prediction.host, *_track(track, path)] for track, path in tracks.items()]


def _track(track: int, frames: Sequence[tuple[int, Object]]) -> Row:
    (first, thing), last = frames[0], frames[-1][0]
    return [
        *(number(track), thing.label or "", number(len(frames))),
        *(number(first), number(last), _score(fmean(each.score for _, each in frames))),
    ]


def summary(prediction: Seen) -> str:
    """One line: how many objects, and how long it took."""
    parts = [count(len(prediction.frames), "frame" if prediction.task == "track" else "picture")]
    if prediction.task != "classify":
        parts.append(_count(prediction))
    if prediction.wrong:
        parts.append(f"{len(prediction.wrong)} not read")
    if times := _times(prediction):
        parts.append(times)
    return f"{prediction.host}: {', '.join(parts)}"


def _count(prediction: Seen) -> str:
    if prediction.task == "track":
        ids = {each.id for frame in prediction.frames for each in frame.objects}
        return count(len(ids), "track")
    counts = Counter(each.name for frame in prediction.frames for each in frame.objects)
    named = ", ".join(f"{name} {number}" for name, number in counts.most_common(5))
    return count(sum(counts.values()), "object") + (f" ({named})" if named else "")


def _times(prediction: Seen) -> str:
    """The median of each stage; an emulated board's times are not meaningful."""
    if prediction.emulated or not prediction.frames:
        return ""
    stages = {name for frame in prediction.frames for name in frame.ms}
    medians = {
        name: median(frame.ms.get(name, 0.0) for frame in prediction.frames) for name in stages
    }
    order = [
        name for name in ("decode", "pre", "infer", "post", "track", "draw") if medians.get(name)
    ]
    return " + ".join(f"{name} {digits(medians[name])}" for name in order) + " ms" if order else ""
