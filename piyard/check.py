"""Whether a board's outputs are the original's: checked after every benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from piyard import log, model, run
from piyard.compare import Difference, bearable, compare_outputs
from piyard.conversion.convert import Conversion
from piyard.errors import UnreadableLog
from piyard.record import Check, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def outputs(record: Record, conversion: Conversion) -> Check:
    """Compare the outputs a benchmark saved with the conversion's reference."""
    folder = run.folder_of(record.id)
    precision = log.label(folder / run.LOG)
    threshold = model.load(conversion.name).proof.min_cosine(precision)
    differences = {
        blob: compare_outputs(reference, _saved(folder, blob, reference.size))
        for blob, reference in ((name, conversion.reference(name)) for name in conversion.outputs)
    }
    return Check(
        ok=bool(differences) and all(_is_alike(d, threshold) for d in differences.values()),
        threshold=threshold,
        cosine={name: d.cosine for name, d in differences.items()},
        max_abs={name: d.max_abs if d.finite else None for name, d in differences.items()},
        blind={name: d.blind for name, d in differences.items() if d.blind},
        empty=conversion.empty,
    )


def _is_alike(difference: Difference, threshold: float) -> bool:
    """By the cosine, or where that is 1 whatever is computed, by the difference itself."""
    if not difference.finite or not difference.blind:
        return difference.cosine >= threshold
    return difference.relative <= bearable(threshold)


def _saved(folder: Path, blob: str, size: int) -> NDArray[np.float32]:
    """A blob nnrun saved: little-endian float32 values, ``size`` of them, or one too many."""
    import numpy as np

    path = folder / run.OUTPUTS / f"{blob}.f32"
    if not path.is_file():
        raise UnreadableLog(f"{path} is missing: nnrun did not save that output")
    return np.fromfile(path, dtype="<f4", count=min(size + 1, path.stat().st_size // 4))
