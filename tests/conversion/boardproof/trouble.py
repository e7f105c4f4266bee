"""Where a board goes wrong, and what is found against it."""

from __future__ import annotations

from piyard.convert.ncnn_net import read_layers
from piyard.prove.find_masks import prove_and_explain


def helped(place, asked):
    """The proof with the masks that were found to be needed."""
    made = prove_and_explain(place, asked, mask=True)
    assert made.masks
    return made


def convolutions(conversion):
    """Their names, in the order of the net."""
    return [one.name for one in read_layers(conversion.folder) if one.type == "Convolution"]
