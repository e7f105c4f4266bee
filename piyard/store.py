"""Content-addressed folders under artifacts/: made once, complete or absent, with a manifest.

``<artifacts>/<shelf>/<key>/`` holds the files and ``manifest.json``; it appears by one rename.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from piyard import digest, disk, lock, paths

MANIFEST = "manifest.json"
KEY_LENGTH = 16


def key_of(inputs: dict[str, Any]) -> str:
    """The key of the artifact that these inputs make."""
    return digest.of_value(inputs)[:KEY_LENGTH]


def place(shelf: str, key: str) -> Path:
    """The folder of that key, whether it exists or not."""
    return paths.artifacts() / shelf / key


def find(shelf: str, key: str) -> Path | None:
    """The folder of that key when it exists and is complete, else None."""
    folder = place(shelf, key)
    return folder if _is_whole(folder) else None


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest written beside an artifact."""
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return content


def get_or_make(shelf: str, key: str, make: Callable[[Path], dict[str, Any]]) -> tuple[Path, bool]:
    """The folder of ``key``, and True when it had to be made.

    ``make`` fills an empty folder and returns the manifest; when it raises, nothing is left.
    """
    if folder := find(shelf, key):
        return folder, False
    with _locked(place(shelf, key)):
        if folder := find(shelf, key):
            return folder, False
        return make_at(place(shelf, key), make), True


def make_at(final: Path, make: Callable[[Path], dict[str, Any]]) -> Path:
    """A folder with its manifest, as ``get_or_make`` fills it, at any path and without a lock."""
    draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        with disk.said_of(final, draft):
            draft.chmod(0o755)
            content = make(draft) | {"files": _digests(draft)}
            (draft / MANIFEST).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
            shutil.rmtree(final, ignore_errors=True)
            draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {
            "sha256": digest.of_file(path),
            "bytes": path.stat().st_size,
        }
        for path in files
    }


def _is_whole(folder: Path) -> bool:
    """Whether all files of the manifest exist with their size (digests are checked on use)."""
    try:
        listed = manifest(folder)["files"]
        return all((folder / name).stat().st_size == f["bytes"] for name, f in listed.items())
    except (OSError, ValueError, KeyError):
        return False


def _locked(final: Path) -> AbstractContextManager[None]:
    """One process makes a key: a second one waits, then finds the folder."""
    final.parent.mkdir(parents=True, exist_ok=True)
    return lock.held(paths.artifacts() / ".locks" / f"{final.parent.name}-{final.name}")
