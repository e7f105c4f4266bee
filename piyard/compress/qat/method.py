"""``compress --method qat``: ncnn's int8, trained for."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from piyard.compress.distill import Distillation, DistillationSettings
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.networks import open_network, require_module
from piyard.compress.ptq.inputs import CALIBRATION_PICTURES
from piyard.compress.ptq.method import (
    BIN_FILE,
    PARAM_FILE,
    changed_keys,
    choose_ptq,
    require_calibratable,
)
from piyard.compress.ptq.quantise import TABLE_FILE
from piyard.compress.ptq.settings import PtqSettings
from piyard.compress.training.batches import hold_out
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import (
    TUNING_OPTIONS,
    list_points,
    read_training,
    share_of_labels,
    training_pictures,
)
from piyard.convert.converter import convert_model
from piyard.models.variants import MethodName

RATE = 3e-6
"""Small: training begins where PTQ ends."""
AVERAGED = 0.75
"""Of the steps: rounding makes single ones noisy."""


class QatChoices(Settings, frozen=True, kw_only=True):
    """Settings of a variant."""

    ptq: PtqSettings
    """How the scales are found that training begins with."""
    calibration_pictures: int = CALIBRATION_PICTURES
    training: TrainingSettings


class QatMethod:
    """Training with int8 in the loop."""

    name: MethodName = "qat"
    about = "int8, trained for"
    options: frozenset[OptionName] = frozenset({"calibration", *TUNING_OPTIONS})
    needs_data: Literal["", "pictures", "labels"] = "pictures"
    learns = True
    is_last = True
    tools: Sequence[str] = ("ncnn", "numpy", "torch", "torchao")
    settings_type: type[Settings] = QatChoices

    def choose_settings(self, options: CompressOptions) -> QatChoices:
        """See ``Method``."""
        training = msgspec.structs.replace(read_training(options, RATE), averaged=AVERAGED)
        return QatChoices(ptq=choose_ptq(options), training=training)

    def detail(self, settings: Any) -> str:
        """``qat-int8``, whatever the settings."""
        del settings
        return "qat-int8"

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for a network that is not a module, or cannot be quantised."""
        require_module(step.parent, self.name)
        require_calibratable(step.parent)

    def make(self, step: Step, folder: Path) -> Outcome:
        """The pair in int8, and its table."""
        with quiet_imports():
            from piyard.compress.qat.training import Int8Training, PairFiles, train_int8
        conversion, network = convert_model(step.parent), open_network(step.parent)
        choices: QatChoices = step.settings
        data = hold_out(training_pictures(step), choices.training)
        answers = DistillationSettings(
            scores=step.parent.spec.has_class_output,
            labels=share_of_labels(data.pictures),
        )
        training = Int8Training(
            pair=PairFiles(conversion.folder / PARAM_FILE, conversion.folder / BIN_FILE),
            data=data,
            objective=Distillation(open_network(step.parent), answers),
            settings=choices.training,
            calibration=choices.calibration_pictures,
            ptq=choices.ptq,
        )
        history = train_int8(
            network, training, step.checkpoints, folder, title=f"train {step.name}"
        )
        return Outcome(
            weights=PARAM_FILE,
            parts={"bin": BIN_FILE, "table": TABLE_FILE},
            changes=changed_keys(step.parent),
            notes=[f"learnt the answers in floats to {len(data.learnt)} pictures, in int8"],
            history=list_points(history),
        )


QAT = QatMethod()


@contextmanager
def quiet_imports() -> Iterator[None]:
    """torchao logs which of its libraries for GPUs it cannot load, and torch what it deprecates."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
