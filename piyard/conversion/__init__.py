"""A Conversion: ncnn's files of a model on this machine, and the result of their proof.

The folder ``artifacts/conversions/<key>/`` holds model.ncnn.param, model.ncnn.bin (fp32 weights),
the same of a second net (``head``) where there is one, labels.txt, pnnx's own intermediate files
and log, and ``reference/<blob>.f32``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.errors import ConversionFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHELF = "conversions"
LABELS = "labels.txt"
REFERENCE = "reference"
FP32 = "fp32"


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A converted model on this machine, compared with its original."""

    name: str
    key: str
    folder: Path
    manifest: dict[str, Any]
    fresh: bool
    """Whether it was made now."""

    @property
    def has_real_weights(self) -> bool:
        """Whether its outputs mean anything: random weights are for times only."""
        return bool(self.manifest["weights"]["kind"] == "file")

    @property
    def weights(self) -> str:
        """Their short name in the model's YAML (see ``weights.Chosen.short``)."""
        return str(self.manifest["weights"].get("sha256", ""))[:8] or "random"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        c, h, w = self.manifest["input"]
        return c, h, w

    @property
    def input_range(self) -> tuple[float, float]:
        """Lowest and highest value of synthetic input."""
        low, high = self.manifest["reference"]["span"]
        return low, high

    @property
    def outputs(self) -> list[str]:
        """ncnn's names of the output blobs."""
        return list(self.manifest["reference"]["outputs"])

    @property
    def failed(self) -> list[str]:
        """What failed in its proof, a line each."""
        return list(self.manifest.get("failed", []))

    @property
    def empty(self) -> dict[str, str]:
        """Outputs whose agreement proves nothing, and why."""
        return dict(self.manifest.get("empty", {}))

    @property
    def stems(self) -> list[str]:
        """What the files of its networks begin with: ``model``, and ``head`` of a tracker."""
        return list(self.manifest.get("nets", ["model"]))

    def reference(self, blob: str) -> NDArray[np.float32]:
        """The original's output, flat, for ``stimulus.tensor(input_shape, SEED, input_range)``."""
        import numpy as np

        return np.fromfile(self.folder / REFERENCE / f"{blob}.f32", dtype="<f4")

    def failed_for(self, precisions: Collection[str]) -> list[str]:
        """What speaks against these precisions: what fp16 loses does not matter to fp32."""
        only_fp32 = set(precisions) == {FP32}
        return [] if only_fp32 and not self._fails_in_fp32 else self.failed

    def require_proved(self, precisions: Collection[str] = ()) -> Conversion:
        """Itself. Raises ``ConversionFailed`` when its proof failed, in these precisions."""
        if failed := self.failed_for(precisions):
            right = "" if self._fails_in_fp32 else "; boards may use it with --precision fp32"
            raise ConversionFailed(
                f"{self.manifest['title']}: ncnn does not compute what the original computes",
                evidence="\n".join(failed),
                remedy=f"kept: {self.folder}; --force uses it all the same{right}",
            )
        return self

    @property
    def _fails_in_fp32(self) -> bool:
        return any(line.startswith(FP32) for line in self.failed)
