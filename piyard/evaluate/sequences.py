"""Clips in which objects are followed: MOTChallenge's folders and OTB's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard.errors import WrongInput
from piyard.look.inputs import SUFFIXES
from piyard.look.lines import Frame
from piyard.tracking import motchallenge, otb

GROUND = Path("gt", "gt.txt")
RECTANGLES = "groundtruth_rect.txt"
PERSON = "person"
MOT15_COLUMNS = 10
"""MOT16 and later have nine, with classes; MOT15 has world coordinates in their place."""


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """The frames of one, and their truth."""

    pictures: Sequence[Path]
    truth: Any
    init: tuple[float, float, float, float] | None = None
    fps: float = 30.0


class Clips(msgspec.Struct, frozen=True, kw_only=True):
    """Several that are judged together."""

    name: str
    clips: Sequence[Clip]
    files: Sequence[Path]


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
    truth = otb.read_truth(file)[:limit]
    pictures = _frames(path / "img")[: len(truth)]
    if len(pictures) != len(truth) or not truth:
        raise WrongInput(
            f"{path}: {len(truth)} boxes for {len(pictures)} frames", remedy="is img/ whole?"
        )
    x0, y0, x1, y1 = truth[0]
    init = (x0, y0, x1 - x0, y1 - y0)
    clip = Clip(pictures=pictures, truth=truth, init=init)
    return Clips(name=path.resolve().name, clips=[clip], files=[file])


def mot_figures(clips: Sequence[tuple[Any, Sequence[Frame]]]) -> dict[str, float]:
    """MOTA, IDF1 and HOTA in percent, over all clips together: their truth and their tracks."""
    from piyard.tracking import metrics

    pairs = [(truth, _persons(frames)) for truth, frames in clips]
    found = metrics.mot_figures_together(pairs)
    return {"HOTA": found.hota, "MOTA": found.mota, "IDF1": found.idf1}


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
    about = _about(folder)
    pictures = _frames(about.pictures if about else folder / "img1")[:limit]
    if not pictures:
        raise WrongInput(f"{folder} holds no frames", remedy="they belong into img1/")
    file = folder / GROUND
    every = motchallenge.read_truth(file, classes=_columns(file) != MOT15_COLUMNS)
    truth = {number: boxes for number, boxes in every.items() if number <= len(pictures)}
    return Clip(pictures=pictures, truth=truth, fps=about.fps if about else 30.0)


def _about(folder: Path) -> motchallenge.Sequence | None:
    return motchallenge.read_sequence(folder) if (folder / "seqinfo.ini").is_file() else None


def _title(folder: Path) -> str:
    about = _about(folder)
    return about.name if about else folder.resolve().name


def _columns(file: Path) -> int:
    with file.open(encoding="utf-8", errors="replace") as lines:
        return lines.readline().count(",") + 1


def _frames(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
