"""Lists of names of classes or keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard import labels
from piyard import model as models
from piyard.errors import WrongInput


class Listing(msgspec.Struct, frozen=True):
    """A list in models/labels/, and its text where it must still be written there."""

    name: str = ""
    text: str = ""

    @property
    def count(self) -> int:
        """How many names it has; 0 where there is no list."""
        if not self.name:
            return 0
        if self.text:
            return self.text.count("\n")
        return len(labels.read(models.listing(self.name)))


def read(kind: str, source: str, model: str) -> Listing:
    """``source`` is a file, which becomes the model's own list, or the name of a list."""
    if not source or (not Path(source).is_file() and models.listing(source).is_file()):
        return Listing(source)
    if not Path(source).is_file():
        raise WrongInput(f"--{kind}: there is no file {source}", remedy="one name a line")
    names = labels.read_numbered(Path(source))
    if not names:
        raise WrongInput(f"--{kind}: {source} holds no names", remedy="one name a line")
    return of(names, f"{model}-{kind}")


def of(names: Sequence[str], new_name: str) -> Listing:
    """The list in models/labels/ with these names, else a new one."""
    text = labels.text(names)
    for name in models.listings():
        if models.listing(name).read_bytes() == text.encode():
            return Listing(name)
    return Listing(new_name, text)
