"""The training loop: it learns, repeats, resumes, and says what is wrong in a line."""

import math
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from piyard.compress.training.batches import Batch, augment, hold_out, step_numbers
from piyard.compress.training.checkpoint import CHECKPOINT
from piyard.compress.training.loop import digest_state, make_optimiser, train
from piyard.compress.training.objective import LabelLoss, Measured
from piyard.compress.training.settings import TrainingSettings
from piyard.core import paths
from piyard.core.errors import UnreadableLog, WrongInput
from tests.support.training import SETTINGS, StoppingLoss, data, network, pictures, trained

replace = msgspec.structs.replace


def test_a_tiny_network_learns_and_repeats_to_the_bit(tmp_path: Path) -> None:
    net, history = trained(tmp_path / "a")
    accuracy = history.epochs[-1].accuracy
    assert accuracy is not None
    assert accuracy > 90
    assert (len(history.epochs), history.steps, history.kept) == (4, 32, 4)
    again, repeated = trained(tmp_path / "b")
    assert digest_state(again) == digest_state(net)
    assert repeated == history


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    net, _ = trained(tmp_path / "a")
    other, _ = trained(tmp_path / "b", settings=replace(SETTINGS, seed=6))
    assert digest_state(net) != digest_state(other)


def test_one_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    script = paths.ROOT / "tests" / "support" / "training.py"
    environment = {"PYTHONPATH": str(paths.ROOT), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [sys.executable, script, tmp_path / "killed"], env=environment, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    kept = torch.load(tmp_path / "killed" / CHECKPOINT, weights_only=True)
    assert 0 < msgspec.json.decode(kept["progress"])["step"] < 32
    net, history = trained(tmp_path / "killed")
    whole, uninterrupted = trained(tmp_path / "whole")
    assert digest_state(net) == digest_state(whole)
    assert history == uninterrupted


def test_ctrl_c_ends_the_step_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "a", StoppingLoss(at=5, number=signal.SIGINT))
    assert "toy: kept at step 5 of 32; the same command goes on" in capsys.readouterr().err
    net, history = trained(tmp_path / "a")
    assert "toy: goes on after step 5 of 32" in capsys.readouterr().err
    whole, uninterrupted = trained(tmp_path / "b")
    assert (digest_state(net), history) == (digest_state(whole), uninterrupted)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(WrongInput, match=r"checkpoint.pt is of another training"):
        trained(tmp_path, settings=replace(SETTINGS, learning_rate=0.02))
    with pytest.raises(WrongInput, match=r"checkpoint.pt is of another training"):
        trained(tmp_path, LabelLoss(smoothing=0.1))


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    trained(tmp_path)
    file = tmp_path / CHECKPOINT
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UnreadableLog, match=r"checkpoint.pt is damaged"):
        trained(tmp_path)


def test_patience_ends_it_with_the_best_weights(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=30, patience=2, learning_rate=0.2, optimiser="sgd")
    net, history = trained(tmp_path, settings=settings)
    lowest = min(history.epochs, key=lambda each: each.validation_loss)
    assert history.kept == history.best == lowest.epoch
    assert len(history.epochs) == min(30, history.best + 2)
    held = data(settings)
    with torch.no_grad():
        loss = LabelLoss().measure(net, held.pictures.take(held.validation)).loss
    assert float(loss) == pytest.approx(lowest.validation_loss, rel=1e-5)


