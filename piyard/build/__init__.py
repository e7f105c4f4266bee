"""Target → Build: cross-compile ncnn, then nnrun against it.

Two content-addressed steps, so a changed runner leaves ncnn alone. The paths inside the container
are always the same, so the same inputs give the same bytes wherever the checkout lies.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from piyard import say, store, target
from piyard.build.cmake import workspace
from piyard.build.elf import read as read_elf
from piyard.build.recipe import Recipe
from piyard.build.source import load as load_source
from piyard.build.toolchain import is_ready
from piyard.build.toolchain import load as load_toolchain
from piyard.errors import BuildFailed

NCNN_SHELF = "ncnn"
SHELF = "builds"
EXTRA_PROGRAMS = ("benchmark", "examples")


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """nnrun for a target, in ``artifacts/builds/<key>/``."""

    target: str
    key: str
    folder: Path
    fresh: bool
    """Whether it was made now."""

    @property
    def nnrun(self) -> Path:
        """The program that goes to the board."""
        return self.folder / "nnrun"

    @property
    def manifest(self) -> dict[str, Any]:
        """Inputs, digests, compiler, flags and ELF facts."""
        return store.manifest(self.folder)


def recipe(target_name: str, source_name: str = "") -> Recipe:
    """The recipe for a target; makes the compiler image if this checkout never saw it."""
    kind = target.load(target_name)
    return Recipe(target=kind, source=load_source(source_name), toolchain=load_toolchain(kind))


def plan(target_name: str, source_name: str = "") -> list[str]:
    """What ``build`` would do, a line a step; nothing is run."""
    kind, pinned = target.load(target_name), load_source(source_name)
    if not is_ready():
        return [
            "make the compiler image, then",
            f"build ncnn {pinned.pin.version} ({kind.arch})",
            f"build nnrun ({kind.arch})",
        ]
    how = recipe(target_name, source_name)
    steps = ((NCNN_SHELF, how.ncnn_key, "ncnn"), (SHELF, how.key, "nnrun"))
    return [
        f"{'keep' if store.find(shelf, key) else 'build'} {what} ({kind.arch}) {key}"
        for shelf, key, what in steps
    ]


def build(target_name: str, source_name: str = "") -> Build:
    """nnrun for that target: found when nothing changed, else built. Raises ``BuildFailed``."""
    return make(target_name, recipe(target_name, source_name))


def make(name: str, how: Recipe) -> Build:
    """Build that recipe, or find it built."""
    folder, fresh = store.get_or_make(SHELF, how.key, lambda at: _make_nnrun(how, at))
    return Build(target=name, key=how.key, folder=folder, fresh=fresh)


def make_ncnn(how: Recipe) -> Path:
    """The library of that recipe: headers, libncnn.a, CMake package, upstream's programs."""
    return store.get_or_make(NCNN_SHELF, how.ncnn_key, lambda at: _make_ncnn(how, at))[0]


def _make_ncnn(how: Recipe, at: Path) -> dict[str, Any]:
    mounts = {"/src": (how.source.folder(), "ro"), "/ncnn": (at, "rw")}
    title = f"build ncnn {how.source.pin.version} ({how.target.arch})"
    with workspace(how.toolchain.cmake_file, mounts) as work, say.step(title) as progress:
        work.configure("/src", "/ncnn", how.ncnn_options, progress)
        work.build(progress)
        work.install("/ncnn", progress)
        _gather_extras(work.folder, at / "bin")
    return {"inputs": how.ncnn_inputs, "compilers": how.toolchain.compilers}


def _make_nnrun(how: Recipe, at: Path) -> dict[str, Any]:
    mounts = {"/src": (how.runner, "ro"), "/ncnn": (make_ncnn(how), "ro")}
    title = f"build nnrun ({how.target.arch})"
    with workspace(how.toolchain.cmake_file, mounts) as work, say.step(title) as progress:
        work.configure("/src", "/usr", how.nnrun_options, progress)
        work.build(progress)
        work.install("/build/installed", progress, strip=True)
        shutil.copy(work.folder / "installed" / "bin" / "nnrun", at / "nnrun")
    if how.is_stale:
        raise BuildFailed(
            "the runner's sources changed while they were compiled", remedy="build again"
        )
    return _manifest(how, at / "nnrun")


def _manifest(how: Recipe, nnrun: Path) -> dict[str, Any]:
    return {
        "inputs": how.inputs,
        "ncnn": {"key": how.ncnn_key} | how.ncnn_inputs,
        "image": how.toolchain.image_tag,
        "compilers": how.toolchain.compilers,
        "flags": {"ncnn": how.ncnn_options, "nnrun": how.nnrun_options},
        "elf": msgspec.to_builtins(read_elf(nnrun)),
        "cpu": how.cpu_features,
    }


def _gather_extras(build: Path, to: Path) -> None:
    """Upstream's benchncnn and examples have no install rule: take the programs themselves."""
    folders = [build / name for name in EXTRA_PROGRAMS if (build / name).is_dir()]
    programs = [p for f in folders for p in f.iterdir() if p.is_file() and os.access(p, os.X_OK)]
    for program in programs:
        to.mkdir(exist_ok=True)
        shutil.copy(program, to / program.name)
