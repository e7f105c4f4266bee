"""Patches in toolchains/patches change it: unified diffs with their reason above the first file.

They are applied here, not by ``patch`` or ``git apply``, which a desktop may lack; a patch's lines
must match exactly, so that it is never applied in the wrong place.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from piyard import digest
from piyard.errors import BuildFailed, WrongInput

FOLDER = "patches"
"""Beside the pins of the source."""
REMEDY = "make the patch for this source, or take it out of toolchains/patches"

_GIT = ("diff --git ", "index ", "new file mode ")
"""Lines that only git writes."""
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")


class Hunk(msgspec.Struct, frozen=True, kw_only=True):
    """Lines and what replaces them."""

    line: int
    """Where they were when the patch was made, from 1; 0 in a new file."""
    before: list[str]
    after: list[str]


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """A file of toolchains/patches."""

    name: str
    sha256: str
    reason: str
    files: dict[str, list[Hunk]]
    """By path in the source; a new file has one hunk, without lines before."""


def load(folder: Path) -> list[Patch]:
    """The patches in the order of their names; raises ``WrongInput`` for one without a reason."""
    return [_read(path) for path in sorted(folder.glob("*.patch"))]


def identity(patches: Sequence[Patch]) -> dict[str, str]:
    """Name → sha256."""
    return {patch.name: patch.sha256 for patch in patches}


def apply(patches: Sequence[Patch], source: Path, title: str) -> None:
    """Change the source in that folder; raises ``BuildFailed`` where a patch does not fit."""
    for patch in patches:
        for name, hunks in patch.files.items():
            _change(source / name, hunks, f"{patch.name} does not apply to {title}: {name}")


def _change(file: Path, hunks: Sequence[Hunk], failure: str) -> None:
    is_new = not hunks[0].before
    if is_new == file.exists():
        raise BuildFailed(
            f"{failure} {'exists already' if is_new else 'does not exist'}", remedy=REMEDY
        )
    lines = [] if is_new else file.read_text(encoding="utf-8").split("\n")
    for hunk in reversed(hunks):
        at = _place(lines, hunk)
        if at is None:
            raise BuildFailed(f"{failure} has other lines at line {hunk.line}", remedy=REMEDY)
        lines[at : at + len(hunk.before)] = hunk.after
    file.write_text("\n".join([*lines, ""] if is_new else lines), encoding="utf-8")


def _place(lines: Sequence[str], hunk: Hunk) -> int | None:
    """Index of the hunk's lines: where they were, or at the only other place."""
    if not hunk.before:
        return 0
    size = len(hunk.before)
    places = [at for at in range(len(lines)) if lines[at : at + size] == hunk.before]
    if hunk.line - 1 in places:
        return hunk.line - 1
    return places[0] if len(places) == 1 else None


def _read(path: Path) -> Patch:
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.split("\n")[:-1] if not line.startswith(_GIT)]
    pairs = enumerate(itertools.pairwise(lines))
    starts = [n for n, (line, next_) in pairs if line[:4] == "--- " and next_[:4] == "+++ "]
    reason = "\n".join(lines[: starts[0]]).strip() if starts else ""
    if not reason:
        raise WrongInput(
            f"{path}: a patch begins with its reason, then '--- ' and the rest of a unified diff",
            remedy="write the reason above the first file",
        )
    ends = [*starts[1:], len(lines)]
    parts = [lines[a:b] for a, b in zip(starts, ends, strict=True)]
    files = {_path(part, path): list(_hunks(part[2:], path)) for part in parts}
    return Patch(name=path.name, sha256=digest.of_file(path), reason=reason, files=files)


def _path(part: Sequence[str], patch: Path) -> str:
    """The changed file, relative to the source: without the first folder, ``a/`` or ``b/``."""
    named = part[1].removeprefix("+++ ").split("\t")[0] if len(part) > 1 else ""
    inner = PurePosixPath(*PurePosixPath(named).parts[1:])
    if not part[1:2] or not named.startswith("b/") or ".." in inner.parts:
        raise _damaged(patch, part[0])
    return str(inner)


def _hunks(lines: Sequence[str], patch: Path) -> Iterator[Hunk]:
    starts = [n for n, line in enumerate(lines) if _HUNK.match(line)]
    if starts[:1] != [0]:
        raise _damaged(patch, lines[0] if lines else "its end")
    for first, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = lines[first + 1 : end]
        if wrong := [line for line in body if line[:1] not in (" ", "+", "-")]:
            raise _damaged(patch, wrong[0])
        header = _HUNK.match(lines[first])
        yield Hunk(
            line=int(header[1]) if header else 0,
            before=[line[1:] for line in body if line[0] != "+"],
            after=[line[1:] for line in body if line[0] != "-"],
        )


def _damaged(patch: Path, line: str) -> WrongInput:
    return WrongInput(
        f"{patch}: not a unified diff, at {line!r}", remedy="make it with git diff, reason above"
    )