class WatchingLoss(LabelLoss):
    """The loss of labels, and the network's weights before each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[torch.Tensor] = []

    def measure(self, net: nn.Module, batch: Batch) -> Measured:
        if net.training:
            self.weights.append(net.get_parameter("5.weight").detach().clone())
        return super().measure(net, batch)


def test_weights_of_the_last_steps_are_averaged(tmp_path: Path) -> None:
    watching = WatchingLoss()
    net, history = trained(tmp_path / "a", watching, replace(SETTINGS, averaged=0.5))
    last, _ = trained(tmp_path / "b")
    seen = [*watching.weights[17:], last.get_parameter("5.weight").detach()]
    assert len(seen) == 16
    torch.testing.assert_close(net.get_parameter("5.weight").detach(), torch.stack(seen).mean(0))
    held = data()
    with torch.no_grad():
        loss = LabelLoss().measure(net, held.pictures.take(held.validation)).loss
    assert float(loss) == pytest.approx(history.epochs[-1].validation_loss, rel=1e-5)


def test_an_average_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    settings = replace(SETTINGS, averaged=0.75)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "a", StoppingLoss(at=24, number=signal.SIGINT), settings)
    net, history = trained(tmp_path / "a", settings=settings)
    whole, uninterrupted = trained(tmp_path / "b", settings=settings)
    assert (digest_state(net), history) == (digest_state(whole), uninterrupted)


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path) -> None:
    settings = replace(SETTINGS, learning_rate=1e30, optimiser="sgd", warm_up=0.0)
    with pytest.raises(WrongInput, match=r"the loss is (nan|inf) at step [23]") as error:
        trained(tmp_path, settings=settings)
    assert error.value.remedy == "take a smaller rate than --lr 1e+30"


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(WrongInput, match="3 pictures to learn from: too few"):
        hold_out(pictures(3), SETTINGS)


def test_an_epoch_shows_each_picture_once_and_none_that_is_held_out() -> None:
    held = data()
    shown = [n for step in range(8) for n in step_numbers(held.learnt, SETTINGS, step)]
    assert sorted(shown) == held.learnt
    assert not set(shown) & set(held.validation)
    assert [*shown] != [
        n for step in range(8, 16) for n in step_numbers(held.learnt, SETTINGS, step)
    ]


def test_pictures_are_moved_by_whole_pixels_with_their_edges_repeated() -> None:
    inputs = torch.arange(25.0).reshape(1, 1, 5, 5).repeat(40, 1, 1, 1)
    moved = augment(inputs, TrainingSettings(shift=1), 0)
    wide = torch.nn.functional.pad(inputs[:1], (1,) * 4, mode="replicate")[0, 0]
    windows = {
        tuple(wide[top : top + 5, left : left + 5].flatten().tolist())
        for top in range(3)
        for left in range(3)
    }
    assert {tuple(picture.flatten().tolist()) for picture in moved} == windows


def test_about_half_of_the_pictures_are_mirrored() -> None:
    inputs = torch.arange(4.0).reshape(1, 1, 1, 4).repeat(100, 1, 1, 1)
    mirrored = augment(inputs, TrainingSettings(flip=True), 3)[:, 0, 0, 0] == 3
    assert 30 < int(mirrored.sum()) < 70


def test_the_rate_rises_to_its_highest_and_falls_to_nothing() -> None:
    settings = TrainingSettings(learning_rate=0.4, warm_up=0.25)
    rates = [settings.rate_at(step, 8) for step in range(8)]
    falling = [0.2 * (1 + math.cos(math.pi * place / 6)) for place in range(6)]
    assert rates == pytest.approx([0.2, 0.4, *falling])


def test_only_matrices_and_convolutions_decay() -> None:
    first, second = make_optimiser([network(), None], SETTINGS).param_groups
    assert [values.dim() for values in first["params"]] == [4, 2]
    assert (first["weight_decay"], second["weight_decay"]) == (0.01, 0.0)
    assert len(second["params"]) == 3


def test_frozen_norms_keep_their_means(tmp_path: Path) -> None:
    settings = replace(SETTINGS, freeze_norms=True, epochs=1)
    net = network()
    before = net[1].running_mean.clone()  # type: ignore[operator]
    train(net, data(settings), LabelLoss(), settings, tmp_path, title="toy")
    assert torch.equal(net[1].running_mean, before)  # type: ignore[arg-type]
