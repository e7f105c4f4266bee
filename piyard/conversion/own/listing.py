"""Names of classes or keypoints, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard import labels
from piyard import model as models
from piyard.errors import WrongInput


class Listing(msgspec.Struct, frozen=True):
    """A list in models/labels/, and its text where it is yet to be written there."""

    name: str = ""
    text: str = ""

    @property
    def count(self) -> int:
        """How many names it has; none where there is no list."""
        if not self.name:
            return 0
        if self.text:
            return self.text.count("\n")
        return len(labels.read(models.listing(self.name)))


def read(kind: str, given: str, model: str) -> Listing:
    """``given`` is a file, which becomes the model's own list, or one of models/labels/."""
    if not given or (not Path(given).is_file() and models.listing(given).is_file()):
        return Listing(given)
    if not Path(given).is_file():
        raise WrongInput(f"--{kind}: there is no file {given}", remedy="one name a line")
    names = labels.read_numbered(Path(given))
    if not names:
        raise WrongInput(f"--{kind}: {given} holds no names", remedy="one name a line")
    return of(names, f"{model}-{kind}")


def of(names: Sequence[str], called: str) -> Listing:
    """A list of these names, to be called so; one of models/labels/ that is the same is taken."""
    text = labels.text(names)
    for known in models.listings():
        if models.listing(known).read_bytes() == text.encode():
            return Listing(known)
    return Listing(called, text)
