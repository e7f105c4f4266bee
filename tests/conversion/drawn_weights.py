"""Weights for comparisons with other programs: the same wherever they are made."""

from __future__ import annotations

from math import prod, sqrt

import torch

from piyard.models.synthetic import random_tensor


def drawn(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Values for each tensor of a state_dict, by its name alone: small sums, variances near one."""
    return {name: _values(name, old) for name, old in state.items()}


def _values(name: str, old: torch.Tensor) -> torch.Tensor:
    if name.endswith("num_batches_tracked") or "dfl" in name:
        return old
    seed = sum(ord(letter) * (at + 1) for at, letter in enumerate(name))
    unit: torch.Tensor = torch.from_numpy(random_tensor(old.shape, seed))
    if old.dim() > 1:  # a variance of 2 over the number of what is added
        return unit * sqrt(6 / prod(old.shape[1:]))
    return unit / 4 + float(name.endswith(("weight", "running_var")))
