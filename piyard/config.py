"""YAML files as frozen, strict structs; the folder is the registry.

A wrong key, type or name is an error that names the file, the key and the nearest legal one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from piyard import plainyaml
from piyard.errors import WrongInput, nearest, unknown

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: bool) -> Any:
        return lambda class_: class_


T = TypeVar("T")


# msgspec's own declaration makes mypy take each subclass for one that is not frozen.
@dataclass_transform(frozen_default=True, kw_only_default=True)
class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A struct that rejects keys it does not know."""


def names(folder: Path) -> list[str]:
    """The names a folder defines: those of its YAML files."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_named(folder: Path, kind: str, name: str, type_: type[T]) -> T:
    """The instance ``name`` of the folder, or an error with the nearest one there is."""
    legal = names(folder)
    if name not in legal:
        raise unknown(kind, name, legal)
    return load(folder / f"{name}.yaml", type_)


def load(path: Path, type_: type[T], *, finite: bool = True) -> T:
    """A YAML file as ``type_``; raises ``WrongInput`` for anything that does not fit it.

    Numbers must be ``finite``, unless the caller checks them itself.
    """
    content = _parse(path)
    for key in _endless(content) if finite else ():
        raise WrongInput(f"{path}: `{key}` is not a finite number", remedy="correct it in the file")
    try:
        return msgspec.convert(content, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise WrongInput(
            f"{path}: {error}{_hint(str(error), type_)}", remedy="correct that key in the file"
        ) from None


def _parse(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            raw = stream.read(plainyaml.LONGEST + 1)
        return plainyaml.parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise WrongInput(
            f"{path} cannot be read: it is not UTF-8 (byte {error.start})",
            remedy="save it in UTF-8",
        ) from None
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
    except plainyaml.NotPlain as error:
        where = f":{error.line}" if error.line else ""
        raise WrongInput(
            f"{path}{where}: {error.problem}", remedy="correct the YAML at that line"
        ) from None


def _endless(value: Any, key: str = "$") -> Iterator[str]:
    """The keys of numbers that are infinite or NaN: no type rejects those."""
    if isinstance(value, float) and not math.isfinite(value):
        yield key
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _endless(inner, f"{key}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _endless(inner, f"{key}[{index}]")


def _hint(message: str, type_: type[Any]) -> str:
    match = re.search(r"unknown field `([^`]*)`", message)
    return nearest(match[1], _all_fields(type_)) if match else ""


def _all_fields(type_: Any) -> set[str]:
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        inner: tuple[Any, ...] = getattr(type_, "__args__", ())
        return set().union(*(_all_fields(part) for part in inner)) if inner else set()
    fields = msgspec.structs.fields(type_)
    return {field.encode_name for field in fields}.union(*(_all_fields(f.type) for f in fields))
