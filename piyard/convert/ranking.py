"""Whether pictures and texts are as near to each other as the original has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Cosines of each picture with each text, beside the original's."""

    pictures: int
    texts: int
    max_abs: float
    """Largest difference of a cosine."""
    same_first: int
    """Pictures with the same first text."""
    swapped: int
    """Pairs of texts in another order, of all pictures."""
    swapped_by: float = 0.0
    """Of those, how far apart the original has the furthest."""

    @property
    def text(self) -> str:
        """For people."""
        order = "in the same order" if not self.swapped else f"{self.swapped} pairs swapped"
        return (
            f"{self.pictures} pictures by {self.texts} texts: {order}, same first text "
            f"{self.same_first} of {self.pictures}, cosines differ by at most {self.max_abs:.1e}"
        )

    def problem(self, most: float) -> str:
        """What is too far apart, or nothing.

        Texts that the original has ``most`` apart at most may change places.
        """
        if self.swapped_by <= most:
            return ""
        return (
            f"{self.swapped} pairs of texts are in another order, of which the original has one "
            f"{self.swapped_by:.4f} apart (allowed {most:g})"
        )


def compare_rankings(
    pictures: Sequence[Floats],
    texts: Sequence[Floats],
    our_pictures: Sequence[Floats],
    our_texts: Sequence[Floats],
) -> Ranking:
    """Embeddings of the original, then those to be judged."""
    import numpy as np

    expected = cosines(pictures, texts)
    computed = cosines(our_pictures, our_texts)
    gaps = expected[:, :, None] - expected[:, None, :]
    swapped = (gaps > 0) & (computed[:, :, None] - computed[:, None, :] < 0)
    return Ranking(
        pictures=len(pictures),
        texts=len(texts),
        max_abs=float(np.abs(expected - computed).max()),
        same_first=int((expected.argmax(axis=1) == computed.argmax(axis=1)).sum()),
        swapped=int(swapped.sum()),
        swapped_by=float(gaps[swapped].max(initial=0.0)),
    )


def cosines(ones: Sequence[Floats], others: Sequence[Floats]) -> Floats:
    """(ones, others), of the angles between flat embeddings."""
    matrix: Floats = normalise(ones) @ normalise(others).T
    return matrix


def normalise(rows: Sequence[Floats]) -> Floats:
    """Rows of length 1 (rows, values); one of zeros stays so."""
    import numpy as np

    flat = np.stack([row.ravel() for row in rows]).astype(np.float64)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: Floats = (flat / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def last_rows(outputs: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Of each text's output, the embedding at its last token."""
    return [values[0][-1] for values in outputs]


def computed_rows(outputs: Sequence[Mapping[str, Floats]]) -> list[list[Floats]]:
    """Outputs by blob → in their order."""
    return [list(values.values()) for values in outputs]
