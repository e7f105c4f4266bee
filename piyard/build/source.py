"""The pinned ncnn source, patched: an archive from the package index, or a git repository.

Patches in toolchains/patches change it: unified diffs with their reason above the first file.

They are applied here, not by ``patch`` or ``git apply``, which a desktop may lack; a patch's lines
must match exactly, so that it is never applied in the wrong place.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from piyard.core import console, download, store, target
from piyard.core.errors import BuildFailed, DownloadFailed, WrongInput
from piyard.core.files import sha256_of_file
from piyard.core.store import Manifest, key_of
from piyard.core.target import NCNN_PINS, CMakeOptions, GitPin, SdistPin

SOURCE_SHELF = "sources"


class SdistIdentity(Manifest, frozen=True, kw_only=True, tag="sdist", tag_field="kind"):
    """What decides the bytes of an unpacked archive."""

    patches: dict[str, str] = msgspec.field(default_factory=dict)
    """Name → sha256."""
    sha256: str
    """Of the archive."""
    version: str


class SdistManifest(SdistIdentity, frozen=True, kw_only=True, tag="sdist"):
    """The manifest of an unpacked archive."""

    file: str


class GitIdentity(Manifest, frozen=True, kw_only=True, tag="git", tag_field="kind"):
    """What decides the bytes of a clone; its manifest names the commit in any case."""

    commit: str
    """Empty where only a ref is pinned."""
    patches: dict[str, str] = msgspec.field(default_factory=dict)
    ref: str
    url: str
    version: str


SourceIdentity = SdistIdentity | GitIdentity


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source of ncnn: what identifies it, and its folder."""

    pin: SdistPin | GitPin
    options: CMakeOptions
    """ncnn's CMake options, without a target's own."""
    patches: list[Patch] = []
    """Applied in this order."""

    @property
    def identity(self) -> SourceIdentity:
        """Identifies its bytes: the archive's sha256, or the repository and ref; the patches'."""
        pin, patches = self.pin, patch_digests(self.patches)
        if isinstance(pin, SdistPin):
            return SdistIdentity(sha256=pin.sha256, version=pin.version, patches=patches)
        return GitIdentity(
            url=pin.url, ref=pin.ref, commit=pin.commit, version=pin.version, patches=patches
        )

    def folder(self) -> Path:
        """The unpacked source, fetched when it is not there yet."""
        return store.get_or_make(SOURCE_SHELF, key_of(self.identity), self._fill)[0]

    def _fill(self, at: Path) -> Manifest:
        manifest = self._fetch(at)
        apply_patches(self.patches, at, f"ncnn {self.pin.version}")
        return manifest

    def _fetch(self, at: Path) -> Manifest:
        pin, identity = self.pin, msgspec.structs.asdict(self.identity)
        if isinstance(pin, SdistPin):
            _unpack(pin, at)
            return SdistManifest(**identity, file=pin.file)
        return GitIdentity(**{**identity, "commit": _clone(pin, at)})


def load_source(name: str = "", pins: Path = NCNN_PINS) -> Source:
    """The source of that name in toolchains/ncnn.yaml, the default one without a name."""
    pin, options = target.load_ncnn_pin(name, pins)
    return Source(pin=pin, options=options, patches=load_patches(pins.parent / PATCHES_FOLDER))


def _unpack(pin: SdistPin, at: Path) -> None:
    archive = download.fetch(lambda: _index_url(pin), sha256=pin.sha256, name=pin.file)
    with console.step(f"unpack {pin.package} {pin.version}"), tarfile.open(archive) as tar:
        _extract(tar, at)
    _lift_single_folder(at)


