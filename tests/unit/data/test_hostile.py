"""Damaged truth of every format is read or refused in one line; nothing else ever happens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from piyard.core.errors import WrongInput
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.data.summary import render_summary, summarise_data
from tests.unit.data.test_formats import MAKERS

TRUTH_FILES = {
    "yolo": ("data.yaml", "labels/val/a.txt"),
    "coco": ("annotations/instances_val2017.json",),
    "voc": ("Annotations/a.xml",),
    "mot": ("gt/gt.txt", "seqinfo.ini"),
    "otb": ("groundtruth_rect.txt",),
}
PIECES = (b"", b"\x00", b"\xff\xfe", b"-1", b"nan", b"1e999", b"[", b'"', b"<", b"\n", b"\x1b[31m")
MUTATIONS = 60
MOST_LINES = 12
"""Of a summary; an error has fewer."""


def damage(content: bytes, chance: random.Random) -> bytes:
    """Cut short, or with a piece in the place of a few bytes."""
    at = chance.randrange(len(content))
    if chance.random() < 0.2:
        return content[:at]
    return content[:at] + chance.choice(PIECES) + content[at + chance.randrange(8) :]


@pytest.mark.parametrize(
    ("form", "name"), [(form, name) for form, names in TRUTH_FILES.items() for name in names]
)
def test_damaged_files(tmp_path: Path, form: str, name: str) -> None:
    path = MAKERS[form](tmp_path / "data")
    content, chance = (path / name).read_bytes(), random.Random(f"{form} {name}")
    said = [_outcome(path, form, damage(content, chance), name) for _ in range(MUTATIONS)]
    assert not any("\x1b" in text or len(text.splitlines()) > MOST_LINES for text in said)
    assert any(text.startswith("piyard: ") for text in said)


def _outcome(path: Path, form: str, content: bytes, name: str) -> str:
    """What is said of the data with that file."""
    (path / name).write_bytes(content)
    try:
        return render_summary(summarise_data(open_data(DataRequest(path=path), form)), "plain")
    except WrongInput as error:
        return str(error)
