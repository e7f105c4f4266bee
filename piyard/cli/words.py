"""Parses a command line into tasks and their values.

Invoke's own parser takes the flag after ``--host`` for a host, feeds ``--help`` to a task that
wants a word, applies its own flags (``--dry``) behind a task's name, and ends mistakes with code 1.
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from piyard.core.errors import PROGRAM, WrongInput, did_you_mean

if TYPE_CHECKING:
    from invoke.parser import Argument, ParserContext


HELP = re.compile(r"-h.*|--help(=.*)?", re.DOTALL)
VERSION = frozenset({"-V", "--version"})
LIST = frozenset({"-l", "--list"})
NUMBER = re.compile(r"-[\d.].*", re.DOTALL)
TASKS = f"{PROGRAM} --list lists the tasks"


def parse_words(
    words: Sequence[str], tasks: Mapping[str, ParserContext], core: Collection[str] = ()
) -> list[ParserContext]:
    """The tasks in their order, each with its values; raises ``WrongInput``.

    ``core`` are the flags that may stand before the first task.
    """
    reader = _Reader(tasks, core)
    reader.read(words)
    reader.require_all()
    return reader.read_tasks


def requested_help(words: Sequence[str], tasks: Mapping[str, ParserContext]) -> str | None:
    """The task that help is asked for, ``""`` for the whole program; None when nobody asks.

    Mistakes beside it do not count: who asks for help may not know better.
    """
    at = next((i for i, word in enumerate(words) if HELP.fullmatch(word)), None)
    if at is None:
        return None
    reader = _Reader(tasks)
    with suppress(WrongInput):
        reader.read(words[:at])
    if reader.read_tasks:
        return str(reader.read_tasks[-1].name)
    return next((word for word in words[at:] if word in tasks), "")


def pending_flag(words: Sequence[str], tasks: Mapping[str, ParserContext]) -> Argument | None:
    """The flag that the last word is, when it waits for a value; else None."""
    reader = _Reader(tasks)
    with suppress(WrongInput):
        reader.read(words[:-1])
    flags = reader.read_tasks[-1].flags if reader.read_tasks and words else {}
    # Not by get(), which knows no letters.
    flag = flags[words[-1]] if words and words[-1] in flags else None
    return flag if flag and flag.takes_value else None


def unknown_task(word: str, tasks: Iterable[str]) -> WrongInput:
    """The error for a word that is not the name of a task."""
    names = sorted(tasks)
    if of_group := [name for name in names if name.startswith(f"{word}.")]:
        remedy = f"name one: {', '.join(of_group)}"
        return WrongInput(f"'{word}' is a group of tasks", remedy=remedy)
    in_groups = [name for name in names if name.endswith(f".{word}")]
    listed = "' or '".join(in_groups)
    meant = f", did you mean '{listed}'?" if in_groups else did_you_mean(word, names)
    return WrongInput(f"unknown task '{word}'{meant}", remedy=TASKS)


class _Reader:
    """Goes through the words once; ``read_tasks`` holds what it has understood so far."""

    def __init__(self, tasks: Mapping[str, ParserContext], core: Collection[str] = ()) -> None:
        self._known, self._core = tasks, core
        self.read_tasks: list[ParserContext] = []

    @property
    def _task(self) -> ParserContext | None:
        return self.read_tasks[-1] if self.read_tasks else None

    def read(self, words: Iterable[str]) -> None:
        rest = deque(words)
        while rest:
            word = rest.popleft()
            if _is_flag(word):
                self._flag(word, rest)
            else:
                self._plain(word)

    def require_all(self) -> None:
        """Raise for a task that lacks a value it cannot do without."""
        for task in self.read_tasks:
            if missing := [str(argument.names[0]) for argument in task.missing_positional_args]:
                raise WrongInput(f"{task.name} needs: {', '.join(missing)}", remedy=_help_of(task))

    def _plain(self, word: str) -> None:
        task = self._task
        if task and task.missing_positional_args:
            _set(task.missing_positional_args[0], word, task.missing_positional_args[0].names[0])
        elif word in self._known:
            self.read_tasks.append(copy.deepcopy(self._known[word]))
        elif task:
            raise WrongInput(
                f"'{word}' is neither a task nor a value that {task.name} takes there",
                remedy=f"a value follows its flag: {_help_of(task)}",
            )
        else:
            raise unknown_task(word, self._known)

    def _flag(self, word: str, rest: deque[str]) -> None:
        task = self._task
        if task is None:
            raise WrongInput(
                f"unknown flag '{word}' before any task{_nearest(word, self._core)}",
                remedy=f"a task's flags follow its name: {PROGRAM} TASK --help lists them",
            )
        name, glued = _split(word, task)
        if name in task.inverse_flags:
            _switch(task.flags[task.inverse_flags[name]], name, glued, on=False)
        elif name not in task.flags:
            _refuse(name, task)
        elif task.flags[name].takes_value:
            _set(task.flags[name], _value(name, glued, rest), name)
        else:
            self._switch_on(task.flags[name], word, name, glued, rest)

    def _switch_on(
        self, flag: Argument, word: str, name: str, glued: str | None, rest: deque[str]
    ) -> None:
        """A flag without a value; further letters behind its own are flags too."""
        if glued and not word.startswith("--") and "=" not in word:
            rest.appendleft(f"-{glued}")
            glued = None
        _switch(flag, name, glued, on=True)


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not NUMBER.fullmatch(word)


def _split(word: str, task: ParserContext) -> tuple[str, str | None]:
    """A flag and the value that is written in the same word, if there is one."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    name, value = word[:2], word[2:]
    whole = word.partition("=")[0]
    if len(whole) > 2 and f"-{whole}" in task.flags:  # -model: a dash is missing
        _refuse(whole, task)
    return name, value.removeprefix("=") if value else None


