"""torch and torchvision, imported late and made to go together.

A torchvision whose compiled operators do not load (they are missing, or were built for another
torch) fails at its import, because it describes operators nobody declared. The classification
nets need none of them, so their declaration is enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

THREADS = 2
"""For torch and ncnn on the desktop: the same number everywhere gives the same sums."""

_UNDECLARED = {
    name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms")
}


@cache
def torchvision_models() -> Any:
    """The module ``torchvision.models``."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _declare()
    return importlib.import_module("torchvision.models")


def _declare() -> None:
    import torch

    # Module level: the declarations live as long as this object.
    global _library
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name, signature in _UNDECLARED.items():
        if not hasattr(torch.ops.torchvision, name):
            _library.define(signature)


_library: Any = None


@contextmanager
def inference() -> Iterator[None]:
    """Without gradients, on a fixed number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)
