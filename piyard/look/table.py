"""What was seen, as rows for people and programs."""

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


def rows(seen: Sequence[Seen]) -> list[Row]:
    """The rows under ``columns`` of the task they all share."""
    return [row for one in seen for row in _rows(one)]


def _rows(one: Seen) -> list[Row]:
    if one.task == "track":
        return _tracks(one)
    of = _classes if one.task == "classify" else _objects
    names = _names([frame.name for frame in one.frames])
    return [[one.host, names[frame.name], *row] for frame in one.frames for row in of(one, frame)]


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Of each picture its file's name, with the folder's where another one is called the same."""
    plain = {path: Path(path).name for path in paths}
    counts = Counter(plain.values())
    return {
        path: name if counts[name] == 1 else str(Path(Path(path).parent.name, name))
        for path, name in plain.items()
    }


def _classes(_of: Seen, frame: Frame) -> list[Row]:
    return [
        [
            number(rank),
            str(hit.label if hit.label is not None else hit.index),
            Value(f"{hit.score:.4f}", hit.score),
        ]
        for rank, hit in enumerate(frame.top, 1)
    ]


def _objects(of: Seen, frame: Frame) -> list[Row]:
    if not frame.objects:
        nothing = Value("", None)
        return [[number(0), "nothing", nothing, nothing, *_more(of.task, None)]]
    return [
        [number(at), one.name, _score(one.score), _box(one), *_more(of.task, one)]
        for at, one in enumerate(frame.objects, 1)
    ]


def _score(score: float) -> Value:
    return Value(f"{score:.3f}", score)


def _more(task: str, one: Object | None) -> Row:
    if task == "segment":
        from piyard.look import masks

        return [number(masks.area(one.mask)) if one and one.mask else Value("", None)]
    if task == "pose":
        points = (one and one.keypoints) or []
        return [f"{sum(score >= SURE for *_, score in points)} of {len(points)}" if points else ""]
    return []


def _box(one: Object) -> Value:
    """Left, top, right, bottom, for people to the pixel."""
    return Value(",".join(f"{side:.0f}" for side in one.box), list(one.box))


def _tracks(one: Seen) -> list[Row]:
    """A row a track, in the order they appear: its frames, and their mean score."""
    found: dict[int, list[tuple[int, Object]]] = {}
    for at, frame in enumerate(one.frames):
        for thing in frame.objects:
            found.setdefault(thing.id if thing.id is not None else 0, []).append((at, thing))
    return [[one.host, *_track(track, path)] for track, path in found.items()]


def _track(track: int, path: Sequence[tuple[int, Object]]) -> Row:
    (first, thing), last = path[0], path[-1][0]
    return [
        *(number(track), thing.label or "", number(len(path))),
        *(number(first), number(last), _score(fmean(one.score for _, one in path))),
    ]


def summary(one: Seen) -> str:
    """A line: how much was seen, and how long it took."""
    told = [count(len(one.frames), "frame" if one.task == "track" else "picture")]
    if one.task != "classify":
        told.append(_count(one))
    if one.wrong:
        told.append(f"{len(one.wrong)} not read")
    if took := _times(one):
        told.append(took)
    return f"{one.host}: {', '.join(told)}"


def _count(one: Seen) -> str:
    if one.task == "track":
        ids = {thing.id for frame in one.frames for thing in frame.objects}
        return count(len(ids), "track")
    kinds = Counter(thing.name for frame in one.frames for thing in frame.objects)
    named = ", ".join(f"{name} {number}" for name, number in kinds.most_common(5))
    return count(sum(kinds.values()), "object") + (f" ({named})" if named else "")


def _times(one: Seen) -> str:
    """The median of each stage; an emulated board's times are nobody's concern."""
    if one.emulated or not one.frames:
        return ""
    stages = {name for frame in one.frames for name in frame.ms}
    of = {name: median(frame.ms.get(name, 0.0) for frame in one.frames) for name in stages}
    order = [name for name in ("decode", "pre", "infer", "post", "track", "draw") if of.get(name)]
    return " + ".join(f"{name} {digits(of[name])}" for name in order) + " ms" if order else ""
