"""OTB's sequences of one object: img/ and groundtruth_rect.txt; one, or a folder of some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet, Film, folder_name
from piyard.data.mot import unseen_detail
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split
from piyard.vision.clips import number_frames, read_otb_truth

OTB_TRUTH = "groundtruth_rect.txt"


def is_otb(path: Path) -> bool:
    """Whether it is a sequence of one object, or a folder of some."""
    return bool(_sequence_folders(path))


def read_otb(request: DataRequest) -> DataSet:
    """Each sequence, its first ``limit`` frames. Raises ``WrongInput``."""
    path = request.path
    choose_split(request.split, [], path)
    folders = _sequence_folders(path)
    if not folders:
        raise WrongInput(f"{path} holds no {OTB_TRUTH}", remedy="name a folder with it and img/")
    clips = [_read_clip(folder, request.limit) for folder in folders]
    return DataSet(
        format="otb",
        kind="track",
        name=folder_name(path if len(folders) > 1 else folders[0]),
        root=path,
        films=[film for film, _ in clips],
        files=[folder / OTB_TRUTH for folder in folders],
        detail=unseen_detail(sum(missing for _, missing in clips)),
    )


def _sequence_folders(path: Path) -> Sequence[Path]:
    if (path / OTB_TRUTH).is_file():
        return [path]
    return sorted(file.parent for file in path.glob(f"*/{OTB_TRUTH}")) if path.is_dir() else []


def _read_clip(path: Path, limit: int | None) -> tuple[Film, int]:
    """The frames, and how many have a box and no picture."""
    boxes, numbered = read_otb_truth(path / OTB_TRUTH), number_frames(path / "img")
    places = _box_places(list(numbered), len(boxes), limit)
    if not places:
        raise WrongInput(
            f"{path}: {len(boxes)} boxes for {len(numbered)} frames",
            remedy="is img/ whole? leave in it only the frames that the boxes are of",
        )
    truth = [boxes[place] for place in places][:limit]
    x0, y0, x1, y1 = truth[0]
    film = Film(
        pictures=list(numbered.values())[:limit],
        truth=truth,
        init=(x0, y0, x1 - x0, y1 - y0),
        ordered=True,
    )
    return film, len(boxes) - len(places)


def _box_places(numbers: Sequence[int], boxes: int, limit: int | None) -> Sequence[int]:
    """The box of each frame: a box a picture, or a box a number where some pictures are missing.

    Empty where it cannot be told. A limit may end before the pictures, and they before the boxes.
    """
    if len(numbers) == boxes:
        return range(boxes)
    span = max(numbers) - min(numbers) + 1 if numbers else 0
    begins = bool(limit) and span < boxes and min(numbers, default=2) <= 1
    spans = span == boxes or (begins and (limit or 0) <= len(numbers))
    return [number - min(numbers) for number in numbers] if spans else []
