"""Splits: the parts of a data set for training, validation and test, however they are called."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from piyard.core.errors import WrongInput

TRAIN, VAL, TEST = "train", "val", "test"
SAME_SPLIT = {
    "training": TRAIN,
    "valid": VAL,
    "validation": VAL,
    "testing": TEST,
    "t10k": TEST,
}
YEAR = re.compile(r"[-_]?(19|20)\d\d$")


def plain_split(name: str) -> str:
    """``val2017`` and ``valid`` → ``val``; another name in lower case without its year."""
    plain = YEAR.sub("", name.lower())
    return SAME_SPLIT.get(plain, plain)


def is_split(name: str) -> bool:
    """Whether it is a usual name of a split."""
    return plain_split(name) in {TRAIN, VAL, TEST}


def choose_split(requested: str, names: Collection[str], where: Path) -> str:
    """The one asked for; by itself val, then test, then the only one; empty where there is none.

    Raises ``WrongInput`` for one that is not there, and where several would do.
    """
    if not requested and not names:
        return ""
    for split in [requested] if requested else [VAL, TEST]:
        matches = match_splits(split, names)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _choice_error(f"{where} has {len(matches)} splits {split}", matches)
    if requested:
        raise _choice_error(f"{where} has no split {requested}", names)
    if len(names) == 1:
        return next(iter(names))
    raise _choice_error(f"{where} has {len(names)} splits", names)


def match_splits(requested: str, names: Collection[str]) -> list[str]:
    """Those of that name, else those that mean the same."""
    return [name for name in names if name == requested] or sorted(
        name for name in names if plain_split(name) == plain_split(requested)
    )


def _choice_error(what: str, names: Collection[str]) -> WrongInput:
    there = ", ".join(sorted(names)) if names else "it is not divided"
    return WrongInput(what, remedy=f"--split: {there}" if names else f"leave --split out: {there}")
