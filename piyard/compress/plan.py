"""What a compression means: a step a method, each on what the one before it makes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

import msgspec

from piyard.compress.method import CompressOptions, Method, OptionName
from piyard.compress.methods import find_method
from piyard.core.errors import WrongInput
from piyard.models.variants import MARK, MethodName


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step by names: the parent may not be there yet."""

    name: str
    parent: str
    method: MethodName
    settings: Any

    @property
    def line(self) -> str:
        """For people."""
        details = ", ".join(_list_settings(self.settings))
        stated = f": {details}" if details else ""
        return f"make {self.name} of {self.parent} by {self.method}{stated}"


def _list_settings(settings: msgspec.Struct) -> Iterator[str]:
    """Those that say something, as ``ratio 0.5``; what is off is left out."""
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        name = field.name.replace("_", " ")
        if isinstance(value, msgspec.Struct):
            yield f"{name} ({', '.join(_list_settings(value))})"
        elif value is True:
            yield name
        elif value not in (None, False, "", 0):
            yield f"{name} {value}"


def plan_steps(options: CompressOptions) -> list[PlannedStep]:
    """The steps in their order. Raises ``WrongInput``."""
    methods = [find_method(name) for name in options.methods]
    if not methods:
        raise WrongInput("no --method is named", remedy="for example --method prune,distill")
    _require_known_options(options, methods)
    _require_order(methods)
    _require_data(options, methods)
    steps: list[PlannedStep] = []
    for number, method in enumerate(methods, 1):
        parent = steps[-1].name if steps else options.model
        settings = method.choose_settings(options)
        is_named = bool(options.name) and number == len(methods)
        detail = f"{method.name}-{options.name}" if is_named else method.detail(settings)
        steps.append(
            PlannedStep(
                name=f"{parent}{MARK}{detail}",
                parent=parent,
                method=method.name,
                settings=settings,
            )
        )
    _require_plain_name(options.name)
    return steps


def _require_plain_name(name: str) -> None:
    if not all(letter.isalnum() or letter in "-_." for letter in name):
        raise WrongInput(
            f"--name {name}: a variant's name has letters, digits, '-', '_' and '.'",
            remedy="choose another",
        )


def _require_known_options(options: CompressOptions, methods: list[Method]) -> None:
    """An option that no method looks at is a mistake."""
    applicable = frozenset[OptionName]().union(*(method.options for method in methods))
    names = "+".join(method.name for method in methods)
    plain = CompressOptions(model=options.model, methods=options.methods)
    for name in get_args(OptionName):
        if name not in applicable and getattr(options, name) != getattr(plain, name):
            flag = name.removesuffix("_ms").replace("_", "-")
            raise WrongInput(f"--{flag} says nothing to {names}", remedy=f"leave out --{flag}")


def _require_order(methods: list[Method]) -> None:
    for before, after in pairwise(methods):
        if before.is_last:
            raise WrongInput(
                f"--method {before.name},{after.name}: what {before.name} makes cannot be changed",
                remedy=f"put {before.name} last",
            )


def _require_data(options: CompressOptions, methods: list[Method]) -> None:
    needing = [method for method in methods if method.needs_data]
    if needing and options.data is None:
        kinds = {"pictures": "pictures", "labels": "pictures whose truth is known"}
        raise WrongInput(
            f"--method {needing[0].name} needs {kinds[needing[0].needs_data]}",
            remedy="name them: --data DIR",
        )
