"""What a network's layers read when it is shown pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.ptq.layers import STATIC_TYPES, find_sources
from piyard.compress.ptq.thresholds import BINS, Spread
from piyard.convert.ncnn_net import run_blobs
from piyard.convert.param import Layer
from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.vision.schema import Floats

FINE_BINS = 8 * BINS
"""While the largest value is not known: the range doubles as larger ones come."""


class Gathering:
    """The numbers of a blob, as they come picture by picture."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        import numpy as np

        self.peak = 0.0
        self.size = 0
        self.pictures = 0
        self._range = 0.0
        self._counts: NDArray[Any] = np.zeros(FINE_BINS, np.int64)
        self._sums: NDArray[Any] = np.zeros(0)
        self._peaks: NDArray[Any] = np.zeros(0)

    def add(self, values: Floats) -> None:
        """Those of one picture: (c, h, w), or flat."""
        import numpy as np

        channels = values.reshape(len(values), -1)
        absolute = np.abs(channels)
        peaks = absolute.max(axis=1)
        if not self.pictures:
            self._sums, self._peaks = np.zeros(len(peaks)), np.zeros(len(peaks))
        self._sums += channels.mean(axis=1, dtype=float)
        self._peaks = np.maximum(self._peaks, peaks)
        self.pictures += 1
        self.size = values.size
        self.peak = max(self.peak, float(peaks.max()))
        self._widen()
        if self._range:
            places = (absolute[absolute > 0] * (FINE_BINS / self._range)).astype(np.int64)
            places = np.minimum(places, FINE_BINS - 1)
            self._counts += np.bincount(places, minlength=FINE_BINS)

    def _widen(self) -> None:
        """So that the largest value lies in the range."""
        if not self._range:
            self._range = self.peak
        while self.peak > self._range:
            self._counts[: FINE_BINS // 2] = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts[FINE_BINS // 2 :] = 0
            self._range *= 2

    def spread(self) -> Spread:
        """Over all pictures so far."""
        import numpy as np

        counts = np.zeros(BINS, np.int64)
        if self.peak:
            centres = (np.arange(FINE_BINS) + 0.5) * (self._range / FINE_BINS)
            places = np.minimum((centres * (BINS / self.peak)).astype(int), BINS - 1)
            np.add.at(counts, places, self._counts)
        return Spread(counts=counts, peak=self.peak, size=self.size)

    @property
    def means(self) -> Floats:
        """Of each channel."""
        import numpy as np

        means: Floats = (self._sums / max(self.pictures, 1)).astype(np.float32)
        return means

    @property
    def peaks(self) -> Floats:
        """The largest absolute value of each channel."""
        import numpy as np

        peaks: Floats = self._peaks.astype(np.float32)
        return peaks


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the blobs that layers read."""

    blobs: Mapping[str, Gathering]
    source: Mapping[str, str]
    """See ``find_sources``."""

    def read_by(self, layer: Layer) -> Gathering:
        """Of what this layer reads first."""
        return self.blobs[self.source[layer.bottoms[0]]]


Progress = Callable[[int, int], None]
"""Pictures done, of how many."""


def observe(
    net: Any,
    layers: Sequence[Layer],
    inputs: Iterable[tuple[Floats, ...]],
    count: int,
    progress: Progress = lambda _done, _total: None,
) -> Observed:
    """Run the net in fp32 on ``count`` inputs. Raises ``WrongInput`` where there are none."""
    source = find_sources(layers)
    read = [source[each.bottoms[0]] for each in layers if each.type in STATIC_TYPES]
    blobs = {name: Gathering() for name in dict.fromkeys(read)}
    done = 0
    for values in inputs:
        for name, array in run_blobs(net, list(blobs), *values).items():
            _require_finite(name, array)
            blobs[name].add(array)
        done += 1
        progress(done, count)
    if not done:
        raise WrongInput(
            "there is no picture to calibrate with", remedy="name a folder with some: --data"
        )
    return Observed(blobs=blobs, source=source)


def _require_finite(name: str, values: Floats) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise WrongInput(
            f"the network computes no finite numbers at '{name}': it cannot be calibrated",
            remedy="see what is wrong with it: its conversion's proof",
        )
