"""The tasks, one object a file: decoding, agreement, nnrun's flags, table and truth of each.

A new one is a file here, its entry in ``TASKS``, and a verb of nnrun.
"""

from __future__ import annotations

from piyard.core.errors import unknown_name
from piyard.vision.tasks.base import TaskModel, TaskSpec
from piyard.vision.tasks.classify import CLASSIFY
from piyard.vision.tasks.clip import CLIP
from piyard.vision.tasks.detect import DETECT
from piyard.vision.tasks.obb import OBB
from piyard.vision.tasks.other import OTHER
from piyard.vision.tasks.pose import POSE
from piyard.vision.tasks.segment import SEGMENT
from piyard.vision.tasks.semantic import SEMANTIC
from piyard.vision.tasks.track import TRACK

TASKS: tuple[TaskSpec, ...] = (CLASSIFY, DETECT, SEGMENT, POSE, OBB, TRACK, SEMANTIC, CLIP, OTHER)
TASK_NAMES = tuple(task.name for task in TASKS)


def find_task(name: str) -> TaskSpec:
    """The task of that name; ``WrongInput`` for an unknown one, with the nearest."""
    for task in TASKS:
        if task.name == name:
            return task
    raise unknown_name("task", name, TASK_NAMES)


def check_model(name: str, model: TaskModel) -> None:
    """Raise ``ValueError`` for an unknown task, and for keys of the model that do not suit it."""
    if name not in TASK_NAMES:
        raise ValueError(f"`task` is '{name}', and not one of {', '.join(TASK_NAMES)}")
    find_task(name).check_keys(model, TASKS)
