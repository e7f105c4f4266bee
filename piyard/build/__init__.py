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
    """Whether it was built now."""

    @property
    def nnrun(self) -> Path:
        """The program for the board."""
        return self.folder / "nnrun"

    @property
    def manifest(self) -> dict[str, Any]:
        """Inputs, digests, compiler, flags and ELF facts."""
        return store.manifest(self.folder)


def recipe(target_name: str, source_name: str = "") -> Recipe:
    """The recipe for a target; makes the compiler image if this checkout has no record of it."""
    board_target = target.load(target_name)
    return Recipe(
        target=board_target,
        source=load_source(source_name),
        toolchain=load_toolchain(board_target),
    )


def plan(target_name: str, source_name: str = "") -> list[str]:
    """What ``build`` would do, a line for each step; nothing is run."""
    arch, pinned = target.load(target_name).arch, load_source(source_name)
    if not is_ready():
        return [
            "make the compiler image, then",
            f"build ncnn {pinned.pin.version} ({arch})",
            f"build nnrun ({arch})",
        ]
    current = recipe(target_name, source_name)
    steps = ((NCNN_SHELF, current.ncnn_key, "ncnn"), (SHELF, current.key, "nnrun"))
    return [
        f"{'keep' if store.find(shelf, key) else 'build'} {artifact} ({arch}) {key}"
        for shelf, key, artifact in steps
    ]


def build(target_name: str, source_name: str = "") -> Build:
    """nnrun for that target, built unless its inputs are unchanged. Raises ``BuildFailed``."""
    return make(target_name, recipe(target_name, source_name))


def make(name: str, recipe: Recipe) -> Build:
    """The build of that recipe, built if it is not there yet."""
    folder, fresh = store.get_or_make(SHELF, recipe.key, lambda at: _make_nnrun(recipe, at))
    return Build(target=name, key=recipe.key, folder=folder, fresh=fresh)


def make_ncnn(recipe: Recipe) -> Path:
    """The library of that recipe: headers, libncnn.a, CMake package, upstream's programs."""
    return store.get_or_make(NCNN_SHELF, recipe.ncnn_key, lambda at: _make_ncnn(recipe, at))[0]


def _make_ncnn(recipe: Recipe, at: Path) -> dict[str, Any]:
    mounts = {"/src": (recipe.source.folder(), "ro"), "/ncnn": (at, "rw")}
    title = f"build ncnn {recipe.source.pin.version} ({recipe.target.arch})"
    with workspace(recipe.toolchain.cmake_file, mounts) as work, say.step(title) as progress:
        work.configure("/src", "/ncnn", recipe.ncnn_options, progress)
        work.build(progress)
        work.install("/ncnn", progress)
        _gather_extras(work.folder, at / "bin")
    return {"inputs": recipe.ncnn_inputs, "compilers": recipe.toolchain.compilers}


def _make_nnrun(recipe: Recipe, at: Path) -> dict[str, Any]:
    mounts = {"/src": (recipe.runner, "ro"), "/ncnn": (make_ncnn(recipe), "ro")}
    title = f"build nnrun ({recipe.target.arch})"
    with workspace(recipe.toolchain.cmake_file, mounts) as work, say.step(title) as progress:
        work.configure("/src", "/usr", recipe.nnrun_options, progress)
        work.build(progress)
        work.install("/build/installed", progress, strip=True)
        shutil.copy(work.folder / "installed" / "bin" / "nnrun", at / "nnrun")
    if recipe.is_stale:
        raise BuildFailed(
            "the runner's sources changed while they were compiled", remedy="build again"
        )
    return _manifest(recipe, at / "nnrun")


def _manifest(recipe: Recipe, nnrun: Path) -> dict[str, Any]:
    return {
        "inputs": recipe.inputs,
        "ncnn": {"key": recipe.ncnn_key} | recipe.ncnn_inputs,
        "image": recipe.toolchain.image_tag,
        "compilers": recipe.toolchain.compilers,
        "flags": {"ncnn": recipe.ncnn_options, "nnrun": recipe.nnrun_options},
        "elf": msgspec.to_builtins(read_elf(nnrun)),
        "cpu": recipe.cpu_features,
    }


def _gather_extras(build: Path, to: Path) -> None:
    """Upstream's benchncnn and examples have no install rule, so their programs are copied."""
    folders = [build / name for name in EXTRA_PROGRAMS if (build / name).is_dir()]
    programs = [p for f in folders for p in f.iterdir() if p.is_file() and os.access(p, os.X_OK)]
    for program in programs:
        to.mkdir(exist_ok=True)
        shutil.copy(program, to / program.name)
