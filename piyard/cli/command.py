"""Commands: requests as Invoke's tasks, their fields as its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from types import ModuleType
from typing import Any, TypeVar

from invoke.collection import Collection
from invoke.context import Context
from invoke.parser import Argument
from invoke.tasks import Task

from piyard.cli.request import Flag, Request

R = TypeVar("R", bound="Request")

LETTERS = {"host": "H", "model": "m", "target": "t", "format": "f", "dry-run": "n"}
"""One letter only where it means the same in every task: Invoke would give each flag the first
letter that is free, so that ``-h`` is ``--host`` in one task, and ``--help`` in another."""


class Dashed(str):
    """``-a`` as the name of a flag: Invoke puts one more dash before a name of one letter."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def lstrip(self, *_: Any) -> Dashed:
        """Invoke strips underscores and would lose the type."""
        return self

    rstrip = replace = lstrip


class FlagArgument(Argument):
    """A flag for Invoke's parser. Its values are texts; one that was not given is empty."""

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        names = [flag.name]
        if len(flag.name) == 1:
            names.append(Dashed(f"-{flag.name}"))
        elif flag.name in LETTERS:
            names.append(LETTERS[flag.name])
        super().__init__(
            names=names,
            kind=flag.type.raw,
            default=self._default(),
            help=flag.help,
            positional=flag.required,
            attr_name=flag.name.replace("-", "_") if "-" in flag.name else None,
        )

    def _default(self) -> Any:
        if self.flag.required:
            return None
        raw = self.flag.type.raw
        return self.flag.default if raw is bool else raw()

    @property
    def spec(self) -> str:
        """``-f, --format WORD``."""
        flag = self.flag
        letters = [f"-{name}" for name in self.names if len(name) == 1 and name != f"-{name}"]
        long = f"--no-{flag.name}" if flag.default is True else f"--{flag.name}"
        return (
            ", ".join([*(letter for letter in letters if letter != long), long]) + flag.type.spec()
        )


def flag_arguments(request: type[Request]) -> list[FlagArgument]:
    """The flags of a request as Invoke's arguments."""
    return [FlagArgument(flag) for flag in request.flags()]


class Command(Task[Any]):
    """An Invoke task whose flags are the fields of a request."""

    def __init__(self, request: type[Request], body: Callable[..., None], name: str) -> None:
        super().__init__(body, name=name.rpartition(".")[2], positional=(), auto_shortflags=False)
        self.request, self.full_name = request, name

    def get_arguments(self, *_: Any, **__: Any) -> list[Argument]:
        """The arguments of the request."""
        return list(flag_arguments(self.request))

    def __eq__(self, other: object) -> bool:
        return self is other  # Invoke compares names and code, and all bodies have the same

    def __hash__(self) -> int:
        return hash(self.full_name)


def command(request: type[R], name: str) -> Callable[[Callable[[R], None]], Command]:
    """Turn a function of a request into a task; ``fleet.add`` is ``add`` in the group ``fleet``."""

    def register(function: Callable[[R], None]) -> Command:
        def body(_c: Context, **options: Any) -> None:
            function(request.parse(options))

        update_wrapper(body, function)
        return Command(request, body, name)

    return register


def list_commands(*modules: ModuleType) -> list[Command]:
    """All commands that the modules define, in their order."""
    return [each for module in modules for each in vars(module).values() if type(each) is Command]


def namespace(commands: Sequence[Command]) -> Collection:
    """The collection of tasks, in their groups."""
    root, groups = Collection(), dict[str, Collection]()
    for task in commands:
        group, _, name = task.full_name.rpartition(".")
        if group and group not in groups:
            groups[group] = Collection(group)
        (groups[group] if group else root).add_task(task, name=name)
    for subtasks in groups.values():
        root.add_collection(subtasks)
    return root
