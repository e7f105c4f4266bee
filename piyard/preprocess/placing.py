"""Where a picture lies in a network's input, and the way back for what was found there.

Coordinates are those of edges: pixel i reaches from i to i + 1, and its centre is at i + 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.model.steps import Doubles


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One direction: ``length`` pixels from ``start`` on became ``scaled`` from ``margin`` on."""

    length: float
    scaled: float
    margin: float = 0.0
    start: float = 0.0

    def to_picture(self, inside: Doubles) -> Doubles:
        """Coordinates in the network's input → in the picture."""
        return (inside - self.margin) * self.length / self.scaled + self.start

    def to_input(self, outside: Doubles) -> Doubles:
        """Coordinates in the picture → in the network's input."""
        return (outside - self.start) * self.scaled / self.length + self.margin


class Placing(msgspec.Struct, frozen=True, kw_only=True):
    """Both directions, and the picture's (width, height)."""

    size: tuple[int, int]
    x: Axis
    y: Axis

    def points_to_picture(self, points: NDArray[np.floating]) -> Doubles:
        """(..., 2) of x, y in the network's input → in the picture, in float64."""
        import numpy as np

        at: Doubles = np.asarray(points, np.float64)
        return np.stack([self.x.to_picture(at[..., 0]), self.y.to_picture(at[..., 1])], axis=-1)

    def boxes_to_picture(self, boxes: NDArray[np.floating]) -> Doubles:
        """Boxes (n, 4) of x0, y0, x1, y1 in the network's input → in the picture, clipped to it."""
        import numpy as np

        corners = self.points_to_picture(np.asarray(boxes).reshape(-1, 2, 2))
        return np.clip(corners, 0.0, np.asarray(self.size, np.float64)).reshape(-1, 4)
