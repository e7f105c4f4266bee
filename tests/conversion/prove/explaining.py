"""Where a board goes wrong, and what is found against it."""

from __future__ import annotations

from piyard.convert.ncnn_net import read_layers
from piyard.prove.find_masks import prove_and_explain


def helped(place, proof_inputs):
    """The proof with the masks that were found to be needed."""
    result = prove_and_explain(place, proof_inputs, mask=True)
    assert result.masks
    return result


def convolutions(conversion):
    """Their names, in the order of the net."""
    return [layer.name for layer in read_layers(conversion.folder) if layer.type == "Convolution"]
