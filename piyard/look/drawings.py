"""Annotated pictures under the names of the pictures they were drawn on."""

from __future__ import annotations

import contextlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

FOLDER = "drawn"
"""Within a run's folder."""
ENDING = ".jpg"
LONGEST = 200
"""Bytes of a name without its ending: file systems take 255."""


def names(inputs: Sequence[str]) -> list[str]:
    """A file name for each path: its own, behind its folder's where two have the same.

    What is the same still, as a picture that was shown twice, is counted.
    """
    plain = _where_twice([_stem(path) for path in inputs], lambda at: _with_folder(inputs[at]))
    seen: Counter[str] = Counter()
    files = []
    for name in plain:
        seen[_key(name)] += 1
        count = seen[_key(name)]
        while count > 1 and _key(f"{name}-{count}") in seen:
            count += 1
        counted = name if count == 1 else f"{name}-{count}"
        seen[_key(counted)] += count > 1
        files.append(f"{counted}{ENDING}")
    return files


def place(outputs: Path, inputs: Mapping[str, str]) -> None:
    """Move what nnrun drew by numbers, to the folder beside, under the pictures' names.

    ``inputs`` are the names that the pictures had on the board, by their order, and those here.
    Where it cannot be moved it stays where it is.
    """
    folder = outputs.parent / FOLDER
    for at, name in enumerate(names([inputs[there] for there in sorted(inputs)])):
        numbered = outputs / f"{at:04d}{ENDING}"
        if numbered.is_file() and not numbered.is_symlink():
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
                numbered.replace(folder / name)


def _where_twice(stems: Sequence[str], longer: Callable[[int], str]) -> list[str]:
    counts = Counter(map(_key, stems))
    return [longer(at) if counts[_key(stem)] > 1 else stem for at, stem in enumerate(stems)]


def _stem(path: str) -> str:
    return _shortened(Path(path).stem)


def _with_folder(path: str) -> str:
    folder = Path(path).absolute().parent.name
    return _shortened(f"{folder}_{Path(path).stem}" if folder else Path(path).stem)


def _shortened(name: str) -> str:
    return name.encode(errors="surrogateescape")[:LONGEST].decode(errors="ignore") or "picture"


def _key(name: str) -> str:
    """Names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()
