"""MOTChallenge's sequences: img1/, gt/gt.txt, seqinfo.ini; one, or a folder of some.

``vision.clips`` reads the text files and says which picture is which frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.core.errors import WrongInput
from piyard.core.parsing import read_text
from piyard.core.text import format_count
from piyard.data.dataset import DataSet, Film
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split, is_split
from piyard.vision.clips import (
    SequenceInfo,
    number_frames,
    place_frames,
    read_mot_truth,
    read_sequence_info,
)
from piyard.vision.pictures import list_subfolders, printable_path

MOT_TRUTH = Path("gt", "gt.txt")
MOT15_COLUMNS = 10
"""MOT16 and later have nine, with classes; MOT15 has world coordinates in their place."""


def is_mot(path: Path) -> bool:
    """Whether it is a sequence, a folder of some, or has such a folder a split."""
    return bool(_sequence_folders(path) or _split_folders(path))


def read_mot(request: DataRequest) -> DataSet:
    """Each sequence, the first ``limit`` frames of it. Raises ``WrongInput``."""
    path, splits = request.path, _split_folders(request.path)
    split = choose_split(request.split, list(splits), path)
    folders = splits[split] if split else _sequence_folders(path)
    if not folders:
        raise WrongInput(f"{path} holds no {MOT_TRUTH}", remedy="name a folder with img1/ and gt/")
    clips = [_read_clip(folder, request.limit) for folder in folders]
    unseen = sum(missing for _, missing in clips)
    name = path.resolve().name if len(folders) > 1 else _sequence_name(folders[0])
    return DataSet(
        format="mot",
        kind="tracks",
        name=printable_path(Path(name)),
        root=path,
        split=split,
        splits=list(splits),
        films=[film for film, _ in clips],
        files=[folder / MOT_TRUTH for folder in folders],
        detail=unseen_detail(unseen),
    )


def unseen_detail(frames: int) -> str:
    """Frames that cannot be judged, for people."""
    return f", {format_count(frames, 'frame')} of the truth without a picture" if frames else ""


def _sequence_folders(path: Path) -> Sequence[Path]:
    if (path / MOT_TRUTH).is_file():
        return [path]
    return (
        sorted(file.parent.parent for file in path.glob(f"*/{MOT_TRUTH}")) if path.is_dir() else []
    )


def _split_folders(path: Path) -> dict[str, Sequence[Path]]:
    """The sequences of each split that is a folder; of a test set the truth is often kept back."""
    if not path.is_dir() or _sequence_folders(path):
        return {}
    folders = {
        folder.name: _sequence_folders(folder)
        for folder in list_subfolders(path)
        if is_split(folder.name)
    }
    return {name: within for name, within in folders.items() if within}


def _read_clip(folder: Path, limit: int | None) -> tuple[Film, int]:
    """The frames, and how many have a truth and no picture."""
    info, file = _sequence_info(folder), folder / MOT_TRUTH
    numbered = number_frames(info.pictures if info else folder / "img1")
    if not numbered:
        raise WrongInput(f"{folder} holds no frames", remedy="they belong into img1/")
    truth = read_mot_truth(file, classes=_count_columns(file) != MOT15_COLUMNS)
    places = place_frames(list(numbered), truth, info.length if info else 0, file)
    frame_count = min(limit or len(numbered), len(numbered))
    film = Film(
        pictures=list(numbered.values())[:frame_count],
        truth={
            places[number]: boxes
            for number, boxes in truth.items()
            if places.get(number, frame_count + 1) <= frame_count
        },
        fps=info.fps if info else 30.0,
        ordered=True,
    )
    return film, len(truth.keys() - places.keys())


def _sequence_info(folder: Path) -> SequenceInfo | None:
    return read_sequence_info(folder) if (folder / "seqinfo.ini").is_file() else None


def _sequence_name(folder: Path) -> str:
    info = _sequence_info(folder)
    return info.name if info else folder.resolve().name


def _count_columns(file: Path) -> int:
    return read_text(file).lstrip().partition("\n")[0].count(",") + 1
