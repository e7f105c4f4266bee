"""YAML as plain data: strings, numbers, booleans, dates, lists and mappings, within bounds.

Tags are rejected, since a tag chooses the type of a value.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LONGEST = 1_000_000
"""Characters of a file; the longest that ships has some 5,000."""
DEEPEST = 32
MOST = 20_000
"""Values, with aliases expanded."""
DIGITS = 40
"""Of a whole number."""
OPENING = (
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
TAG = "tag:yaml.org,2002:"


class NotPlain(Exception):
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
            if key.tag == f"{TAG}merge":
                continue
            if not isinstance(key, ScalarNode):
                raise _wrong(key, "a key must be a text or a number")
            name = (key.tag, self.construct_object(key, deep=True))
            if name in names:
                raise _wrong(node, f"key '{key.value}' is written twice")
            names.add(name)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: Any) -> float:
        """An integer or a float, within bounds."""
        is_int = node.tag == f"{TAG}int"
        try:
            if is_int and len(node.value) > DIGITS:
                raise _wrong(node, f"a number with more than {DIGITS} digits")
            number = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        except ValueError:
            raise _wrong(node, f"'{node.value[:DIGITS]}' is not a number") from None
        return number

    def construct_day(self, node: Any) -> Any:
        """A date or time that exists."""
        try:
            return self.construct_yaml_timestamp(node)
        except (ValueError, OverflowError) as error:
            raise _wrong(node, f"'{node.value}': {error}") from None


_Loader.add_constructor(f"{TAG}timestamp", _Loader.construct_day)
for _tag in ("int", "float"):
    _Loader.add_constructor(f"{TAG}{_tag}", _Loader.construct_number)


def parse(text: str) -> Any:
    """The only document of the text; None where there is none. Raises ``NotPlain``."""
    if len(text) > LONGEST:
        raise NotPlain(f"more than {LONGEST:,} characters")
    try:
        _scan(text)
        return _constructed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None)
        raise NotPlain(problem or "not valid YAML", mark.line + 1 if mark else None) from None


def _scan(text: str) -> None:
    """Reject tags and deep nesting before any node is composed."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > DEEPEST:
            raise NotPlain(f"nested deeper than {DEEPEST} levels", token.start_mark.line + 1)
        if isinstance(token, yaml.TagToken):
            raise NotPlain("a tag (!), which is not plain YAML", token.start_mark.line + 1)


def _constructed(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, 0)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: Node, counts: dict[Node, int], depth: int) -> int:
    """The number of values, with aliases expanded; a value that contains itself has too many."""
    if isinstance(node, ScalarNode):
        return 1
    if depth > DEEPEST:
        raise _wrong(node, f"nested deeper than {DEEPEST} levels")
    if node not in counts:
        counts[node] = MOST + 1  # while it is counted: one that contains itself is too many
        counts[node] = 1 + sum(_count(child, counts, depth + 1) for child in _inside(node))
    if counts[node] > MOST:
        raise _wrong(node, f"aliases that stand for more than {MOST:,} values")
    return counts[node]


def _inside(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [node for pair in node.value for node in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _wrong(node: Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
