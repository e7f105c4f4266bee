"""Remove what can be made again; runs and their results stay."""

from __future__ import annotations

import shutil
from pathlib import Path

from piyard import emulator, engine, paths
from piyard.errors import NotSetUp

KEPT = frozenset({"runs", "logs"})


def clean(*, everything: bool, dry_run: bool) -> None:
    """Remove artifacts but runs and logs; ``everything`` adds this user's caches and the images."""
    for folder in _folders(everything=everything):
        print(f"remove {folder}")
        if not dry_run:
            shutil.rmtree(folder)
    if everything:
        _clean_engine(dry_run=dry_run)


def _folders(*, everything: bool) -> list[Path]:
    made = paths.artifacts()
    folders = [p for p in made.iterdir() if p.name not in KEPT] if made.is_dir() else []
    caches = [paths.cache()] if everything and paths.cache().is_dir() else []
    return sorted(folders) + caches


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
