"""Distillation: a network learns what another one answers, and what it sees on the way.

Scores of classes are softened by a temperature and compared by their divergence (Hinton et al.,
https://arxiv.org/abs/1503.02531); any other outputs are compared as they are, by their mean square
in parts of the teacher's variance. Features are the last tensor of each resolution, brought to the
teacher's channels by a 1 x 1 convolution that is thrown away (Romero et al.,
https://arxiv.org/abs/1412.6550). No labels are needed; where they are known they may count too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.training.batches import Batch
from piyard.compress.training.loop import digest_state
from piyard.compress.training.objective import Measured, count_right, first_output
from piyard.core.errors import WrongInput
from piyard.core.store import key_of

if TYPE_CHECKING:
    import torch
    from torch import nn


LEAST_SIDE = 2
"""Rows and columns of a tensor that is a feature; what is smaller is pooled."""


class DistillationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers are compared."""

    scores: bool
    """Whether the first output has scores of classes."""
    temperature: float = 1.0
    """Scores are divided by it before they become shares; more takes more steps to learn."""
    labels: float = 0.0
    """Share of the loss of labels, from 0 to 1."""
    features: float = 0.0
    """Weight of the features beside the answers; 0: they are not looked at."""


class FeaturePair(msgspec.Struct, frozen=True, kw_only=True):
    """Layers of two networks that see pictures at the same resolution."""

    student: str
    teacher: str
    channels: tuple[int, int]
    """The student's, the teacher's."""


class Distillation:
    """An ``Objective``: the teacher's answers."""

    def __init__(
        self,
        teacher: nn.Module,
        settings: DistillationSettings,
        pairs: Sequence[FeaturePair] = (),
    ) -> None:
        self.teacher, self.settings, self.pairs = teacher.eval(), settings, list(pairs)
        self.trained = _make_projections(self.pairs) if self.pairs else None
        self.identity = key_of(
            {"teacher": digest_state(teacher), "settings": settings, "pairs": self.pairs}
        )

    def measure(self, network: nn.Module, batch: Batch) -> Measured:
        """See ``Objective``."""
        import torch

        self.teacher.to(batch.inputs.device)
        with torch.no_grad(), _watch(self.teacher, [each.teacher for each in self.pairs]) as target:
            answers = self.teacher(batch.inputs)
        with _watch(network, [each.student for each in self.pairs]) as seen:
            outputs = network(batch.inputs)
        loss = self._compare_outputs(outputs, answers)
        if self.pairs:
            loss = loss + self.settings.features * self._compare_features(seen, target)
        if batch.labels is None:
            return Measured(loss, None)
        scores = first_output(outputs)
        share = self.settings.labels
        if share:
            true = torch.nn.functional.cross_entropy(scores, batch.labels)
            loss = (1 - share) * loss + share * true
        return Measured(loss, count_right(scores, batch.labels) if self.settings.scores else None)

    def _compare_outputs(self, outputs: Any, answers: Any) -> torch.Tensor:
        if self.settings.scores:
            return _divergence(
                first_output(outputs), first_output(answers), self.settings.temperature
            )
        pairs = zip(_as_list(outputs), _as_list(answers), strict=True)
        losses = [_relative_square(output, answer) for output, answer in pairs]
        return sum(losses[1:], losses[0]) / len(losses)

    def _compare_features(
        self, seen: dict[str, torch.Tensor], target: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        losses = [
            _relative_square(project(seen[pair.student]), target[pair.teacher])
            for pair, project in zip(self.pairs, self.trained or (), strict=True)
        ]
        return sum(losses[1:], losses[0]) / len(losses)


def _divergence(scores: torch.Tensor, answers: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler's, of shares at that temperature, by its square, so that gradients stay."""
    from torch.nn import functional

    student = functional.log_softmax(scores / temperature, 1)
    teacher = functional.log_softmax(answers / temperature, 1)
    divergence = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def _relative_square(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 for who answers with the mean, whatever the unit."""
    variance = target.var().clamp_min(1e-12)
    return ((values - target) ** 2).mean() / variance


def _as_list(outputs: Any) -> list[torch.Tensor]:
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def _make_projections(pairs: Sequence[FeaturePair]) -> nn.ModuleList:
    """The student's channels to the teacher's; nothing where they are as many."""
    from torch import nn

    return nn.ModuleList(
        nn.Identity() if ours == theirs else nn.Conv2d(ours, theirs, 1)
        for ours, theirs in (pair.channels for pair in pairs)
    )


@contextmanager
def _watch(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """The outputs of these layers, once the network has been computed."""
    import torch

    seen: dict[str, torch.Tensor] = {}

    def note(name: str) -> Any:
        def keep(_layer: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                seen[name] = output

        return keep

    hooks = [network.get_submodule(name).register_forward_hook(note(name)) for name in names]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def pair_features(
    student: nn.Module, teacher: nn.Module, shape: Sequence[int]
) -> list[FeaturePair]:
    """The last layers of each resolution that both have, for an input of (channels, rows, columns).

    Raises ``WrongInput`` where there is none.
    """
    ours, theirs = (_last_features(network, shape) for network in (student, teacher))
    pairs = [
        FeaturePair(
            student=ours[size][0],
            teacher=theirs[size][0],
            channels=(ours[size][1], theirs[size][1]),
        )
        for size in ours
        if size in theirs
    ]
    if not pairs:
        raise WrongInput(
            "student and teacher see pictures at no common resolution",
            remedy="distil their answers alone: leave the features out",
        )
    return pairs


def _last_features(
    network: nn.Module, shape: Sequence[int]
) -> dict[tuple[int, int], tuple[str, int]]:
    """(rows, columns) → the last layer with such an output, and its channels."""
    import torch

    leaves = [name for name, layer in network.named_modules() if name and not _has_parts(layer)]
    with torch.no_grad(), _watch(network, leaves) as seen:
        network(torch.zeros(1, *shape))
    return {
        (output.shape[2], output.shape[3]): (name, output.shape[1])
        for name, output in seen.items()
        if output.dim() == 4 and min(output.shape[2:]) >= LEAST_SIDE
    }


def _has_parts(layer: nn.Module) -> bool:
    return next(layer.children(), None) is not None


def require_same_answers(
    student: nn.Module, teacher: nn.Module, shape: Sequence[int], names: tuple[str, str]
) -> None:
    """Raise ``WrongInput`` for a teacher whose outputs have other shapes."""
    import torch

    with torch.no_grad():
        ours, theirs = (
            [tuple(output.shape[1:]) for output in _as_list(network(torch.zeros(1, *shape)))]
            for network in (student, teacher)
        )
    if ours != theirs:
        raise WrongInput(
            f"{names[1]} answers with {_shapes_text(theirs)}, and {names[0]} with "
            f"{_shapes_text(ours)}",
            remedy="--teacher names a model of the same classes and the same input",
        )


def _shapes_text(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(" x ".join(map(str, shape)) for shape in shapes)
