"""Proof that the converted net computes what its original computes.

Compared are outputs on pictures, on noise and on a tensor whose memory is not contiguous, with
ncnn in fp32 and with fp16 storage imitated (see infer.py), and what the outputs mean: the class,
the objects, the keypoints of each picture.
"""

from piyard.proof.asked import Asked, ask, few
from piyard.proof.feeds import COUNT, Feeds, feeds, inputs, real_pictures
from piyard.proof.figures import Figures
from piyard.proof.judge import problems
from piyard.proof.pair import COMPUTED, Pair, pair
from piyard.proof.prove import Proved, compare, prove

__all__ = [
    "COMPUTED",
    "COUNT",
    "Asked",
    "Feeds",
    "Figures",
    "Pair",
    "Proved",
    "ask",
    "compare",
    "feeds",
    "few",
    "inputs",
    "pair",
    "problems",
    "prove",
    "real_pictures",
]
