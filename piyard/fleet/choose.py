"""Which boards ``--host`` means: names, globs and tags of the inventory, or any address."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from piyard import address, emulator
from piyard.errors import WrongInput, nearest
from piyard.fleet import inventory
from piyard.fleet.inventory import Entry

TAG = "@"
GLOB = frozenset("*?[")
ADD = "add one: invoke fleet.add --host …"


def choose(texts: Sequence[str], *, every: bool = False) -> list[str]:
    """The names of the boards that ``texts`` mean, each once, in their order.

    A text is the name of a board, a glob over names, ``@tag`` (a glob too), or an address, which
    stays as it is. With ``every`` it is the whole inventory. Raises ``WrongInput`` for a text
    that matches nothing.
    """
    boards = inventory.load()
    if every:
        return _every(texts, boards)
    return list(dict.fromkeys(name for text in texts for name in _meant(text, boards)))


def entry_of(name: str) -> Entry:
    """The inventory's entry for a selected name, or one made from an address.

    Raises ``WrongInput`` for anything else.
    """
    return inventory.find(name) or _typed(name)


def nobody() -> WrongInput:
    """The error for a command without a board."""
    boards = inventory.load()
    if not boards:
        return _empty()
    return WrongInput(
        "no board is named",
        remedy=f"--host NAME, or --all for all {len(boards)}: {', '.join(boards)}",
    )


def _empty() -> WrongInput:
    return WrongInput("the inventory has no board", remedy=ADD)


def _every(texts: Sequence[str], boards: Mapping[str, Entry]) -> list[str]:
    if texts:
        raise WrongInput(
            f"all boards are asked for, and {texts[0]!r} too", remedy="leave out one of the two"
        )
    if not boards:
        raise _empty()
    return list(boards)


def _meant(text: str, boards: Mapping[str, Entry]) -> list[str]:
    if text in boards:
        return [text]
    if text.startswith(TAG):
        return _tagged(text.removeprefix(TAG), boards)
    # A bracket begins an IPv6 address as well as a glob's character class.
    if GLOB & set(text) and not inventory.is_address(text):
        return _matching(text, boards)
    _typed(text)
    return [text]


def _typed(text: str) -> Entry:
    """The board at an address; raises ``WrongInput`` for a text that is not an address."""
    if emulator.is_emulated(text):
        emulator.target_of(text)
        return Entry(host=text)
    parsed = address.parse(text)
    return Entry(host=parsed.host, user=parsed.user, port=parsed.port)


def _tagged(tag: str, boards: Mapping[str, Entry]) -> list[str]:
    names = [name for name, entry in boards.items() if _has(tag, entry)]
    if not names:
        tags = sorted({each for entry in boards.values() for each in entry.tags})
        raise _nothing(f"no board has the tag {tag!r}", tag, "tags", tags)
    return names


def _has(tag: str, entry: Entry) -> bool:
    return tag in entry.tags or any(fnmatchcase(each, tag) for each in entry.tags)


def _matching(glob: str, boards: Mapping[str, Entry]) -> list[str]:
    names = [name for name in boards if fnmatchcase(name, glob)]
    if not names:
        raise _nothing(f"no board is called {glob!r}", glob, "boards", boards)
    return names


def _nothing(problem: str, text: str, noun: str, names: Collection[str]) -> WrongInput:
    remedy = f"{noun}: {', '.join(names)}" if names else f"there are no {noun}; {ADD}"
    return WrongInput(f"{problem}{nearest(text, names)}", remedy=remedy)
