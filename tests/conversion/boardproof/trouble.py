"""Where a board goes wrong, and what is found against it."""

from __future__ import annotations

from piyard import infer
from piyard.commands.prove import judged


def helped(place, asked):
    """The proof with the masks that were found to be needed."""
    made = judged(place, asked, mask=True)
    assert made.masks
    return made


def convolutions(conversion):
    """Their names, in the order of the net."""
    return [one.name for one in infer.layers(conversion.folder) if one.type == "Convolution"]
