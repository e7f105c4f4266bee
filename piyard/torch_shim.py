"""torch and torchvision, imported late, and made to work together.

A torchvision whose compiled operators do not load (they are missing, or were built for another
torch) fails at its import, because it registers fakes for operators nobody declared. The
classification nets need none of them, so declaring them is enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

THREADS = 1
"""Of torch and of ncnn on the desktop. The nets are small: on a busy machine OpenMP's waiting
threads cost more than they gain, and one thread adds in the same order everywhere."""

UNDECLARED = ("nms", "qnms")


@cache
def torchvision_models() -> Any:
    """The module ``torchvision.models``."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _declarations()
    return importlib.import_module("torchvision.models")


@cache  # a Library's declarations live as long as it does
def _declarations() -> Any:
    import torch

    module: Any = torch.library
    library = module.Library("torchvision", "FRAGMENT")
    for name in UNDECLARED:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


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
