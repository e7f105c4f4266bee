"""The inputs of a proof, with the original's outputs for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.conversion.origins import Names
from piyard.errors import ConversionFailed
from piyard.model import Model
from piyard.originals import Original
from piyard.proof.feeds import Feeds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.proof.tracks import Clip

    Outputs = list[NDArray[np.float32]]

PICTURES = "pictures"
"""A kind of input: what is found in them is compared too."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs with the original's outputs, of each net by its stem, by kind."""

    model: Model
    fed: Mapping[str, Feeds]
    expected: Mapping[str, Mapping[str, Sequence[Outputs]]]
    names: Mapping[str, Names]
    """What the original calls its layers (see ``origins.of``)."""
    pictures: Sequence[Path] = ()
    """Those of kind ``PICTURES``; none where what is found in them means nothing."""
    clip: Clip | None = None
    """What a tracker follows; None for other models, and where it means nothing."""

    def few(self) -> Asked:
        """The pictures, and of each other kind one input."""
        fed = {stem: few(feed) for stem, feed in self.fed.items()}
        expected = {
            stem: {kind: of_net[kind][: len(inputs)] for kind, inputs in fed[stem].items()}
            for stem, of_net in self.expected.items()
        }
        return msgspec.structs.replace(self, fed=fed, expected=expected)


def few(feed: Feeds) -> Feeds:
    """The pictures, and of each other kind one input."""
    return {kind: inputs if kind == PICTURES else inputs[:1] for kind, inputs in feed.items()}


def ask(
    model: Model,
    originals: Mapping[str, Original],
    fed: Mapping[str, Feeds],
    pictures: Sequence[Path] = (),
    clip: Clip | None = None,
) -> Asked:
    """The inputs (``feeds`` with the same pictures) with the originals' outputs.

    Raises ``ConversionFailed`` when an original itself computes nothing usable.
    """
    return Asked(
        model=model,
        fed=fed,
        expected={stem: _expected(model, originals[stem], feed) for stem, feed in fed.items()},
        names={stem: originals[stem].names() for stem in fed},
        pictures=pictures,
        clip=clip,
    )


def _expected(model: Model, original: Original, feed: Feeds) -> dict[str, list[Outputs]]:
    import numpy as np

    expected = {kind: [original.run(*arrays) for arrays in inputs] for kind, inputs in feed.items()}
    every = (output for inputs in expected.values() for outputs in inputs for output in outputs)
    if not all(np.isfinite(output).all() for output in every):
        raise ConversionFailed(
            f"{model.title}: the original's own outputs are not finite",
            remedy="its weights hold NaN, or infinite values: take another file",
        )
    return expected
