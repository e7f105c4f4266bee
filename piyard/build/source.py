"""The pinned ncnn source, patched: an archive from the package index, or a git repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec

from piyard import config, download, paths, say, store
from piyard.build import patches
from piyard.build.patches import Patch
from piyard.config import Config
from piyard.errors import DownloadFailed, WrongInput, unknown

PINS = paths.ROOT / "toolchains" / "ncnn.yaml"
SHELF = "sources"

Options = dict[str, bool | str]


class Sdist(Config, frozen=True, kw_only=True, tag="sdist", tag_field="kind"):
    """A source archive of a package index, known by its sha256."""

    package: str
    version: str
    file: str
    sha256: str
    options: Options = msgspec.field(default_factory=dict)


class Git(Config, frozen=True, kw_only=True, tag="git", tag_field="kind"):
    """A git repository at a tag or branch, or, if ``commit`` is given, at that commit only.

    Its submodules serve Vulkan and Python, which stay off; they are not fetched.
    """

    url: str
    version: str
    ref: str
    commit: str = ""
    options: Options = msgspec.field(default_factory=dict)


class Pins(Config, frozen=True, kw_only=True):
    """toolchains/ncnn.yaml."""

    default: str
    sources: dict[str, Sdist | Git]
    options: Options


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source of ncnn: what identifies it, and its folder."""

    pin: Sdist | Git
    options: Options
    """ncnn's CMake options, without a target's own."""
    patches: list[Patch] = []
    """Applied in this order."""

    @property
    def identity(self) -> dict[str, Any]:
        """Identifies its bytes: the archive's sha256, or the repository and ref; the patches'."""
        version = {"version": self.pin.version, "patches": patches.identity(self.patches)}
        if isinstance(self.pin, Sdist):
            return {"kind": "sdist", "sha256": self.pin.sha256} | version
        repository = {"url": self.pin.url, "ref": self.pin.ref, "commit": self.pin.commit}
        return {"kind": "git"} | repository | version

    def folder(self) -> Path:
        """The unpacked source, fetched when it is not there yet."""
        return store.get_or_make(SHELF, store.key_of(self.identity), self._fill)[0]

    def _fill(self, at: Path) -> dict[str, Any]:
        pin = self.pin
        origin = _unpack(pin, at) if isinstance(pin, Sdist) else _clone(pin, at)
        patches.apply(self.patches, at, f"ncnn {pin.version}")
        return self.identity | origin


def pinned(name: str = "", pins: Path = PINS) -> tuple[Sdist | Git, Options]:
    """The ncnn of that name in toolchains/ncnn.yaml, or the default, and its CMake options."""
    file = config.load(pins, Pins)
    chosen = name or file.default
    if chosen not in file.sources:
        raise unknown("ncnn source", chosen, file.sources)
    pin = file.sources[chosen]
    return pin, file.options | pin.options


def load(name: str = "", pins: Path = PINS) -> Source:
    """The source of that name in toolchains/ncnn.yaml, the default one without a name."""
    pin, options = pinned(name, pins)
    return Source(pin=pin, options=options, patches=patches.load(pins.parent / patches.FOLDER))


def _unpack(pin: Sdist, at: Path) -> dict[str, Any]:
    archive = download.fetch(lambda: _index_url(pin), sha256=pin.sha256, name=pin.file)
    with say.step(f"unpack ncnn {pin.version}"), tarfile.open(archive) as tar:
        _extract(tar, at)
    _lift_single_folder(at)
    return {"file": pin.file}


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


def _index_url(pin: Sdist) -> str:
    """The archive's URL in the package index that pip is configured with.

    ``pip download`` cannot fetch it: the archive's metadata name its version after today's date.
    """
    import pypi_simple
    import requests

    with say.step(f"look up {pin.file}"), pypi_simple.PyPISimple(_index_endpoint()) as index:
        try:
            page = index.get_project_page(pin.package)
        except (requests.RequestException, pypi_simple.NoSuchProjectError) as error:
            raise _no_index(pin, str(error)) from None
    for package in page.packages:
        if package.filename == pin.file:
            return package.url
    raise _no_index(pin, f"it lists no file {pin.file}")


def _no_index(pin: Sdist, why: str) -> DownloadFailed:
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


def _clone(pin: Git, at: Path) -> dict[str, Any]:
    with say.step(f"clone {pin.url} at {pin.ref}"):
        _git(at, "init", "--quiet")
        _git(at, "fetch", "--quiet", "--depth=1", "--", pin.url, pin.commit or pin.ref)
        _git(at, "checkout", "--quiet", "FETCH_HEAD")
    commit = _git(at, "rev-parse", "HEAD").strip()
    shutil.rmtree(at / ".git")
    return {"commit": commit}


def _git(at: Path, *argv: str) -> str:
    process = subprocess.run(
        ["git", "-C", str(at), *argv], capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise DownloadFailed(
            f"git {argv[0]} failed",
            evidence=process.stderr[-2000:],
            remedy=f"check url and ref in {PINS}",
        )
    return process.stdout
