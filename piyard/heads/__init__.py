"""What a network's outputs mean, decoded in numpy: the desktop's reference of what nnrun does.

``piyard.model.head`` says how the outputs are laid out.
"""

from piyard.heads.dense import decode
from piyard.heads.found import Found
from piyard.heads.topdown import decode_pose

__all__ = ["Found", "decode", "decode_pose"]
