"""Programs of benchmarks/ in C++, built for a Pi 5 as nnrun is."""

from __future__ import annotations

import shutil
from pathlib import Path

from piyard.build.builder import build_ncnn, load_recipe, open_workspace
from piyard.core import console
from piyard.core.target import load_target

BENCHMARKS = Path(__file__).parents[1]


def build(name: str, folder: Path) -> Path:
    """The program of that name in runner/CMakeLists.txt, in the folder."""
    how = load_recipe(load_target("rpi5"))
    mounts = {
        "/src": (how.runner, "ro"),
        "/benchmarks": (BENCHMARKS, "ro"),
        "/ncnn": (build_ncnn(how), "ro"),
    }
    with (
        open_workspace(how.toolchain.cmake_file, mounts) as work,
        console.step(name) as progress,
    ):
        work.configure("/src", "/usr", how.nnrun_options | {"NNRUN_BENCHMARKS": True}, progress)
        work.build(progress)
        shutil.copy(work.folder / name, folder / name)
    return folder / name