def _value(name: str, glued: str | None, rest: deque[str]) -> str:
    if glued is not None:
        return glued
    if rest and not _is_flag(rest[0]):
        return rest.popleft()
    behind = f", and '{rest[0]}' is a flag" if rest else ""
    raise WrongInput(
        f"{name} needs a value{behind}",
        remedy=f"{name} VALUE, or {name}=VALUE where the value begins with a dash",
    )


def _set(argument: Argument, value: str, name: str) -> None:
    if not value:
        raise WrongInput(f"{name} is empty", remedy="give it a value, or leave it out")
    if argument.kind is not list and argument.raw_value is not None:
        raise WrongInput(f"{name} is given twice", remedy="give it once")
    argument.set_value(value)


def _switch(argument: Argument, name: str, glued: str | None, *, on: bool) -> None:
    if glued is not None:
        raise WrongInput(f"{name} takes no value", remedy=f"write {name} alone, or leave it out")
    if argument.raw_value is not None and argument.raw_value is not on:
        raise WrongInput(f"{name} contradicts a flag before it", remedy="give one of the two")
    argument.set_value(on, cast=False)


def _refuse(name: str, task: ParserContext) -> NoReturn:
    meant = _nearest(name, [*task.flag_names(), "--help"])
    raise WrongInput(f"unknown flag '{name}' of {task.name}{meant}", remedy=_help_of(task))


def _nearest(name: str, flags: Iterable[str]) -> str:
    """The flag that is meant: the only one that begins so, or the one spelt most alike."""
    long_flags = [flag for flag in flags if flag.startswith("--")]
    long = f"--{name.partition('=')[0].lstrip('-')}"
    begun = [flag for flag in long_flags if flag.startswith(long)]
    return did_you_mean(begun[0] if len(begun) == 1 else long, long_flags)


def _help_of(task: ParserContext) -> str:
    return f"{PROGRAM} {task.name} --help lists what it takes"
