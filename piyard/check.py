"""Are a board's outputs torch's? Asked after every benchmark, on the same input."""

from __future__ import annotations

from pathlib import Path

from piyard import log, model, run
from piyard.compare import compare_outputs
from piyard.convert import Conversion
from piyard.run import Check, Record


def outputs(record: Record, conversion: Conversion) -> Check:
    """Compare the outputs a benchmark saved with the conversion's reference."""
    folder = run.folder_of(record.id)
    label = str(log.read(folder / run.LOG).header["precision"]["label"])
    threshold = _threshold(conversion, label)
    blobs = sorted(conversion.reference.glob("*.f32"))
    found = {b.stem: compare_outputs(_floats(b), _floats(folder / run.OUTPUTS / b.name)) for b in blobs}
    return Check(
        ok=bool(found) and all(d.cosine >= threshold for d in found.values()),
        threshold=threshold,
        cosine={name: d.cosine for name, d in found.items()},
        max_abs={name: d.max_abs for name, d in found.items()},
    )


def _threshold(conversion: Conversion, label: str) -> float:
    proof = model.load(conversion.name).proof
    return proof.cosine_fp32 if label.startswith("fp32") else proof.cosine_fp16


def _floats(path: Path) -> list[float]:
    """Little-endian float32 values."""
    import numpy as np

    return np.fromfile(path, dtype="<f4").tolist()  # type: ignore[no-any-return]
