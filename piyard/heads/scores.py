"""A place's channels → how sure the network is of each class there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.heads.layout import Layout
from piyard.model.head import DenseHead, Fcos

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Indices, Mask


def sigmoid(logits: Doubles) -> Doubles:
    """1 / (1 + exp(-logit)), without an overflow."""
    from scipy.special import expit

    shares: Doubles = expit(logits)
    return shares


def scores(head: DenseHead, values: Doubles, at: Layout) -> Doubles:
    """(places, classes), of values (places, channels)."""
    import numpy as np

    scored = sigmoid(values[:, at.classes])
    if at.object.stop > at.object.start:
        scored = scored * sigmoid(values[:, at.object])
    return np.sqrt(scored) if isinstance(head, Fcos) else scored


def candidates(head: DenseHead, scored: Doubles, finite: Mask) -> tuple[Indices, Indices]:
    """(place, class) of each score not below the head's threshold, at the ``sane`` places.

    Of a place only its best class counts, the lowest index of equal ones; FCOS tells each.
    """
    import numpy as np

    if isinstance(head, Fcos):
        place, class_ = np.nonzero((scored >= head.score) & finite[:, None])
        return place, class_
    best = scored.argmax(axis=1)
    place = np.flatnonzero((scored.max(axis=1) >= head.score) & finite)
    return place, best[place]
