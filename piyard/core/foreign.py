"""Files that are not what their names say: links to nowhere, failed downloads, pages of the web."""

from __future__ import annotations

from pathlib import Path

from piyard.core.errors import ConversionFailed, WrongInput

SHOWN_BYTES = 64
FOREIGN_BEGINNINGS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself: git lfs pull",
    b"<!doctype": "a page of the web and not the file itself: download it again",
    b"<html": "a page of the web and not the file itself: download it again",
}
"""How what a download leaves in place of a file begins, in small letters, and what it is."""


def require_file(path: Path) -> None:
    """Raise ``WrongInput`` for what is not a file."""
    if path.is_file():
        return
    if path.is_symlink():
        raise WrongInput(f"{path} is a link to {path.readlink()}, where no file is")
    if not path.exists():
        raise WrongInput(f"there is no file {path}")
    raise WrongInput(f"{path} is not a file")


def require_content(path: Path) -> bytes:
    """How the file begins. Raises ``ConversionFailed`` where it is empty, or no file of its own."""
    with path.open("rb") as stream:
        start = stream.read(SHOWN_BYTES)
    if not start:
        raise ConversionFailed(f"{path.name} is empty", remedy="copy or download it again")
    for beginning, kind in FOREIGN_BEGINNINGS.items():
        if start.lstrip().lower().startswith(beginning):
            raise ConversionFailed(f"{path.name} is {kind}")
    return start
