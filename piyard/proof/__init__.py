"""Proof that the converted net computes what its original computes.

Compared are outputs on pictures, on noise and on a tensor whose memory is not contiguous, with
ncnn in fp32 and with fp16 storage imitated (see infer.py), and what the outputs mean: the class,
the objects, the keypoints of each picture.
"""

from piyard.proof.asked import Asked as Asked
from piyard.proof.asked import ask as ask
from piyard.proof.asked import few as few
from piyard.proof.feeds import (
    COUNT as COUNT,
)
from piyard.proof.feeds import (
    Feeds as Feeds,
)
from piyard.proof.feeds import (
    feeds as feeds,
)
from piyard.proof.feeds import (
    inputs as inputs,
)
from piyard.proof.feeds import (
    real_pictures as real_pictures,
)
from piyard.proof.figures import Figures as Figures
from piyard.proof.judge import problems as problems
from piyard.proof.pair import COMPUTED as COMPUTED
from piyard.proof.pair import Pair as Pair
from piyard.proof.pair import pair as pair
from piyard.proof.prove import Proved as Proved
from piyard.proof.prove import compare as compare
from piyard.proof.prove import prove as prove
