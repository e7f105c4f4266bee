"""Digests of files whose publisher gives none: the first download's, asked of every later one.

They are kept with the checkout, in models/recorded.txt, one ``<sha256>  <url>`` a line, and not in
the cache: committed, they hold every other machine to the same file, and a cleaned cache forgets
nothing.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from piyard import paths
from piyard.errors import WrongInput

FILE = paths.ROOT / "models" / "recorded.txt"


def of(url: str) -> str:
    """The sha256 the address once had; empty before the first download."""
    return _read().get(url, "")


def record(url: str, sha256: str) -> None:
    """Remember what was downloaded; ``WrongInput`` where the file cannot be written."""
    try:
        with FILE.open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if not of(url):
                stream.write(f"{sha256}  {url}\n")
    except OSError as error:
        raise WrongInput(
            f"{FILE} cannot be written: {error.strerror}",
            remedy=f"write the weights' digest into the model's YAML: sha256: {sha256}",
        ) from None


def shown() -> Path:
    """Where they are, as a person in the checkout would write it."""
    return FILE.relative_to(paths.ROOT) if FILE.is_relative_to(paths.ROOT) else FILE


def _read() -> dict[str, str]:
    text = FILE.read_text(encoding="utf-8") if FILE.is_file() else ""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {url: sha256 for sha256, url in pairs}
