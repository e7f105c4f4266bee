"""A picture as the network wants it: the YAML's geometry, then ncnn's normalisation.

nnrun computes the same on the board, to the last bit, from the flags of ``nnrun_flags``.
"""

from piyard.preprocess.crop import cut
from piyard.preprocess.feed import apply, apply_box, placing, placing_box
from piyard.preprocess.flags import nnrun_flags
from piyard.preprocess.picture import read
from piyard.preprocess.placing import Axis, Placing

__all__ = [
    "Axis",
    "Placing",
    "apply",
    "apply_box",
    "cut",
    "nnrun_flags",
    "placing",
    "placing_box",
    "read",
]
