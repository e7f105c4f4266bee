"""Changes to a fleet file, which touch only the lines of one board.

The parser gives the lines of a board. A round trip of the whole file would change other boards,
even by ruamel.yaml: it aligns values anew, joins and spaces lists in brackets, and gives up CRLF,
a byte-order mark and an indent of one. A change is accepted only if the files then read as the same
fleet plus, or minus, that board.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from piyard.board.fleet.inventory import (
    BoardEntry,
    check_board_name,
    checkout_fleet_file,
    load_inventory,
    parse_entry,
    read_fleet_file,
    read_inventory,
    user_fleet_file,
)
from piyard.core import console, paths
from piyard.core.errors import PROGRAM, WrongInput, unknown_name
from piyard.core.files import disk_error, disk_errors_at
from piyard.core.store import file_lock

FLEET_HEADER = "# Boards of piyard's fleet: change them here, or with fleet.add and fleet.remove.\n"
INDENT = 2


def add_board(name: str, entry: BoardEntry, file: Path) -> None:
    """Write a new board after the others of ``file``, which is created if it is missing.

    Raises ``WrongInput`` for a name that is taken, for an invalid board or file, and for a file
    that has to be edited by hand.
    """
    check_board_name(name, str(file))
    keys = _keys_of(entry)
    parse_entry(name, keys, str(file))
    block = _to_yaml(name, keys)
    with _fleet_lock():
        fleet = read_inventory(_fleet_files(file))
        if name in fleet:
            raise _name_taken(name, file)
        with _drafts({file: _insert_board(_read_text(file) or FLEET_HEADER, block)}) as drafts:
            if _read_drafts(drafts) != fleet | {name: entry}:
                raise _only_by_hand(drafts, "write these lines there", block)
            _publish(drafts)


def remove_board(name: str) -> Path:
    """Remove a board from every file that has it; reports each file, returns the first.

    Raises ``WrongInput`` for a name that no file has, for an invalid file, and for one that has
    to be edited by hand.
    """
    with _fleet_lock():
        fleet = load_inventory()
        holders = _holders(name, _fleet_files())
        if not holders:
            raise unknown_name("board", name, fleet)
        with _drafts({file: _delete_board(_read_text(file), name) for file in holders}) as drafts:
            if _read_drafts(drafts) != {other: fleet[other] for other in fleet if other != name}:
                raise _only_by_hand(drafts, f"delete '{name}' there")
            _publish(drafts)
    for file in holders:
        console.info(f"{name} is no longer in {file}")
    return holders[0]


def _keys_of(entry: BoardEntry) -> dict[str, object]:
    """The keys of a board that are set."""
    unset = BoardEntry()
    keys = {key: getattr(entry, key) for key in BoardEntry.__struct_fields__}
    return {key: value for key, value in keys.items() if value != getattr(unset, key)}


def _fleet_files(*more: Path) -> list[Path]:
    """The fleet's files and ``more``, each once, however it is spelled."""
    files = [checkout_fleet_file(), user_fleet_file(), *more]
    return list({file.resolve(): file for file in files}.values())


def _holders(name: str, files: Sequence[Path]) -> list[Path]:
    return [file for file in files if name in read_fleet_file(file)]


def _name_taken(name: str, file: Path) -> WrongInput:
    holders = " and ".join(str(holder) for holder in _holders(name, _fleet_files(file)))
    return WrongInput(
        f"there is a board '{name}' already, in {holders}",
        remedy=f"choose another name, or first remove that board: {PROGRAM} fleet.remove",
    )


def _only_by_hand(drafts: Mapping[Path, Path], remedy: str, block: str = "") -> WrongInput:
    files = " and ".join(str(file) for file in drafts)
    return WrongInput(f"{files} cannot be edited automatically", evidence=block, remedy=remedy)


# Text: the lines of a file.


def _insert_board(text: str, block: str) -> str:
    """The text with one more board, after the others."""
    node = _find_boards(text)
    if node is None:
        lines = text.splitlines(keepends=True)
        return _insert_lines(lines, len(lines), "boards:\n" + textwrap.indent(block, " " * INDENT))
    key, boards = node
    column = boards.start_mark.column
    if not _pairs(boards):
        text = text[: boards.start_mark.index].rstrip(" ") + text[boards.end_mark.index :]
        column = key.start_mark.column + INDENT
    lines = text.splitlines(keepends=True)
    return _insert_lines(lines, _end_line(lines, key, boards), textwrap.indent(block, " " * column))


