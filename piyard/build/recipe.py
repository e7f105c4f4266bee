"""Everything that decides a build's bytes, and the keys that follow from it; nothing is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from piyard import digest, paths, store
from piyard.build.source import Options, Source
from piyard.build.toolchain import Toolchain
from piyard.target import Target

RUNNER = paths.ROOT / "runner"
VERSION = 1
"""Raise it when the code here builds other bytes from the same inputs."""

DISPATCHED = {"NCNN_ARM82": "asimdhp", "NCNN_ARM82DOT": "asimddp"}


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that goes into one build."""

    target: Target
    source: Source
    toolchain: Toolchain
    runner: Path = RUNNER
    runner_digest: str = ""
    """Of the runner's sources when the recipe was made."""

    def __post_init__(self) -> None:
        if not self.runner_digest:
            msgspec.structs.force_setattr(self, "runner_digest", digest.of_tree(self.runner))

    @property
    def ncnn_options(self) -> Options:
        """ncnn's CMake options, with the target's own and the pinned version.

        Without the version ncnn would use the date of the build.
        """
        version: Options = {"NCNN_VERSION": self.source.pin.version}
        return self.source.options | self.target.cmake | version

    @property
    def ncnn_inputs(self) -> dict[str, Any]:
        """The inputs of the library."""
        return {
            "recipe": VERSION,
            "source": self.source.identity,
            "toolchain": self.toolchain.identity,
            "options": self.ncnn_options,
        }

    @property
    def ncnn_key(self) -> str:
        """The library's key in the store."""
        return store.key_of(self.ncnn_inputs)

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of nnrun."""
        return {"ncnn": self.ncnn_key, "runner": self.runner_digest}

    @property
    def key(self) -> str:
        """The build's key in the store, and the build id nnrun prints."""
        return store.key_of(self.inputs)

    @property
    def is_stale(self) -> bool:
        """Whether the runner's sources have changed since."""
        return digest.of_tree(self.runner) != self.runner_digest

    @property
    def nnrun_options(self) -> Options:
        """nnrun's CMake options."""
        return {
            "CMAKE_BUILD_TYPE": "Release",
            "ncnn_DIR": "/ncnn/lib/cmake/ncnn",
            "NNRUN_BUILD_ID": self.key,
            "NNRUN_STATIC": True,
        }

    @property
    def cpu_features(self) -> dict[str, Any]:
        """Features every CPU must have, and those used where a board's CPU has them."""
        march = re.search(r"-march=([\w.+-]+)", self.toolchain.cmake_file.read_text())
        dispatched = [
            name for option, name in DISPATCHED.items() if self.ncnn_options.get(option, True)
        ]
        return {
            "required": march[1] if march else self.target.cpu,
            "dispatched": dispatched if self.target.arch == "aarch64" else [],
        }
