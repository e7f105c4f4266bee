"""Two layers of low rank in place of one, as near to its answers as they come.

A convolution of several rows and columns becomes k x k and 1 x 1 (``channels``), or k x 1 and 1 x k
(``rows``; Jaderberg et al., https://arxiv.org/abs/1405.3866); a matrix two matrices. With moments
the answers decide, without any the weights: channels by the eigenvectors of the answers' second
moments (Zhang et al., https://arxiv.org/abs/1505.06798, section 3.1), rows by the singular values
of the weights where columns of a patch weigh as they vary, and then the second layer by least
squares over whole patches.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from piyard.compress.moments import Moments, assume
from piyard.core.errors import WrongInput
from piyard.models.edits import LowRank, apply_edits

if TYPE_CHECKING:
    import torch
    from torch import nn

    Tensor = torch.Tensor


RANK_STEP = 8
"""Channels: ncnn packs eight."""
WORTH = 0.9
"""Share of a layer's work from which on two layers are not worth their second pass."""
RIDGES = (1e-10, 1e-8, 1e-6, 1e-4)
"""Shares of the mean moment, added to each: directions that no picture shows have none."""


class Fit(NamedTuple):
    """How close factors have to come."""

    energy: float
    """Share of the layer's answers, squared, that stays at least; not looked at with a ``rank``."""
    rank: int | None = None
    """The same for all layers, where it saves work."""


class Factors(NamedTuple):
    """Two layers in place of one."""

    edit: LowRank
    first: Tensor
    second: Tensor
    share: float
    """Of the whole layer's work."""
    energy: float
    """Share of its answers, squared, that stays."""


def find_pair(path: str, layer: Any, fit: Fit, moments: Moments | None) -> Factors | None:
    """Of two forms that one which takes less work for the energy; which keeps more at a given rank.

    None where neither takes less work than the layer.
    """
    weight = layer.weight.detach()
    forms = _list_forms(path, weight, fit, moments or assume(weight))
    worth = [each for each in forms if each.share < WORTH and _keeps(each, fit)]
    return min(worth, key=lambda each: -each.energy if fit.rank else each.share, default=None)


def replace_layers(network: nn.Module, factors: Sequence[Factors]) -> None:
    """Put the factors into the network, with the bias of the layer that they replace."""
    import torch

    for each in factors:
        bias: Any = network.get_submodule(each.edit.layer).bias
        apply_edits(network, [each.edit])
        pair: Any = network.get_submodule(each.edit.layer)
        with torch.no_grad():
            pair.first.weight.copy_(each.first)
            pair.second.weight.copy_(each.second)
            if bias is not None:
                pair.second.bias.copy_(bias)


def _keeps(factors: Factors, fit: Fit) -> bool:
    return fit.rank is not None or factors.energy >= fit.energy


def _list_forms(path: str, weight: Tensor, fit: Fit, moments: Moments) -> Iterator[Factors]:
    yield _by_channels(path, weight, fit, moments.answers)
    if moments.patches is not None:
        yield _by_rows(path, weight, fit, moments.patches)


def _by_channels(path: str, weight: Tensor, fit: Fit, answers: Tensor) -> Factors:
    """The layer's answers in fewer directions, and from these to its channels."""
    import torch

    matrix = weight.flatten(1).double()
    values, vectors = torch.linalg.eigh(answers)
    energies, directions = values.flip(0).clamp_min(0), vectors.flip(1)
    kept = energies.cumsum(0) / energies.sum().clamp_min(1e-30)
    rank = choose_rank(len(energies), fit, lambda rank: float(kept[rank - 1]))
    basis = directions[:, :rank]
    inner, outer = matrix.shape[1], len(weight)
    return Factors(
        edit=LowRank(layer=path, rank=rank),
        first=(basis.T @ matrix).float().reshape(rank, *weight.shape[1:]),
        second=basis.float().reshape(outer, rank, *[1] * (weight.dim() - 2)),
        share=rank * (inner + outer) / (inner * outer),
        energy=float(kept[rank - 1]),
    )


