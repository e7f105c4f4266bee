"""Tasks whose flags have one letter only where it means the same in every task.

Invoke gives each flag the first letter that is free, so that ``-h`` is ``--host`` in one task,
``--help`` in another, and changes when a flag is added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invoke.parser import Argument
from invoke.tasks import Task
from invoke.tasks import task as invokes_task

LETTERS = {"host": "H", "model": "m", "target": "t", "format": "f", "dry-run": "n"}


class Dashed(str):
    """``-a`` as the name of a flag: Invoke puts one more dash before a name of one letter."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def lstrip(self, *_: Any) -> Dashed:
        """Invoke strips underscores and would lose the type."""
        return self

    rstrip = replace = lstrip


class Lettered(Task[Any]):
    """A task with the letters of ``LETTERS``; a flag that is one letter has two dashes as well."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Those of any task, with one more name for some."""
        arguments = super().get_arguments(ignore_unknown_help)
        for argument in arguments:
            name = str(argument.names[0])
            if len(name) == 1:
                argument.names = (*argument.names, Dashed(f"-{name}"))
            elif name in LETTERS:
                argument.names = (*argument.names, LETTERS[name])
        return arguments


def task(*bodies: Callable[..., None], **options: Any) -> Callable[..., Any]:
    """Invoke's decorator for them."""
    return invokes_task(*bodies, klass=Lettered, auto_shortflags=False, **options)
