"""A Toolchain: the compiler image, identified by its packages, and a CMake file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from piyard import digest, paths, store
from piyard.containers import engine, image
from piyard.target import Target

FOLDER = paths.ROOT / "toolchains"
SHELF = "toolchains"
TEST_PACKAGES = {"doctest-dev"}
"""Only nnrun's unit tests use them: what is built does not depend on them."""


class Toolchain(msgspec.Struct, frozen=True, kw_only=True):
    """What compiles for a target."""

    cmake_file: Path
    image_tag: str
    packages: dict[str, str]
    """The compiler image's Debian packages and their versions."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the bytes it makes; not the image's id, which differs between machines."""
        return {
            "cmake_file": digest.of_file(self.cmake_file),
            "packages": digest.of_value(
                {name: v for name, v in self.packages.items() if name not in TEST_PACKAGES}
            ),
        }

    @property
    def compilers(self) -> dict[str, str]:
        """Versions of the tools that decide the bytes."""
        tools = ("g++", "binutils", "libc6-dev", "cmake", "ninja-build", "ccache")
        return {name: v for name, v in self.packages.items() if name.startswith(tools)}


def is_ready() -> bool:
    """Whether this checkout has a record of the compiler image."""
    return store.find(SHELF, _key()) is not None


def load(target: Target) -> Toolchain:
    """The target's toolchain; makes the image when this checkout has no record of it."""
    folder, _ = store.get_or_make(SHELF, _key(), lambda _folder: _record())
    return Toolchain(
        cmake_file=FOLDER / target.toolchain,
        image_tag=image.CROSS.tag,
        packages=store.manifest(folder)["packages"],
    )


def _key() -> str:
    return image.CROSS.tag.replace(":", "-").replace("/", "-")


def _record() -> dict[str, Any]:
    client = engine.connect()
    tag = image.CROSS.ensure(client)
    query = ["dpkg-query", "--show", "--showformat=${binary:Package} ${Version}\\n"]
    lines = engine.run(client, tag, query, mounts={}, env={})
    return {"image": tag, "packages": dict(line.split(" ", 1) for line in lines if " " in line)}