def _extract(tar: tarfile.TarFile, at: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        tar.extractall(at, filter="data")
    else:
        raise WrongInput(
            f"Python {sys.version.split()[0]} cannot unpack archives safely",
            remedy="use a newer patch release (3.10.12, 3.11.4 or later)",
        )


def _lift_single_folder(at: Path) -> None:
    (inner,) = at.iterdir()
    for path in list(inner.iterdir()):
        path.rename(at / path.name)
    inner.rmdir()


def _index_url(pin: SdistPin) -> str:
    """The archive's URL in the package index that pip is configured with.

    ``pip download`` cannot fetch it: the archive's metadata name its version after today's date.
    """
    import pypi_simple
    import requests

    with console.step(f"look up {pin.file}"), pypi_simple.PyPISimple(_index_endpoint()) as index:
        try:
            page = index.get_project_page(pin.package)
        except (requests.RequestException, pypi_simple.NoSuchProjectError) as error:
            raise _no_index(pin, str(error)) from None
    for package in page.packages:
        if package.filename == pin.file:
            return package.url
    raise _no_index(pin, f"it lists no file {pin.file}")


def _no_index(pin: SdistPin, why: str) -> DownloadFailed:
    return DownloadFailed(
        f"the package index does not give {pin.file}",
        evidence=why,
        remedy="check pip's index settings (pip config list), or name a folder that holds "
        "the file in PIYARD_MIRROR",
    )


def _index_endpoint() -> str:
    import pypi_simple

    process = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return process.stdout.strip() or pypi_simple.PYPI_SIMPLE_ENDPOINT


def _clone(pin: GitPin, at: Path) -> str:
    """Fill the folder; returns the commit."""
    with console.step(f"clone {pin.url} at {pin.ref}"):
        _run_git(at, "init", "--quiet")
        _run_git(at, "fetch", "--quiet", "--depth=1", "--", pin.url, pin.commit or pin.ref)
        _run_git(at, "checkout", "--quiet", "FETCH_HEAD")
    commit = _run_git(at, "rev-parse", "HEAD").strip()
    shutil.rmtree(at / ".git")
    return commit


def _run_git(at: Path, *argv: str) -> str:
    process = subprocess.run(
        ["git", "-C", str(at), *argv], capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise DownloadFailed(
            f"git {argv[0]} failed",
            evidence=process.stderr[-2000:],
            remedy=f"check url and ref in {NCNN_PINS}",
        )
    return process.stdout


PATCHES_FOLDER = "patches"
"""Beside the pins of the source."""
PATCH_REMEDY = "make the patch for this source, or take it out of toolchains/patches"

_GIT_LINES = ("diff --git ", "index ", "new file mode ")
"""Lines that only git writes."""
_HUNK_HEADER = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")


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


def load_patches(folder: Path) -> list[Patch]:
    """The patches in the order of their names; raises ``WrongInput`` for one without a reason."""
    return [_read_patch(path) for path in sorted(folder.glob("*.patch"))]


def patch_digests(patches: Sequence[Patch]) -> dict[str, str]:
    """Name → sha256."""
    return {patch.name: patch.sha256 for patch in patches}


def apply_patches(patches: Sequence[Patch], source: Path, title: str) -> None:
    """Change the source in that folder; raises ``BuildFailed`` where a patch does not fit."""
    for patch in patches:
        for name, hunks in patch.files.items():
            _apply_hunks(source / name, hunks, f"{patch.name} does not apply to {title}: {name}")


def _apply_hunks(file: Path, hunks: Sequence[Hunk], failure: str) -> None:
    is_new = not hunks[0].before
    if is_new == file.exists():
        raise BuildFailed(
            f"{failure} {'exists already' if is_new else 'does not exist'}", remedy=PATCH_REMEDY
        )
    lines = [] if is_new else file.read_text(encoding="utf-8").split("\n")
    for hunk in reversed(hunks):
        at = _find_hunk(lines, hunk)
        if at is None:
            raise BuildFailed(f"{failure} has other lines at line {hunk.line}", remedy=PATCH_REMEDY)
        lines[at : at + len(hunk.before)] = hunk.after
    file.write_text("\n".join([*lines, ""] if is_new else lines), encoding="utf-8")


def _find_hunk(lines: Sequence[str], hunk: Hunk) -> int | None:
    """Index of the hunk's lines: where they were, or at the only other place."""
    if not hunk.before:
        return 0
    size = len(hunk.before)
    places = [at for at in range(len(lines)) if lines[at : at + size] == hunk.before]
    if hunk.line - 1 in places:
        return hunk.line - 1
    return places[0] if len(places) == 1 else None


def _read_patch(path: Path) -> Patch:
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.split("\n")[:-1] if not line.startswith(_GIT_LINES)]
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
    files = {_patched_path(part, path): list(_parse_hunks(part[2:], path)) for part in parts}
    return Patch(name=path.name, sha256=sha256_of_file(path), reason=reason, files=files)


def _patched_path(part: Sequence[str], patch: Path) -> str:
    """The changed file, relative to the source: without the first folder, ``a/`` or ``b/``."""
    named = part[1].removeprefix("+++ ").split("\t")[0] if len(part) > 1 else ""
    inner = PurePosixPath(*PurePosixPath(named).parts[1:])
    if not part[1:2] or not named.startswith("b/") or ".." in inner.parts:
        raise _damaged_patch(patch, part[0])
    return str(inner)


def _parse_hunks(lines: Sequence[str], patch: Path) -> Iterator[Hunk]:
    starts = [n for n, line in enumerate(lines) if _HUNK_HEADER.match(line)]
    if starts[:1] != [0]:
        raise _damaged_patch(patch, lines[0] if lines else "its end")
    for first, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = lines[first + 1 : end]
        if wrong := [line for line in body if line[:1] not in (" ", "+", "-")]:
            raise _damaged_patch(patch, wrong[0])
        header = _HUNK_HEADER.match(lines[first])
        yield Hunk(
            line=int(header[1]) if header else 0,
            before=[line[1:] for line in body if line[0] != "+"],
            after=[line[1:] for line in body if line[0] != "-"],
        )


def _damaged_patch(patch: Path, line: str) -> WrongInput:
    return WrongInput(
        f"{patch}: not a unified diff, at {line!r}", remedy="make it with git diff, reason above"
    )
