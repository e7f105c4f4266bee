"""Names of layers and blobs have a prefix where a model has several networks: ``head:conv_1``."""

from __future__ import annotations

# Stems: what the files of a model's networks begin with.
MAIN = "model"
HEAD = "head"
MARK = ":"


def join(stem: str, name: str) -> str:
    """The name, prefixed with its network's unless that is the main one."""
    return name if stem == MAIN else f"{stem}{MARK}{name}"


def split(name: str) -> tuple[str, str]:
    """Stem and name. A name in the main network may hold the mark: only ``head:`` is a prefix."""
    stem, mark, rest = name.partition(MARK)
    return (stem, rest) if mark and stem == HEAD else (MAIN, name)
