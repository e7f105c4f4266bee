"""Clips in which objects are followed: MOTChallenge's folders and OTB's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import textfile
from piyard.errors import WrongInput
from piyard.look.lines import Frame
from piyard.report.figures import count
from piyard.tracking import frames, motchallenge, otb

GROUND = Path("gt", "gt.txt")
RECTANGLES = "groundtruth_rect.txt"
PERSON = "person"
MOT15_COLUMNS = 10
"""MOT16 and later have nine, with classes; MOT15 has world coordinates in their place."""


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """The frames of one, and their truth."""

    pictures: Sequence[Path]
    truth: Any
    """By the picture's place, from 1 (MOT), or in the order of the pictures (OTB)."""
    init: tuple[float, float, float, float] | None = None
    fps: float = 30.0
    unseen: int = 0
    """Frames that have a truth and no picture: they are not judged."""


class Clips(msgspec.Struct, frozen=True, kw_only=True):
    """Several that are judged together."""

    name: str
    clips: Sequence[Clip]
    files: Sequence[Path]

    @property
    def detail(self) -> str:
        """Frames that cannot be judged, for people."""
        unseen = sum(one.unseen for one in self.clips)
        return f", {count(unseen, 'frame')} of the truth without a picture" if unseen else ""


def is_mot(path: Path) -> bool:
    """Whether it is a sequence, or a folder of some."""
    return bool(_sequences(path))


def is_otb(path: Path) -> bool:
    """Whether it is a sequence of one object."""
    return (path / RECTANGLES).is_file()


def read_mot(path: Path, limit: int | None) -> Clips:
    """Each sequence, the first ``limit`` frames of it. Raises ``WrongInput``."""
    folders = _sequences(path)
    if not folders:
        raise WrongInput(f"{path} holds no {GROUND}", remedy="name a folder with img1/ and gt/")
    return Clips(
        name=path.resolve().name if len(folders) > 1 else _title(folders[0]),
        clips=[_mot(folder, limit) for folder in folders],
        files=[folder / GROUND for folder in folders],
    )


def read_otb(path: Path, limit: int | None) -> Clips:
    """The sequence, its first ``limit`` frames. Raises ``WrongInput``."""
    file = path / RECTANGLES
    boxes, numbered = otb.read_truth(file), frames.numbered(path / "img")
    places = _places(list(numbered), len(boxes), limit)
    if not places:
        raise WrongInput(
            f"{path}: {len(boxes)} boxes for {len(numbered)} frames",
            remedy="is img/ whole? leave in it only the frames that the boxes are of",
        )
    truth = [boxes[place] for place in places][:limit]
    x0, y0, x1, y1 = truth[0]
    clip = Clip(
        pictures=list(numbered.values())[:limit],
        truth=truth,
        init=(x0, y0, x1 - x0, y1 - y0),
        unseen=len(boxes) - len(places),
    )
    return Clips(name=path.resolve().name, clips=[clip], files=[file])


def _places(numbers: Sequence[int], boxes: int, limit: int | None) -> Sequence[int]:
    """The box of each frame: a box a picture, or a box a number where some pictures are missing.

    Empty where it cannot be told. A limit may end before the pictures, and they before the boxes.
    """
    if len(numbers) == boxes:
        return range(boxes)
    span = max(numbers) - min(numbers) + 1 if numbers else 0
    begins = bool(limit) and span < boxes and min(numbers, default=2) <= 1
    spans = span == boxes or (begins and (limit or 0) <= len(numbers))
    return [number - min(numbers) for number in numbers] if spans else []


def mot_figures(clips: Sequence[tuple[Any, Sequence[Frame]]]) -> dict[str, float | None]:
    """MOTA, IDF1 and HOTA in percent, over all clips together: their truth and their tracks.

    None where no object is there that counts.
    """
    from piyard.tracking import metrics

    pairs = [(truth, _persons(frames)) for truth, frames in clips]
    found = metrics.mot_figures_together(pairs)
    figures = {"HOTA": found.hota, "MOTA": found.mota, "IDF1": found.idf1}
    return {name: value if found.boxes else None for name, value in figures.items()}


def otb_figures(truth: Sequence[Any], frames: Sequence[Frame]) -> dict[str, float]:
    """The area under the success curve and the precision at 20 pixels, in percent."""
    boxes = [frame.objects[0].box if frame.objects else None for frame in frames]
    found = otb.sot_figures(truth, boxes)
    return {"AUC": found.auc, "precision": found.precision}


def _persons(frames: Sequence[Frame]) -> Mapping[int, list[Any]]:
    """MOTChallenge judges pedestrians; frames are counted from 1."""
    from piyard.tracking.bytetrack import Tracked

    return {
        number: [
            Tracked(id=one.id or 0, box=one.box, score=one.score, label=one.class_)
            for one in frame.objects
            if one.label in {PERSON, None}
        ]
        for number, frame in enumerate(frames, 1)
    }


def _sequences(path: Path) -> list[Path]:
    if (path / GROUND).is_file():
        return [path]
    return sorted(file.parent.parent for file in path.glob(f"*/{GROUND}")) if path.is_dir() else []


def _mot(folder: Path, limit: int | None) -> Clip:
    about, file = _about(folder), folder / GROUND
    numbered = frames.numbered(about.pictures if about else folder / "img1")
    if not numbered:
        raise WrongInput(f"{folder} holds no frames", remedy="they belong into img1/")
    every = motchallenge.read_truth(file, classes=_columns(file) != MOT15_COLUMNS)
    there = frames.places(list(numbered), every, about.length if about else 0, file)
    judged = min(limit or len(numbered), len(numbered))
    return Clip(
        pictures=list(numbered.values())[:judged],
        truth={
            there[number]: boxes
            for number, boxes in every.items()
            if there.get(number, judged + 1) <= judged
        },
        fps=about.fps if about else 30.0,
        unseen=len(every.keys() - there.keys()),
    )


def _about(folder: Path) -> motchallenge.Sequence | None:
    return motchallenge.read_sequence(folder) if (folder / "seqinfo.ini").is_file() else None


def _title(folder: Path) -> str:
    about = _about(folder)
    return about.name if about else folder.resolve().name


def _columns(file: Path) -> int:
    return textfile.read(file).lstrip().partition("\n")[0].count(",") + 1
