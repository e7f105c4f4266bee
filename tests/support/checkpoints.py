"""The tensors of a checkpoint by themselves."""

from __future__ import annotations

from pathlib import Path

import torch

from piyard.models.checkpoint import open_checkpoint


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of the file by name, fp16 as fp32. Raises ``ConversionFailed``."""
    return open_checkpoint(path).state
