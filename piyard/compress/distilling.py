"""``compress --method distill``: a network learns to answer as another one does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from piyard.compress.distill import require_same_answers
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.networks import (
    open_network,
    own_edits,
    require_loadable,
    require_module,
    save_network,
)
from piyard.compress.recipe import identify_parent
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import TUNING_OPTIONS, list_points, read_training, tune_network
from piyard.core.errors import WrongInput
from piyard.core.store import key_of
from piyard.core.text import format_count
from piyard.models.definition import Model, load_model
from piyard.models.lineage import lineage
from piyard.models.variants import MethodName


class DistilSettings(Settings, frozen=True, kw_only=True):
    """See ``CompressOptions``."""

    teacher: str = ""
    """Empty: the model that no compression made."""
    teacher_key: str = ""
    """Of its network and weights, where it is named."""
    training: TrainingSettings


class Distil:
    """Training by a teacher's answers."""

    name: MethodName = "distill"
    about = "learn a teacher's answers"
    options: frozenset[OptionName] = frozenset({"teacher", *TUNING_OPTIONS})
    needs_data: Literal["", "pictures", "labels"] = "pictures"
    learns = True
    is_last = False
    tools: Sequence[str] = ("torch",)
    settings_type: type[Settings] = DistilSettings

    def choose_settings(self, options: CompressOptions) -> DistilSettings:
        """The original teaches, unless the options name another model."""
        named = load_model(options.teacher) if options.teacher else None
        return DistilSettings(
            teacher=options.teacher,
            teacher_key=key_of(identify_parent(named)) if named else "",
            training=read_training(options),
        )

    def detail(self, settings: Any) -> str:
        """``distill``, or ``distill-resnet50``."""
        return f"distill-{settings.teacher.replace('@', '-')}" if settings.teacher else "distill"

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for networks that cannot teach or learn."""
        require_module(step.parent, self.name)
        teacher = find_teacher(step)
        require_module(teacher, self.name)
        if teacher.input != step.parent.input or teacher.preprocess != step.parent.preprocess:
            raise WrongInput(
                f"{teacher.name} reads pictures otherwise prepared than {step.parent.name}",
                remedy="--teacher names a model with the same input and preparation",
            )

    def make(self, step: Step, folder: Path) -> Outcome:
        """The network, trained."""
        parent, teacher = step.parent, find_teacher(step)
        network, teacher_network = open_network(parent), open_network(teacher)
        require_same_answers(network, teacher_network, parent.input, (parent.name, teacher.name))
        history = tune_network(network, step, step.settings.training, teacher_network)
        weights = save_network(network, folder)
        require_loadable(parent, own_edits(parent), network, folder / weights)
        return Outcome(
            weights=weights,
            edits=own_edits(parent),
            notes=[f"{format_count(history.steps, 'step')} by the answers of {teacher.name}"],
            history=list_points(history),
        )


def find_teacher(step: Step) -> Model:
    """The model that is named, else the one at the beginning of the parent's lineage."""
    if step.settings.teacher:
        return load_model(step.settings.teacher)
    return list(lineage(step.parent))[-1]
