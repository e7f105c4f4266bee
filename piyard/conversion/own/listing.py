"""Names of classes or keypoints, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

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
        text = self.text or models.listing(self.name).read_text(encoding="utf-8")
        return len(text.splitlines())


def read(kind: str, given: str, model: str) -> Listing:
    """``given`` is a file, which becomes the model's own list, or one of models/labels/."""
    if not given or (not Path(given).is_file() and models.listing(given).is_file()):
        return Listing(given)
    if not Path(given).is_file():
        raise WrongInput(f"--{kind}: there is no file {given}", remedy="one name a line")
    text = Path(given).read_text(encoding="utf-8", errors="replace")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise WrongInput(f"--{kind}: {given} holds no names", remedy="one name a line")
    return of(names, f"{model}-{kind}")


def of(names: Sequence[str], called: str) -> Listing:
    """A list of these names, to be called so; one of models/labels/ that is the same is taken."""
    text = "".join(f"{name}\n" for name in names)
    for known in models.listings():
        if models.listing(known).read_text(encoding="utf-8") == text:
            return Listing(known)
    return Listing(called, text)
