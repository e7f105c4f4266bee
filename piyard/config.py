"""YAML files as frozen, strict structs; the folder is the registry.

A wrong key, type or name is an error that names the file, the key and the nearest legal one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml

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


class _Loader(yaml.SafeLoader):
    """YAML as a person reads it: a key written twice is a mistake, not an override."""

    # PyYAML itself passes `deep` by position.
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                problem=f"key '{twice[0]}' is written twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def names(folder: Path) -> list[str]:
    """The instances a folder defines: its YAML files."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_named(folder: Path, kind: str, name: str, type_: type[T]) -> T:
    """The instance ``name`` of the folder, or an error with the nearest one there is."""
    known = names(folder)
    if name not in known:
        raise unknown(kind, name, known)
    return load(folder / f"{name}.yaml", type_)


def load(path: Path, type_: type[T]) -> T:
    """A YAML file as ``type_``; raises ``WrongInput`` for anything that does not fit it."""
    try:
        return msgspec.convert(_parse(path), type_)
    except msgspec.ValidationError as error:
        raise WrongInput(
            f"{path}: {error}{_hint(str(error), type_)}", remedy="correct that key in the file"
        ) from None


def _parse(path: Path) -> Any:
    try:
        return _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise WrongInput(
            f"{path}{where}: {problem}", remedy="correct the YAML at that line"
        ) from None


def _hint(message: str, type_: type[Any]) -> str:
    found = re.search(r"unknown field `([^`]*)`", message)
    return nearest(found[1], _all_fields(type_)) if found else ""


def _all_fields(type_: Any) -> set[str]:
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        inner: tuple[Any, ...] = getattr(type_, "__args__", ())
        return set().union(*(_all_fields(part) for part in inner)) if inner else set()
    fields = msgspec.structs.fields(type_)
    return {field.name for field in fields}.union(*(_all_fields(f.type) for f in fields))
