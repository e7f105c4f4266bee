"""Pictures that nnrun does not decode, as PNG with the same levels."""

from __future__ import annotations

from pathlib import Path

from piyard import digest, paths, pictures, whole
from piyard.errors import WrongInput
from piyard.preprocess.picture import read as read_picture

SUFFIXES = (".jpg", ".jpeg", ".png")
"""Those nnrun takes in a folder; it looks into the files, not at their names."""


def as_sent(path: Path) -> Path:
    """The file itself, or a PNG of what the desktop sees in it, kept by what it was made from.

    A file that holds no picture is sent as it is: nnrun says so, beside what it sees in the others.
    """
    if pictures.is_readable_by_nnrun(path):
        return path
    final = paths.cache() / "inputs" / f"{digest.of_file(path)}.png"
    if final.is_file():
        return final
    try:
        picture = read_picture(path)
    except WrongInput:
        return path
    with whole.draft(final) as draft:
        # The orientation is applied; any mark of it left would turn the picture once more.
        picture.save(draft, "PNG", compress_level=1, exif=b"")
    return final


def sent_suffix(path: Path) -> str:
    """The suffix under which nnrun takes a file in a folder."""
    return path.suffix.lower() if path.suffix.lower() in SUFFIXES else SUFFIXES[0]
