"""Flags of one letter, with two dashes as well: Invoke knows ``-a`` where a user says ``--a``."""

from __future__ import annotations

from typing import Any

from invoke.parser import Argument
from invoke.tasks import Task


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
    """A task whose parameters of one letter are flags with one and with two dashes."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Those of any task, with one more name for each letter."""
        arguments = super().get_arguments(ignore_unknown_help)
        for argument in arguments:
            if len(argument.names[0]) == 1:
                argument.names = (*argument.names, Dashed(f"-{argument.names[0]}"))
        return arguments