def _delete_board(text: str, name: str) -> str:
    """The text without a board; a comment above it stays, as it may be about several."""
    node = _find_boards(text)
    lines = text.splitlines(keepends=True)
    for key, board in _pairs(node[1]) if node else []:
        if key.value == name:
            del lines[key.start_mark.line : _end_line(lines, key, board)]
    return "".join(lines)


def _find_boards(text: str) -> tuple[yaml.Node, yaml.Node] | None:
    """The key ``boards`` of a text and its value."""
    root = yaml.compose(text, yaml.SafeLoader)
    return next(((key, value) for key, value in _pairs(root) if key.value == "boards"), None)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _end_line(lines: Sequence[str], key: yaml.Node, value: yaml.Node) -> int:
    """The number of the first line after a key and its value.

    Comments directly below, indented deeper than the key, belong to the key.
    """
    end = max(_line_after(key), _line_after(value))
    while not lines[end - 1].strip():
        end -= 1
    while end < len(lines) and _is_comment_below(lines[end], key.start_mark.column):
        end += 1
    return end


def _line_after(node: yaml.Node) -> int:
    """The line after a node; a block node's own end mark is where the next node begins."""
    children = [] if getattr(node, "flow_style", None) else _children(node)
    ends = [_line_after(child) for child in children]
    return max(ends, default=node.end_mark.line + bool(node.end_mark.column))


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [child for pair in _pairs(node) for child in pair]


def _is_comment_below(line: str, column: int) -> bool:
    content = line.lstrip(" ")
    return content.startswith("#") and len(line) - len(content) > column


def _insert_lines(lines: Sequence[str], at: int, block: str) -> str:
    line_end = "\r\n" if any(line.endswith("\r\n") for line in lines) else "\n"
    before, after = "".join(lines[:at]), "".join(lines[at:])
    if before and not before.endswith("\n"):
        before += line_end
    return before + block.replace("\n", line_end) + after


def _to_yaml(name: str, keys: Mapping[str, object]) -> str:
    """A board in YAML, each of its strings on one line."""
    return yaml.dump(
        {name: dict(keys)},
        Dumper=_FleetDumper,
        allow_unicode=True,
        sort_keys=False,
        width=sys.maxsize,
    )


class _FleetDumper(yaml.SafeDumper):
    """Lists in brackets, and no string over several lines."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: yaml.SafeDumper, items: list[str]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_FleetDumper.add_representer(str, _represent_text)


_FleetDumper.add_representer(list, _represent_list)


# Files: all or nothing, one change at a time.


@contextmanager
def _fleet_lock() -> Iterator[None]:
    """Excludes other changes by this user, who may run piyard twice at once."""
    try:
        paths.data().mkdir(parents=True, exist_ok=True, mode=0o700)
        with file_lock(paths.data() / "fleet.lock"):
            yield
    except OSError as error:
        trouble = disk_error(error)
        raise WrongInput(trouble.what, remedy=trouble.remedy) if trouble else error from None


def _read_text(file: Path) -> str:
    """The content of a file, its line ends unchanged; empty without a file."""
    return file.read_bytes().decode() if file.exists() else ""


@contextmanager
def _drafts(texts: Mapping[Path, str]) -> Iterator[dict[Path, Path]]:
    """A draft of each file, in the folder the file resolves to; removed at the end."""
    with ExitStack() as stack:
        yield {file: stack.enter_context(_draft(file, text)) for file, text in texts.items()}


@contextmanager
def _draft(file: Path, text: str) -> Iterator[Path]:
    real = file.resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    draft = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        with disk_errors_at(file, draft):
            if real.exists():
                draft.touch(mode=0o600)
                shutil.copymode(real, draft)
            draft.write_bytes(text.encode())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _read_drafts(drafts: Mapping[Path, Path]) -> dict[str, BoardEntry] | None:
    """The fleet with the drafts in place, or None if it cannot be read."""
    try:
        return read_inventory(drafts.get(file, file) for file in _fleet_files(*drafts))
    except WrongInput:
        return None


def _publish(drafts: Mapping[Path, Path]) -> None:
    for file, draft in drafts.items():
        draft.replace(file.resolve())
