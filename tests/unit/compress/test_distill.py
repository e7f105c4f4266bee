"""Distillation: a network that learns what another one answers."""

import math
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from piyard.compress.distill import (
    Distillation,
    DistillationSettings,
    FeaturePair,
    pair_features,
    require_same_answers,
)
from piyard.compress.training.batches import Batch, hold_out
from piyard.compress.training.loop import train
from piyard.core.errors import WrongInput
from tests.support.training import SETTINGS, network, pictures, trained

SCORES = DistillationSettings(scores=True)


class Fixed(nn.Module):
    """Answers the same whatever it sees."""

    def __init__(self, *answers: torch.Tensor) -> None:
        super().__init__()
        self.answers = nn.ParameterList(answers)

    def forward(self, _inputs: torch.Tensor) -> list[torch.Tensor]:
        return list(self.answers)


BATCH = Batch(torch.zeros(1, 1, 2, 2), None)


def loss_between(student: nn.Module, teacher: nn.Module, settings: DistillationSettings) -> float:
    return float(Distillation(teacher, settings).measure(student, BATCH).loss.detach())


def test_scores_are_compared_by_divergence_at_the_temperature() -> None:
    student = Fixed(torch.tensor([[0.0, 0.0]]))
    teacher = Fixed(torch.tensor([[2 * math.log(3), 0.0]]))
    settings = DistillationSettings(scores=True, temperature=2.0)
    # At temperature 2 the teacher's shares are 3/4 and 1/4, the student's halves.
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert loss_between(student, teacher, settings) == pytest.approx(expected)


def test_other_outputs_by_their_square_in_parts_of_the_variance() -> None:
    teacher = Fixed(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0, 6.0]]))
    student = Fixed(torch.tensor([[2.0, 2.0]]), torch.tensor([[0.0, 0.0, 6.0]]))
    raw = DistillationSettings(scores=False)
    # The first has variance 2 and is 1 off at both places; the second is right.
    assert loss_between(student, teacher, raw) == pytest.approx((1 / 2 + 0) / 2)


def test_labels_may_have_their_share() -> None:
    student, teacher = (Fixed(torch.tensor([[math.log(3), 0.0]])) for _ in range(2))
    settings = DistillationSettings(scores=True, labels=0.25)
    batch = Batch(BATCH.inputs, torch.tensor([1]))
    measured = Distillation(teacher, settings).measure(student, batch)
    assert float(measured.loss.detach()) == pytest.approx(0.25 * math.log(4))
    assert measured.right == 0


def test_a_student_learns_without_labels(tmp_path: Path) -> None:
    teacher, _ = trained(tmp_path / "teacher")
    unknown = hold_out(pictures(labelled=False), SETTINGS)
    student = network(channels=2)
    history = train(
        student, unknown, Distillation(teacher, SCORES), SETTINGS, tmp_path / "s", title="student"
    )
    assert history.epochs[-1].accuracy is None
    batch = pictures().take(unknown.validation)
    assert batch.labels is not None
    with torch.no_grad():
        right = (student(batch.inputs).argmax(1) == batch.labels).float().mean()
    assert float(right) > 0.9


def test_the_last_layers_of_each_resolution_are_its_features() -> None:
    def steps(channels: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * channels),
            nn.AdaptiveAvgPool2d(1),
        )

    pairs = pair_features(steps(3), steps(4), (1, 8, 8))
    assert pairs == [
        FeaturePair(student="1", teacher="1", channels=(3, 4)),
        FeaturePair(student="3", teacher="3", channels=(6, 8)),
    ]
    with pytest.raises(WrongInput, match="at no common resolution"):
        pair_features(nn.Sequential(nn.Conv2d(1, 1, 1)), nn.Flatten(), (1, 8, 8))


def test_features_are_brought_to_the_teachers_channels_and_learnt(tmp_path: Path) -> None:
    teacher, _ = trained(tmp_path / "teacher")
    settings = msgspec.structs.replace(SCORES, features=1.0)
    student = network(channels=2)
    pairs = pair_features(student, teacher, (1, 6, 6))
    assert [pair.channels for pair in pairs] == [(2, 4)]
    objective = Distillation(teacher, settings, pairs)
    data = hold_out(pictures(), SETTINGS)
    batch = data.pictures.take(data.validation)
    with torch.no_grad():
        before = float(objective.measure(student.eval(), batch).loss)
    assert objective.trained is not None
    projection = next(objective.trained.parameters()).detach().clone()
    train(student, data, objective, SETTINGS, tmp_path / "student", title="student")
    with torch.no_grad():
        assert float(objective.measure(student, batch).loss) < 0.8 * before
    assert not torch.equal(next(objective.trained.parameters()), projection)


def test_a_teacher_of_other_classes_is_refused() -> None:
    student, teacher = Fixed(torch.zeros(1, 3)), Fixed(torch.zeros(1, 10))
    with pytest.raises(WrongInput, match="big answers with 10, and small with 3"):
        require_same_answers(student, teacher, (1, 2, 2), ("small", "big"))
