"""YAML files as frozen, strict structs; a folder of them is a registry."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from piyard.core.errors import WrongInput, did_you_mean, unknown_name

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


def yaml_names(folder: Path) -> list[str]:
    """The names a folder defines: those of its YAML files."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_named(folder: Path, kind: str, name: str, type_: type[T]) -> T:
    """The instance ``name`` of the folder, or an error with the nearest one there is."""
    legal = yaml_names(folder)
    if name not in legal:
        raise unknown_name(kind, name, legal)
    return load_yaml(folder / f"{name}.yaml", type_)


def load_yaml(path: Path, type_: type[T], *, finite: bool = True) -> T:
    """A YAML file as ``type_``; raises ``WrongInput`` for anything that does not fit it.

    Numbers must be ``finite``, unless the caller checks them itself.
    """
    content = read_yaml(path)
    for key in _non_finite_keys(content) if finite else ():
        raise WrongInput(f"{path}: `{key}` is not a finite number", remedy="correct it in the file")
    try:
        return msgspec.convert(content, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise WrongInput(
            f"{path}: {error}{_field_hint(str(error), type_)}",
            remedy="correct that key in the file",
        ) from None


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; raises ``WrongInput``, with the line where it is known."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_CHARACTERS + 1)
        return parse_yaml(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise WrongInput(
            f"{path} cannot be read: it is not UTF-8 (byte {error.start})",
            remedy="save it in UTF-8",
        ) from None
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
    except InvalidYaml as error:
        where = f":{error.line}" if error.line else ""
        raise WrongInput(
            f"{path}{where}: {error.problem}", remedy="correct the YAML at that line"
        ) from None


def _non_finite_keys(value: Any, key: str = "$") -> Iterator[str]:
    """The keys of numbers that are infinite or NaN: no type rejects those."""
    if isinstance(value, float) and not math.isfinite(value):
        yield key
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _non_finite_keys(inner, f"{key}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _non_finite_keys(inner, f"{key}[{index}]")


def _field_hint(message: str, type_: type[Any]) -> str:
    match = re.search(r"unknown field `([^`]*)`", message)
    return did_you_mean(match[1], _all_fields(type_)) if match else ""


def _all_fields(type_: Any) -> set[str]:
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        inner: tuple[Any, ...] = getattr(type_, "__args__", ())
        return set().union(*(_all_fields(part) for part in inner)) if inner else set()
    fields = msgspec.structs.fields(type_)
    return {field.encode_name for field in fields}.union(*(_all_fields(f.type) for f in fields))


MAX_CHARACTERS = 1_000_000
"""Characters of a file; the longest that ships has some 5,000."""
MAX_DEPTH = 32
MAX_VALUES = 20_000
"""Values, with aliases expanded."""
MAX_DIGITS = 40
"""Of a whole number."""
OPENING_TOKENS = (
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
)
CLOSING_TOKENS = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
YAML_TAG = "tag:yaml.org,2002:"


class InvalidYaml(Exception):
    """Text that is not plain YAML: the problem, and its line where that is known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


class _Loader(yaml.SafeLoader):
    """YAML as a person reads it: a duplicate key is a mistake, not an override."""

    # PyYAML itself passes `deep` by position.
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = set()
        for key, _ in node.value:
            if key.tag == f"{YAML_TAG}merge":
                continue
            if not isinstance(key, ScalarNode):
                raise _yaml_error(key, "a key must be a text or a number")
            name = (key.tag, self.construct_object(key, deep=True))
            if name in names:
                raise _yaml_error(node, f"key '{key.value}' is written twice")
            names.add(name)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: Any) -> float:
        """An integer or a float, within bounds."""
        is_int = node.tag == f"{YAML_TAG}int"
        try:
            if is_int and len(node.value) > MAX_DIGITS:
                raise _yaml_error(node, f"a number with more than {MAX_DIGITS} digits")
            number = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        except ValueError:
            raise _yaml_error(node, f"'{node.value[:MAX_DIGITS]}' is not a number") from None
        return number

    def construct_day(self, node: Any) -> Any:
        """A date or time that exists."""
        try:
            return self.construct_yaml_timestamp(node)
        except (ValueError, OverflowError) as error:
            raise _yaml_error(node, f"'{node.value}': {error}") from None


_Loader.add_constructor(f"{YAML_TAG}timestamp", _Loader.construct_day)


for _tag in ("int", "float"):
    _Loader.add_constructor(f"{YAML_TAG}{_tag}", _Loader.construct_number)


def parse_yaml(text: str) -> Any:
    """The only document of the text; None where there is none. Raises ``InvalidYaml``."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidYaml(f"more than {MAX_CHARACTERS:,} characters")
    try:
        _check_tokens(text)
        return _construct(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None)
        raise InvalidYaml(problem or "not valid YAML", mark.line + 1 if mark else None) from None


def _check_tokens(text: str) -> None:
    """Reject tags and deep nesting before any node is composed."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, OPENING_TOKENS) - isinstance(token, CLOSING_TOKENS)
        if depth > MAX_DEPTH:
            raise InvalidYaml(f"nested deeper than {MAX_DEPTH} levels", token.start_mark.line + 1)
        if isinstance(token, yaml.TagToken):
            raise InvalidYaml("a tag (!), which is not plain YAML", token.start_mark.line + 1)


def _construct(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count_values(node, {}, 0)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count_values(node: Node, counts: dict[Node, int], depth: int) -> int:
    """The number of values, with aliases expanded; a value that contains itself has too many."""
    if isinstance(node, ScalarNode):
        return 1
    if depth > MAX_DEPTH:
        raise _yaml_error(node, f"nested deeper than {MAX_DEPTH} levels")
    if node not in counts:
        counts[node] = MAX_VALUES + 1  # while it is counted: one that contains itself is too many
        counts[node] = 1 + sum(_count_values(child, counts, depth + 1) for child in _children(node))
    if counts[node] > MAX_VALUES:
        raise _yaml_error(node, f"aliases that stand for more than {MAX_VALUES:,} values")
    return counts[node]


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [node for pair in node.value for node in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _yaml_error(node: Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
