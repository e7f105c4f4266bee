"""Which boards ``--host`` means: names, globs and tags of the inventory, or any address."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from piyard.board.fleet.inventory import (
    BoardEntry,
    emulated_target,
    is_address,
    is_emulated,
    load_inventory,
)
from piyard.board.ssh.address import parse_address
from piyard.core.errors import PROGRAM, WrongInput, did_you_mean

TAG_MARK = "@"
GLOB_CHARACTERS = frozenset("*?[")
ADD_REMEDY = f"add one: {PROGRAM} fleet.add --host …"


class SelectedBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A board that a command names, with its entry: all that is looked up about it."""

    name: str
    entry: BoardEntry
    """The inventory's, or one made from an address."""
    listed: bool = True
    """Whether the inventory has it."""
    hint: str = ""
    """The listed board that an address may be a mistyped name of, as a question."""


def select_boards(texts: Sequence[str], *, every: bool = False) -> list[SelectedBoard]:
    """The boards that ``texts`` mean, each once, in their order.

    A text is the name of a board, a glob over names, ``@tag`` (a glob too), or an address, which
    stays as it is. With ``every`` it is the whole inventory. Raises ``WrongInput`` for a text
    that matches nothing.
    """
    boards = load_inventory()
    if every:
        return [_with_entry(name, boards) for name in _select_all(texts, boards)]
    names = dict.fromkeys(name for text in texts for name in _select_by_text(text, boards))
    return [_with_entry(name, boards) for name in names]


def select_board(name: str) -> SelectedBoard:
    """The board of that name, or at that address; raises ``WrongInput`` for anything else."""
    return _with_entry(name, load_inventory())


def _with_entry(name: str, boards: Mapping[str, BoardEntry]) -> SelectedBoard:
    if entry := boards.get(name):
        return SelectedBoard(name=name, entry=entry)
    return unlisted_board(name, _entry_of_address(name), boards)


def unlisted_board(name: str, entry: BoardEntry, boards: Collection[str]) -> SelectedBoard:
    """A board that the inventory does not have."""
    hint = did_you_mean(name, boards)
    return SelectedBoard(name=name, entry=entry, listed=False, hint=hint)


def no_board_named() -> WrongInput:
    """The error for a command without a board."""
    boards = load_inventory()
    if not boards:
        return _empty_inventory()
    return WrongInput(
        "no board is named",
        remedy=f"--host NAME, or --all for all {len(boards)}: {', '.join(boards)}",
    )


def _empty_inventory() -> WrongInput:
    return WrongInput("the inventory has no board", remedy=ADD_REMEDY)


def _select_all(texts: Sequence[str], boards: Mapping[str, BoardEntry]) -> list[str]:
    if texts:
        raise WrongInput(
            f"all boards are asked for, and {texts[0]!r} too", remedy="leave out one of the two"
        )
    if not boards:
        raise _empty_inventory()
    return list(boards)


def _select_by_text(text: str, boards: Mapping[str, BoardEntry]) -> list[str]:
    if text in boards:
        return [text]
    if text.startswith(TAG_MARK):
        return _select_by_tag(text.removeprefix(TAG_MARK), boards)
    # A bracket begins an IPv6 address as well as a glob's character class.
    if GLOB_CHARACTERS & set(text) and not is_address(text):
        return _select_by_glob(text, boards)
    _entry_of_address(text)
    return [text]


def _entry_of_address(text: str) -> BoardEntry:
    """The board at an address; raises ``WrongInput`` for a text that is not an address."""
    if is_emulated(text):
        emulated_target(text)
        return BoardEntry(host=text)
    parsed = parse_address(text)
    return BoardEntry(host=parsed.host, user=parsed.user, port=parsed.port)


def _select_by_tag(tag: str, boards: Mapping[str, BoardEntry]) -> list[str]:
    names = [name for name, entry in boards.items() if _has_tag(tag, entry)]
    if not names:
        tags = sorted({each for entry in boards.values() for each in entry.tags})
        raise _no_match(f"no board has the tag {tag!r}", tag, "tags", tags)
    return names


def _has_tag(tag: str, entry: BoardEntry) -> bool:
    return tag in entry.tags or any(fnmatchcase(each, tag) for each in entry.tags)


def _select_by_glob(glob: str, boards: Mapping[str, BoardEntry]) -> list[str]:
    names = [name for name in boards if fnmatchcase(name, glob)]
    if not names:
        raise _no_match(f"no board is called {glob!r}", glob, "boards", boards)
    return names


def _no_match(problem: str, text: str, noun: str, names: Collection[str]) -> WrongInput:
    remedy = f"{noun}: {', '.join(names)}" if names else f"there are no {noun}; {ADD_REMEDY}"
    return WrongInput(f"{problem}{did_you_mean(text, names)}", remedy=remedy)
