"""Pictures as a network learns from them: prepared as its YAML says, in an order by the seed.

Everything random is a function of the seed and of the number of an epoch or a step, so that nothing
but that number is to be kept to go on from the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from piyard.compress.training.settings import TrainingSettings
from piyard.core.errors import WrongInput
from piyard.core.text import format_count
from piyard.evaluate.dataset import JudgedData
from piyard.models.definition import Model, read_labels
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture

if TYPE_CHECKING:
    import torch

    from piyard.vision.schema import Floats


MOST_KEPT_BYTES = 2 << 30
"""Of prepared pictures in memory; those beyond are read anew in each epoch."""
READERS = 4
"""Threads that read pictures: Pillow decodes without Python's lock."""
FEWEST = 2
"""Pictures to learn from, and pictures to validate by."""


def no_classes() -> WrongInput:
    """What is wrong with pictures that a network is to be trained by."""
    return WrongInput(
        "no class is known of these pictures", remedy="name some with a class each: --data DIR"
    )


class Batch(NamedTuple):
    """Pictures and their classes."""

    inputs: torch.Tensor
    """(n, channels, rows, columns)."""
    labels: torch.Tensor | None
    """(n) numbers of classes; None where they are not known."""

    def require_labels(self) -> torch.Tensor:
        """The labels. Raises ``WrongInput`` where they are not known."""
        if self.labels is None:
            raise no_classes()
        return self.labels


class TrainingPictures:
    """Pictures by number, prepared when they are asked for first."""

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int] | None,
        prepare: Callable[[Path], Floats],
    ) -> None:
        self.paths, self.labels = list(paths), None if labels is None else list(labels)
        self._prepare = prepare
        self._kept: dict[int, torch.Tensor] = {}
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, numbers: Sequence[int]) -> Batch:
        """Those pictures. Raises ``WrongInput`` for one that cannot be read."""
        import torch

        absent = [number for number in numbers if number not in self._kept]
        if len(absent) > 1:
            with ThreadPoolExecutor(READERS) as pool:
                fresh = dict(zip(absent, pool.map(self._read, absent), strict=True))
        else:
            fresh = {number: self._read(number) for number in absent}
        self._keep(fresh)
        inputs = torch.stack([fresh[n] if n in fresh else self._kept[n] for n in numbers])
        if self.labels is None:
            return Batch(inputs, None)
        return Batch(inputs, torch.tensor([self.labels[number] for number in numbers]))

    def _read(self, number: int) -> torch.Tensor:
        import torch

        return torch.from_numpy(self._prepare(self.paths[number]))

    def _keep(self, fresh: dict[int, torch.Tensor]) -> None:
        for number, values in fresh.items():
            if self._kept_bytes < MOST_KEPT_BYTES:
                self._kept[number] = values
                self._kept_bytes += values.nbytes


class TrainingData(NamedTuple):
    """Pictures, those that are learnt from, and those that validate."""

    pictures: TrainingPictures
    learnt: list[int]
    validation: list[int]


def open_pictures(
    model: Model, paths: Sequence[Path], labels: Sequence[int] | None
) -> TrainingPictures:
    """Prepared exactly as the model's ``preprocess`` says."""

    def prepare(path: Path) -> Floats:
        return prepare_picture(read_picture(path), model.preprocess, model.input[1:])

    return TrainingPictures(paths, labels, prepare)


def labelled_pictures(model: Model, data: JudgedData) -> TrainingPictures:
    """A data set with a class a picture. Raises ``WrongInput`` for too few, and for one class."""
    if data.data.kind != "class":
        raise WrongInput(
            f"{data.title} has no class a picture, which {model.name} is trained by",
            remedy="--method distill learns from any pictures: it needs no labels",
        )
    truth = {path: int(number) for film in data.films for path, number in film.truth.items()}
    require_enough(len(truth))
    if len({*truth.values()}) == 1:
        name = read_labels(model)[next(iter(truth.values()))]
        raise WrongInput(
            f"all {len(truth)} pictures of {data.data.name} to learn from are of one class, {name}",
            evidence="nothing can be told apart by them",
            remedy="name data with the model's other classes too",
        )
    return open_pictures(model, list(truth), list(truth.values()))


def require_enough(count: int) -> None:
    """Raise ``WrongInput`` for so few pictures that none would be left to learn from."""
    if count < 2 * FEWEST:
        raise WrongInput(
            f"{format_count(count, 'picture')} to learn from: too few",
            remedy=f"name {2 * FEWEST} at least, twice as many of a data set that is halved to be "
            "judged by the rest",
        )


def hold_out(pictures: TrainingPictures, settings: TrainingSettings) -> TrainingData:
    """A share by the seed validates. Raises ``WrongInput`` for too few pictures."""
    import torch

    count = len(pictures)
    held = max(FEWEST, round(settings.held_out * count))
    require_enough(count)
    order: list[int] = torch.randperm(count, generator=_generator(settings.seed, HOLD_OUT)).tolist()
    return TrainingData(pictures, sorted(order[held:]), sorted(order[:held]))


def step_numbers(learnt: Sequence[int], settings: TrainingSettings, step: int) -> list[int]:
    """The numbers of the pictures of a step, counted from 0."""
    import torch

    epoch, place = divmod(step, settings.epoch_steps(len(learnt)))
    order = torch.randperm(len(learnt), generator=_generator(settings.seed, ORDER + epoch)).tolist()
    begin = place * settings.batch
    return [learnt[number] for number in order[begin : begin + settings.batch]]


def augment(inputs: torch.Tensor, settings: TrainingSettings, step: int) -> torch.Tensor:
    """The pictures of a step, mirrored and moved as the settings allow."""
    import torch

    random = _generator(settings.seed, AUGMENT + step)
    if settings.flip:
        mirrored = torch.rand(len(inputs), generator=random) < 0.5
        inputs = torch.where(mirrored[:, None, None, None], inputs.flip(-1), inputs)
    return _shift(inputs, settings.shift, random) if settings.shift else inputs


def _shift(inputs: torch.Tensor, most: int, random: torch.Generator) -> torch.Tensor:
    import torch

    rows, columns = inputs.shape[-2:]
    wide = torch.nn.functional.pad(inputs, (most,) * 4, mode="replicate")
    places = torch.randint(0, 2 * most + 1, (len(inputs), 2), generator=random).tolist()
    return torch.stack(
        [
            picture[:, top : top + rows, left : left + columns]
            for picture, (top, left) in zip(wide, places, strict=True)
        ]
    )


PRIME = 1_000_003
HOLD_OUT, ORDER, AUGMENT = 0, 1 << 40, 2 << 40
"""Where the numbers of each use begin, so that no two share a seed."""


def mixed_seed(seed: int, number: int) -> int:
    """Another seed for each number, the same each time."""
    return (seed * PRIME + number) % (1 << 63)


def _generator(seed: int, number: int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(mixed_seed(seed, number))