def _by_rows(path: str, weight: Tensor, fit: Fit, patches: Tensor) -> Factors:
    """Along columns, then along rows."""
    after, before, rows, columns = weight.shape
    work = (before * rows + after * columns) / (after * before * rows * columns)
    pair = RowsPair(weight, patches, most=fit.rank or max(1, math.floor(WORTH / work)))
    rank = choose_rank(len(pair.first), fit, pair.energy)
    first, second = pair.balance(rank)
    return Factors(
        edit=LowRank(layer=path, rank=rank, form="rows"),
        first=first.float().reshape(rank, before, rows, 1),
        second=second.float().reshape(after, rank, 1, columns),
        share=rank * work,
        energy=pair.energy(rank),
    )


class RowsPair:
    """What looks along columns, in ``most`` directions, and the best that can follow it."""

    def __init__(self, weight: Tensor, patches: Tensor, most: int) -> None:
        self.weight, self.columns = weight.double(), weight.shape[3]
        self.first = self._choose_directions(patches)[:most]
        matrix = self.weight.flatten(1)
        seen = self._look(patches)
        self.across = self._look(matrix @ patches)
        """(after, directions * columns): what the layer answers, by what the first sees."""
        self.within = self._look(seen.T)
        """(directions * columns, the same): moments of what the first sees."""
        self.whole = float(((matrix @ patches) * matrix).sum())

    def energy(self, rank: int) -> float:
        """Share of the answers, squared, that the first so many directions keep, at least.

        What a ridge adds makes it less than it is.
        """
        kept = (self._solve(rank) * self.across[:, : rank * self.columns]).sum()
        return float(kept) / max(self.whole, 1e-30)

    def balance(self, rank: int) -> tuple[Tensor, Tensor]:
        """Both layers, (rank, before * rows) and (after, rank, columns).

        Their norms are equal in each direction: so both learn at the same pace.
        """
        first = self.first[:rank]
        second = self._solve(rank).reshape(len(self.weight), rank, self.columns)
        scale = (second.norm(dim=(0, 2)) / first.norm(dim=1).clamp_min(1e-30)).sqrt()
        scale = scale.clamp_min(1e-15)
        return first * scale[:, None], second / scale[:, None]

    def _choose_directions(self, patches: Tensor) -> Tensor:
        """(directions, before * rows), the most telling one first."""
        import torch

        after, before, rows, columns = self.weight.shape
        side = before * rows
        matrix = self.weight.permute(0, 3, 1, 2).reshape(after * columns, side)
        blocks = patches.reshape(side, columns, side, columns)
        column = torch.einsum("icjc->ij", blocks)
        root = _find_root(column, RIDGES[2:])
        right = torch.linalg.svd(matrix @ root, full_matrices=False)[2]
        directions: Tensor = torch.linalg.solve_triangular(root, right, upper=False, left=False)
        return directions

    def _look(self, values: Tensor) -> Tensor:
        """(…, patch) → (…, directions * columns), as the first layer sees patches."""
        apart = values.reshape(len(values), self.first.shape[1], self.columns)
        return (self.first @ apart).flatten(1)

    def _solve(self, rank: int) -> Tensor:
        """The second layer by least squares, (after, rank * columns)."""
        import torch

        count = rank * self.columns
        root = _find_root(self.within[:count, :count], RIDGES)
        solved: Tensor = torch.cholesky_solve(self.across[:, :count].T, root).T
        return solved


def _find_root(moments: Tensor, ridges: Sequence[float]) -> Tensor:
    """Cholesky's, with the least of the ridges that makes the moments positive.

    Raises ``WrongInput`` where none does.
    """
    import torch

    mean = moments.diagonal().mean().clamp_min(1e-30)
    unit = mean * torch.eye(len(moments), dtype=moments.dtype)
    for ridge in ridges:
        root: Tensor
        root, failure = torch.linalg.cholesky_ex(moments + ridge * unit)
        if not failure:
            return root
    raise WrongInput(
        "what a layer answers to the pictures is not finite", remedy="look at its weights"
    )


def choose_rank(most: int, fit: Fit, energy: Callable[[int], float]) -> int:
    """The least multiple of ``RANK_STEP`` that keeps the energy, which grows with the rank."""
    if fit.rank:
        return min(most, fit.rank)
    ranks: list[int] = [*range(RANK_STEP, most, RANK_STEP), most]
    enough = bisect_left(ranks, fit.energy, key=energy)
    return ranks[min(enough, len(ranks) - 1)]
