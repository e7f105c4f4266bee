"""``invoke clean`` removes what can be made again, and nothing that was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.cli import machine
from piyard.core import paths

MEASURED = ("runs", "results", "evaluations", "logs")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Shelves, a file beside them, and a link to somebody else's shelf."""
    for shelf in (*MEASURED, "builds", "conversions"):
        (paths.artifacts() / shelf).mkdir(parents=True)
        (paths.artifacts() / shelf / "content").touch()
    (paths.artifacts() / "results.sqlite").touch()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "content").touch()
    (paths.artifacts() / "ncnn").symlink_to(tmp_path / "others")
    return paths.artifacts()


def test_what_was_measured_stays(made: Path, tmp_path: Path) -> None:
    machine.clean(everything=False, dry_run=False)
    assert sorted(each.name for each in made.iterdir()) == sorted(MEASURED)
    assert all((made / shelf / "content").exists() for shelf in MEASURED)
    assert (tmp_path / "others" / "content").exists()


def test_a_dry_run_says_it_and_removes_nothing(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(made.rglob("*"))
    machine.clean(everything=False, dry_run=True)
    assert sorted(made.rglob("*")) == before
    output = capsys.readouterr().out.splitlines()
    names = ("builds", "conversions", "ncnn", "results.sqlite")
    assert output == [f"remove {made / name}" for name in names]


def test_nothing_was_made_yet(capsys: pytest.CaptureFixture[str]) -> None:
    machine.clean(everything=False, dry_run=False)
    assert capsys.readouterr().out == ""
