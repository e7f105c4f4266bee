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
        unseen = sum(clip.unseen for clip in self.clips)
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
    truth_file = path / RECTANGLES
    boxes, numbered = otb.read_truth(truth_file), frames.numbered(path / "img")
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
    return Clips(name=path.resolve().name, clips=[clip], files=[truth_file])


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
    computed = metrics.mot_figures_together(pairs)
    figures = {"HOTA": computed.hota, "MOTA": computed.mota, "IDF1": computed.idf1}
    return {name: value if computed.boxes else None for name, value in figures.items()}


def otb_figures(truth: Sequence[Any], frames: Sequence[Frame]) -> dict[str, float]:
    """The area under the success curve and the precision at 20 pixels, in percent."""
    boxes = [frame.objects[0].box if frame.objects else None for frame in frames]
    computed = otb.sot_figures(truth, boxes)
    return {"AUC": computed.auc, "precision": computed.precision}


def _persons(frames: Sequence[Frame]) -> Mapping[int, list[Any]]:
    """MOTChallenge judges pedestrians; frames are counted from 1."""
    from piyard.tracking.bytetrack import Tracked

    return {
        number: [
            Tracked(id=each.id or 0, box=each.box, score=each.score, label=each.class_)
            for each in frame.objects
            if each.label in {PERSON, None}
        ]
        for number, frame in enumerate(frames, 1)
    }


def _sequences(path: Path) -> list[Path]:
    if (path / GROUND).is_file():
        return [path]
    return sorted(file.parent.parent for file in path.glob(f"*/{GROUND}")) if path.is_dir() else []


def _mot(folder: Path, limit: int | None) -> Clip:
    info, file = _about(folder), folder / GROUND
    numbered = frames.numbered(info.pictures if info else folder / "img1")
    if not numbered:
        raise WrongInput(f"{folder} holds no frames", remedy="they belong into img1/")
    truth = motchallenge.read_truth(file, classes=_columns(file) != MOT15_COLUMNS)
    places = frames.places(list(numbered), truth, info.length if info else 0, file)
    frame_count = min(limit or len(numbered), len(numbered))
    return Clip(
        pictures=list(numbered.values())[:frame_count],
        truth={
            places[number]: boxes
            for number, boxes in truth.items()
            if places.get(number, frame_count + 1) <= frame_count
        },
        fps=info.fps if info else 30.0,
        unseen=len(truth.keys() - places.keys()),
    )


def _about(folder: Path) -> motchallenge.Sequence | None:
    return motchallenge.read_sequence(folder) if (folder / "seqinfo.ini").is_file() else None


def _title(folder: Path) -> str:
    info = _about(folder)
    return info.name if info else folder.resolve().name


def _columns(file: Path) -> int:
    return textfile.read(file).lstrip().partition("\n")[0].count(",") + 1
