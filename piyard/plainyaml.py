"""YAML as plain data: texts, numbers, booleans, dates, lists and mappings, in bounds.

Tags are refused, for a tag chooses what a value becomes.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LONGEST = 1_000_000
"""Characters of a file; the longest that ships has some 5,000."""
DEEPEST = 32
MOST = 20_000
"""Values, those that an alias repeats counted each time."""
DIGITS = 40
"""Of a whole number."""
OPENING = (
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
TAG = "tag:yaml.org,2002:"


class NotPlain(Exception):
    """Text that is no plain YAML: what is wrong with it, and in which line where that is known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


class _Loader(yaml.SafeLoader):
    """YAML as a person reads it: a key written twice is a mistake, not an override."""

    # PyYAML itself passes `deep` by position.
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key, _ in node.value:
            if key.tag == f"{TAG}merge":
                continue
            if not isinstance(key, ScalarNode):
                raise _wrong(key, "a key must be a text or a number")
            name = (key.tag, self.construct_object(key, deep=True))
            if name in seen:
                raise _wrong(node, f"key '{key.value}' is written twice")
            seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: Any) -> float:
        """A whole number, or one with a fraction, as long as it is one."""
        whole = node.tag == f"{TAG}int"
        try:
            if whole and len(node.value) > DIGITS:
                raise _wrong(node, f"a number with more than {DIGITS} digits")
            number = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        except ValueError:
            raise _wrong(node, f"'{node.value[:DIGITS]}' is not a number") from None
        return number

    def construct_day(self, node: Any) -> Any:
        """A date, or a time, that there is."""
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
    """Refuse what must not even be composed."""
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


def _count(node: Node, known: dict[Node, int], depth: int) -> int:
    """Values in it, with aliases spelled out; what contains itself has no end."""
    if isinstance(node, ScalarNode):
        return 1
    if depth > DEEPEST:
        raise _wrong(node, f"nested deeper than {DEEPEST} levels")
    if node not in known:
        known[node] = MOST + 1  # while it is counted: one that contains itself is too many
        known[node] = 1 + sum(_count(one, known, depth + 1) for one in _inside(node))
    if known[node] > MOST:
        raise _wrong(node, f"aliases that stand for more than {MOST:,} values")
    return known[node]


def _inside(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _wrong(node: Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
