"""What layers and blobs are called where a model has several nets: ``head:conv_1``."""

from __future__ import annotations

# Stems: what the files of a model's networks begin with.
MAIN = "model"
HEAD = "head"
MARK = ":"


def join(stem: str, name: str) -> str:
    """The name, after its net's where that is not the main one."""
    return name if stem == MAIN else f"{stem}{MARK}{name}"


def split(name: str) -> tuple[str, str]:
    """Stem and name. A main net's own name may hold the mark: only a net's name is taken off."""
    stem, mark, rest = name.partition(MARK)
    return (stem, rest) if mark and stem == HEAD else (MAIN, name)
