"""Remove what can be made again; runs, their results and evaluations stay."""

from __future__ import annotations

import shutil
from pathlib import Path

from piyard import emulator, paths
from piyard.containers import engine
from piyard.errors import NotSetUp

KEPT = frozenset({"runs", "logs", "results", "evaluations"})


def clean(*, everything: bool, dry_run: bool) -> None:
    """Remove artifacts but ``KEPT``; ``everything`` adds this user's caches and the images."""
    for path in _made(everything=everything):
        print(f"remove {path}")
        if not dry_run:
            _remove(path)
    if everything:
        _clean_engine(dry_run=dry_run)


def _made(*, everything: bool) -> list[Path]:
    folder = paths.artifacts()
    paths_there = [p for p in folder.iterdir() if p.name not in KEPT] if folder.is_dir() else []
    caches = [paths.cache()] if everything and paths.cache().is_dir() else []
    return sorted(paths_there) + caches


def _remove(path: Path) -> None:
    """A shelf, or a file beside them as the index and the page are."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _clean_engine(*, dry_run: bool) -> None:
    try:
        client = engine.connect()
    except NotSetUp:
        return
    for board in emulator.running():
        print(f"stop {board.name}")
        if not dry_run:
            emulator.down(board.name)
    for tag in engine.tags(client, "piyard/"):
        print(f"remove image {tag}")
        if not dry_run:
            client.images.remove(tag, force=True)
