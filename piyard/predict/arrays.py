"""What a board computed of task other → NumPy's files and pictures, under the names used here.

nnrun writes values alone, 32-bit floats, little-endian; their shapes are in its log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.files import atomic_write
from piyard.predict.files import DRAWN_FOLDER, LONGEST_STEM
from piyard.run.run_folders import OUTPUTS_FOLDER
from piyard.vision.predictions import Frame, LogLine, OutputValues
from piyard.vision.schema import ImageRange
from piyard.vision.tasks.other import describe_values

if TYPE_CHECKING:
    from piyard.vision.schema import Floats, Pixels

ARRAYS_FOLDER = "arrays"
"""Within a run's folder."""
MAX_LEVEL = 255


class OutputRules(msgspec.Struct, frozen=True, kw_only=True):
    """How a model's outputs are called, and which of them are pictures."""

    names: dict[str, str] = {}
    """The name on the board → the original's."""
    images: dict[str, ImageRange] = {}
    """By the name on the board."""
    order: str = "rgb"
    """Of the channels of pictures."""


def keep_arrays(frame: Frame, stem: str, folder: Path, rules: OutputRules) -> Frame:
    """The frame with its outputs as .npy, and as PNG where they are pictures, in a run's folder.

    Files are called STEM.OUTPUT. Raises ``UnreadableLog`` for values that did not arrive.
    """
    kept = [_keep_output(each, stem, folder, rules) for each in frame.outputs]
    return msgspec.structs.replace(frame, outputs=kept)


def computed_frames(lines: Iterable[LogLine]) -> list[Frame]:
    """A frame for each inference of ``nnrun compute``, called by its number."""
    by_index: dict[int, list[OutputValues]] = {}
    for line in lines:
        output = OutputValues(name=line["name"], shape=line["shape"], file=line["file"])
        by_index.setdefault(line["index"], []).append(output)
    return [
        Frame(name=str(index), width=0, height=0, outputs=outputs)
        for index, outputs in sorted(by_index.items())
    ]


def _keep_output(output: OutputValues, stem: str, folder: Path, rules: OutputRules) -> OutputValues:
    import numpy as np

    name = rules.names.get(output.name, output.name)
    file = f"{stem}.{safe_name(name)}"
    final = folder / ARRAYS_FOLDER / f"{file}.npy"
    if not final.is_file():
        with atomic_write(final) as draft, draft.open("wb") as stream:
            np.save(stream, _read_values(output, folder))
        (folder / OUTPUTS_FOLDER / Path(output.file).name).unlink(missing_ok=True)
    values: Floats = np.load(final)
    if output.name in rules.images:
        picture = to_levels(values, rules.images[output.name], rules.order)
        _save_picture(picture, folder / DRAWN_FOLDER / f"{file}.png")
    return describe_values(name, values, final.name)


def _read_values(output: OutputValues, folder: Path) -> Floats:
    import numpy as np

    path = folder / OUTPUTS_FOLDER / Path(output.file).name
    try:
        values: Floats = np.fromfile(path, "<f4").reshape(output.shape)
    except (OSError, ValueError):
        raise UnreadableLog(
            f"{path} is missing, or not of the shape {'x'.join(map(str, output.shape))}",
            remedy="run it again",
        ) from None
    return values


def safe_name(name: str) -> str:
    """An output's name as part of a file's: a name is data, and may be anything."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[: LONGEST_STEM // 2] or "output"


def to_levels(values: Floats, span: ImageRange, order: str) -> Pixels:
    """Levels of (rows, columns), or (rows, columns, 3) of R, G, B; what is not finite is black."""
    import numpy as np

    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (float(finite.min()), float(finite.max())) if span == "own" else span
    shares = (finite - low) / ((high - low) or 1.0)
    levels = np.rint(np.clip(shares, 0, 1) * MAX_LEVEL).astype(np.uint8)
    if levels.ndim == 2 or len(levels) == 1:
        return levels.reshape(levels.shape[-2:])
    ordered = levels[::-1] if order.startswith("bgr") else levels
    return np.ascontiguousarray(ordered.transpose(1, 2, 0))


def _save_picture(levels: Pixels, final: Path) -> None:
    from PIL import Image

    if not final.is_file():
        with atomic_write(final) as draft:
            Image.fromarray(levels).save(draft, "PNG")
