"""The loop: steps of an optimiser, validation after each epoch, checkpoints."""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.training.batches import (
    Batch,
    TrainingData,
    augment,
    step_numbers,
)
from piyard.compress.training.checkpoint import (
    EpochFigures,
    TrainedParts,
    load_checkpoint,
    save_checkpoint,
)
from piyard.compress.training.conditions import (
    choose_device,
    deferred_interrupt,
    repeatable,
    seed_step,
)
from piyard.compress.training.objective import Objective
from piyard.compress.training.settings import TrainingSettings
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.store import key_of

if TYPE_CHECKING:
    import torch


CHECKPOINT_S = 30.0
"""Between two checkpoints, beside the one after each epoch."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """How a training went."""

    epochs: list[EpochFigures]
    steps: int
    """Of the optimiser."""
    best: int
    """The epoch with the lowest loss of validation, from 1."""
    kept: int
    """The epoch whose weights the network has."""


def train(
    network: torch.nn.Module,
    data: TrainingData,
    objective: Objective,
    settings: TrainingSettings,
    folder: Path,
    *,
    title: str,
) -> History:
    """Train the network in place, and leave it in evaluation mode on the CPU.

    The folder keeps the checkpoint: the same call goes on from there after whatever ended it.
    Raises ``WrongInput`` where the loss is not finite any more, ``KeyboardInterrupt`` after Ctrl-C.
    """
    device = choose_device(settings)
    with repeatable(settings, device):
        training = Training(network, data, objective, settings, folder, device)
        history = training.run(title)
    network.to("cpu").eval()
    return history


class Training:
    """A training between two steps."""

    def __init__(
        self,
        network: torch.nn.Module,
        data: TrainingData,
        objective: Objective,
        settings: TrainingSettings,
        folder: Path,
        device: str,
    ) -> None:
        self.data, self.objective, self.settings = data, objective, settings
        self.folder, self.device = folder, device
        network.to(device)
        if objective.trained:
            objective.trained.to(device)
        self.parts = TrainedParts(
            network=network,
            trained=objective.trained,
            optimiser=make_optimiser([network, objective.trained], settings),
            average=begin_average(network) if settings.averaged else None,
        )
        self.total = settings.total_steps(len(data.learnt))
        self.identity = _identity(network, data, objective, settings)
        self.progress, self.best = load_checkpoint(folder, self.identity, self.parts)
        self.resumed = self.progress.step

    def run(self, title: str) -> History:
        """All steps that are left."""
        saved = time.monotonic()
        if self.resumed:
            console.info(f"{title}: goes on after step {self.resumed} of {self.total}")
        with deferred_interrupt() as interrupted, console.step(title) as shown:
            shown.resume(self.resumed)
            while self.progress.step < self.total and not self._is_done():
                self._step()
                if self.progress.step % self._epoch_steps == 0 or self._at_end:
                    self._end_epoch()
                    saved = self._save()
                shown.update(self.progress.step, self.total, self._describe())
                if interrupted():
                    self._stop(title)
                if time.monotonic() - saved > CHECKPOINT_S:
                    saved = self._save()
            shown.outcome = self._describe()
        return self._finish()

    @property
    def _epoch_steps(self) -> int:
        return self.settings.epoch_steps(len(self.data.learnt))

    @property
    def _at_end(self) -> bool:
        return self.progress.step == self.total

    def _is_done(self) -> bool:
        """Whether patience is at its end."""
        epochs, patience = len(self.progress.epochs), self.settings.patience
        return bool(patience) and epochs - self.progress.best >= patience

    def _step(self) -> None:
        step = self.progress.step
        seed_step(self.settings, step)
        set_training(self.parts.network, freeze_norms=self.settings.freeze_norms)
        batch = self._fetch(step_numbers(self.data.learnt, self.settings, step), step)
        for group in self.parts.optimiser.param_groups:
            group["lr"] = self.settings.rate_at(step, self.total)
        self.parts.optimiser.zero_grad(set_to_none=True)
        loss = self.objective.measure(self.parts.network, batch).loss
        loss.backward()  # type: ignore[no-untyped-call]
        self._note_loss(float(loss.detach()))
        self.parts.optimiser.step()
        self.progress.step += 1
        if self._is_averaging:
            self.parts.average.update_parameters(self.parts.network)

    @property
    def _is_averaging(self) -> bool:
        return self.progress.step > (1 - self.settings.averaged) * self.total

    @property
    def _network(self) -> Any:
        """The weights that would stay if it ended now."""
        return self.parts.average.module if self._is_averaging else self.parts.network

    def _note_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise WrongInput(
                f"the loss is {loss} at step {self.progress.step + 1}",
                remedy=f"take a smaller rate than --lr {self.settings.learning_rate:g}",
            )
        self.progress.losses.append(loss)

    def _fetch(self, numbers: Sequence[int], step: int | None = None) -> Batch:
        batch = self.data.pictures.take(numbers)
        inputs = batch.inputs if step is None else augment(batch.inputs, self.settings, step)
        labels = None if batch.labels is None else batch.labels.to(self.device)
        return Batch(inputs.to(self.device), labels)

    def _end_epoch(self) -> None:
        loss, accuracy = self._validate()
        progress = self.progress
        figures = EpochFigures(
            epoch=len(progress.epochs) + 1,
            steps=progress.step,
            loss=math.fsum(progress.losses) / len(progress.losses),
            validation_loss=loss,
            accuracy=accuracy,
        )
        lowest = min((each.validation_loss for each in progress.epochs), default=math.inf)
        progress.epochs, progress.losses = [*progress.epochs, figures], []
        if loss < lowest:
            progress.best = figures.epoch
            if self.settings.patience:
                self.best = _copy_state(self._network)

    def _validate(self) -> tuple[float, float | None]:
        """Mean loss, and percent of right classes, of the held out pictures."""
        import torch

        numbers, network = self.data.validation, self._network
        network.eval()
        losses, right = [], 0
        with torch.no_grad():
            for some in _chunks(numbers, self.settings.batch):
                measured = self.objective.measure(network, self._fetch(some))
                losses.append(float(measured.loss) * len(some))
                right += measured.right or 0
        has_classes = self.data.pictures.labels is not None
        accuracy = 100 * right / len(numbers) if has_classes else None
        return math.fsum(losses) / len(numbers), accuracy

    def _save(self) -> float:
        save_checkpoint(self.folder, self.identity, self.parts, self.progress, self.best)
        return time.monotonic()

    def _stop(self, title: str) -> None:
        self._save()
        console.info(
            f"{title}: kept at step {self.progress.step} of {self.total}; the same command goes on"
        )
        raise KeyboardInterrupt

    def _describe(self) -> str:
        if not self.progress.epochs:
            return f"loss {self.progress.losses[-1]:.3f}" if self.progress.losses else ""
        last = self.progress.epochs[-1]
        accuracy = "" if last.accuracy is None else f", {last.accuracy:.1f} % of the held out right"
        return f"epoch {last.epoch}, loss {last.validation_loss:.3f}{accuracy}"

    def _finish(self) -> History:
        progress = self.progress
        if self.best is not None:
            self.parts.network.load_state_dict(self.best)
        elif self._is_averaging:
            self.parts.network.load_state_dict(self.parts.average.module.state_dict())
        return History(
            epochs=progress.epochs,
            steps=progress.step,
            best=progress.best,
            kept=progress.best if self.best is not None else len(progress.epochs),
        )


def make_optimiser(
    modules: Sequence[torch.nn.Module | None], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """Norms and biases, which have one side, do not decay."""
    import torch

    parameters = [
        values
        for module in modules
        if module
        for values in module.parameters()
        if values.requires_grad
    ]
    groups = [
        {
            "params": [values for values in parameters if values.dim() > 1],
            "weight_decay": settings.weight_decay,
        },
        {"params": [values for values in parameters if values.dim() <= 1], "weight_decay": 0.0},
    ]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True
        )
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def begin_average(network: torch.nn.Module) -> torch.nn.Module:
    """What will hold the mean of the weights; buffers, which are no weights, are the last ones."""
    from torch.optim.swa_utils import AveragedModel

    with warnings.catch_warnings():
        # Copying an exported graph, torch warns of what torch itself does.
        warnings.simplefilter("ignore", FutureWarning)
        return AveragedModel(network)


def set_training(network: torch.nn.Module, *, freeze_norms: bool) -> None:
    """Training mode; frozen norms stay as in evaluation."""
    from torch.nn.modules.batchnorm import _BatchNorm

    network.train()
    for module in network.modules() if freeze_norms else ():
        if isinstance(module, _BatchNorm):
            module.eval()


def _identity(
    network: torch.nn.Module, data: TrainingData, objective: Objective, settings: TrainingSettings
) -> str:
    """Of everything that decides the weights, but the pictures' bytes."""
    return key_of(
        {
            "settings": settings,
            "objective": objective.identity,
            "network": digest_state(network),
            "pictures": [path.name for path in data.pictures.paths],
            "labels": data.pictures.labels,
            "learnt": data.learnt,
        }
    )


def digest_state(network: torch.nn.Module) -> str:
    """sha256 over the names and values of its tensors."""
    state = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        state.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        state.update(values.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()


def _copy_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: values.detach().cpu().clone() for name, values in network.state_dict().items()}


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(numbers), size):
        yield numbers[at : at + size]
