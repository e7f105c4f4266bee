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
    """The names of the boards that are meant, each once, in the order they were asked for.

    A text is the name of a board, a glob over names, ``@tag`` (a glob too), or an address, which
    is kept as typed. With ``every`` it is the whole inventory. Raises ``WrongInput`` for a text
    that means nothing.
    """
    known = inventory.load()
    if every:
        return _every(texts, known)
    return list(dict.fromkeys(name for text in texts for name in _meant(text, known)))


def entry_of(name: str) -> Entry:
    """What the inventory says of a chosen name; for an address, what the address says.

    Raises ``WrongInput`` for a text that is neither.
    """
    return inventory.find(name) or _typed(name)


def nobody() -> WrongInput:
    """The error where boards have to be named, and none is."""
    known = inventory.load()
    if not known:
        return _empty()
    return WrongInput(
        "no board is named",
        remedy=f"--host NAME, or --all for all {len(known)}: {', '.join(known)}",
    )


def _empty() -> WrongInput:
    return WrongInput("the inventory has no board", remedy=ADD)


def _every(texts: Sequence[str], known: Mapping[str, Entry]) -> list[str]:
    if texts:
        raise WrongInput(
            f"all boards are asked for, and {texts[0]!r} too", remedy="leave one of the two out"
        )
    if not known:
        raise _empty()
    return list(known)


def _meant(text: str, known: Mapping[str, Entry]) -> list[str]:
    if text in known:
        return [text]
    if text.startswith(TAG):
        return _tagged(text.removeprefix(TAG), known)
    # A bracket begins an IPv6 address as well as a glob's choice of letters.
    if GLOB & set(text) and not inventory.is_address(text):
        return _matching(text, known)
    _typed(text)
    return [text]


def _typed(text: str) -> Entry:
    """The board of an address; raises ``WrongInput`` for a text that is none."""
    if emulator.is_emulated(text):
        emulator.target_of(text)
        return Entry(host=text)
    typed = address.parse(text)
    return Entry(host=typed.host, user=typed.user, port=typed.port)


def _tagged(wanted: str, known: Mapping[str, Entry]) -> list[str]:
    found = [name for name, entry in known.items() if _has(wanted, entry)]
    if not found:
        tags = sorted({tag for entry in known.values() for tag in entry.tags})
        raise _nothing(f"no board has the tag {wanted!r}", wanted, "tags", tags)
    return found


def _has(wanted: str, entry: Entry) -> bool:
    return wanted in entry.tags or any(fnmatchcase(tag, wanted) for tag in entry.tags)


def _matching(glob: str, known: Mapping[str, Entry]) -> list[str]:
    found = [name for name in known if fnmatchcase(name, glob)]
    if not found:
        raise _nothing(f"no board is called {glob!r}", glob, "boards", known)
    return found


def _nothing(what: str, text: str, kind: str, there: Collection[str]) -> WrongInput:
    listed = f"{kind}: {', '.join(there)}" if there else f"there are no {kind}; {ADD}"
    return WrongInput(f"{what}{nearest(text, there)}", remedy=listed)
