"""What decides the bytes of a build: toolchain, sources and options, and the key they give."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from piyard import __version__
from piyard.build.images import CROSS_IMAGE
from piyard.build.source import Source, SourceIdentity
from piyard.core import containers, paths, store
from piyard.core.files import sha256_of_file, sha256_of_folder, sha256_of_value
from piyard.core.store import Manifest, find_artifact, key_of, read_manifest
from piyard.core.target import CMakeOptions, Target

TOOLCHAINS_FOLDER = paths.ROOT / "toolchains"
TOOLCHAIN_SHELF = "toolchains"
TEST_PACKAGES = {"doctest-dev"}
"""Only nnrun's unit tests use them: what is built does not depend on them."""


class ToolchainIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of what decides the bytes that a toolchain makes."""

    cmake_file: str
    packages: str


class ToolchainManifest(Manifest, frozen=True, kw_only=True):
    """The record of a compiler image."""

    image: str
    """Its tag."""
    packages: dict[str, str]
    """Debian packages and their versions."""


class Toolchain(msgspec.Struct, frozen=True, kw_only=True):
    """What compiles for a target."""

    cmake_file: Path
    image_tag: str
    packages: dict[str, str]
    """The compiler image's Debian packages and their versions."""

    @property
    def identity(self) -> ToolchainIdentity:
        """What decides the bytes it makes; not the image's id, which differs between machines."""
        return ToolchainIdentity(
            cmake_file=sha256_of_file(self.cmake_file),
            packages=sha256_of_value(
                {name: v for name, v in self.packages.items() if name not in TEST_PACKAGES}
            ),
        )

    @property
    def compilers(self) -> dict[str, str]:
        """Versions of the tools that decide the bytes."""
        tools = ("g++", "binutils", "libc6-dev", "cmake", "ninja-build", "ccache")
        return {name: v for name, v in self.packages.items() if name.startswith(tools)}


def is_toolchain_ready() -> bool:
    """Whether this checkout has a record of the compiler image."""
    return find_artifact(TOOLCHAIN_SHELF, _toolchain_key()) is not None


def load_toolchain(target: Target) -> Toolchain:
    """The target's toolchain; makes the image when this checkout has no record of it."""
    folder, _ = store.get_or_make(
        TOOLCHAIN_SHELF, _toolchain_key(), lambda _folder: _record_packages()
    )
    return Toolchain(
        cmake_file=TOOLCHAINS_FOLDER / target.toolchain,
        image_tag=CROSS_IMAGE.tag,
        packages=read_manifest(folder, ToolchainManifest).packages,
    )


def _toolchain_key() -> str:
    return CROSS_IMAGE.tag.replace(":", "-").replace("/", "-")


def _record_packages() -> ToolchainManifest:
    client = containers.connect_engine()
    tag = CROSS_IMAGE.ensure(client)
    query = ["dpkg-query", "--show", "--showformat=${binary:Package} ${Version}\\n"]
    lines = containers.run_in_container(client, tag, query, mounts={}, env={})
    packages = dict(line.split(" ", 1) for line in lines if " " in line)
    return ToolchainManifest(image=tag, packages=packages)


RUNNER_FOLDER = paths.ROOT / "runner"
RECIPE_VERSION = 1
"""Raise it when the code here builds other bytes from the same inputs."""

DISPATCHED_FEATURES = {"NCNN_ARM82": "asimdhp", "NCNN_ARM82DOT": "asimddp"}


class NcnnInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the bytes of the library."""

    options: CMakeOptions
    recipe: int
    source: SourceIdentity
    toolchain: ToolchainIdentity


class NnrunInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the bytes of nnrun."""

    ncnn: str
    """The library's key."""
    runner: str
    """Digest of the sources."""
    version: str | msgspec.UnsetType = msgspec.UNSET
    """piyard's, which nnrun prints; not among the inputs of older builds."""


class CpuFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """CPU features that nnrun uses."""

    dispatched: list[str]
    """Used where a board's CPU has them."""
    required: str
    """GCC's ``-march``: every CPU must have them."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that goes into one build."""

    target: Target
    source: Source
    toolchain: Toolchain
    runner: Path = RUNNER_FOLDER
    runner_digest: str = ""
    """Of the runner's sources when the recipe was made."""

    def __post_init__(self) -> None:
        if not self.runner_digest:
            msgspec.structs.force_setattr(self, "runner_digest", sha256_of_folder(self.runner))

    @property
    def ncnn_options(self) -> CMakeOptions:
        """ncnn's CMake options, with the target's own and the pinned version.

        Without the version ncnn would use the date of the build.
        """
        version: CMakeOptions = {"NCNN_VERSION": self.source.pin.version}
        return self.source.options | self.target.cmake | version

    @property
    def ncnn_inputs(self) -> NcnnInputs:
        """The inputs of the library."""
        return NcnnInputs(
            recipe=RECIPE_VERSION,
            source=self.source.identity,
            toolchain=self.toolchain.identity,
            options=self.ncnn_options,
        )

    @property
    def ncnn_key(self) -> str:
        """The library's key in the store."""
        return key_of(self.ncnn_inputs)

    @property
    def inputs(self) -> NnrunInputs:
        """The inputs of nnrun."""
        return NnrunInputs(ncnn=self.ncnn_key, runner=self.runner_digest, version=__version__)

    @property
    def key(self) -> str:
        """The build's key in the store, and the build id nnrun prints."""
        return key_of(self.inputs)

    @property
    def is_stale(self) -> bool:
        """Whether the runner's sources have changed since."""
        return sha256_of_folder(self.runner) != self.runner_digest

    @property
    def nnrun_options(self) -> CMakeOptions:
        """nnrun's CMake options."""
        return {
            "CMAKE_BUILD_TYPE": "Release",
            "ncnn_DIR": "/ncnn/lib/cmake/ncnn",
            "NNRUN_VERSION": __version__,
            "NNRUN_BUILD_ID": self.key,
            "NNRUN_STATIC": True,
        }

    @property
    def cpu_features(self) -> CpuFeatures:
        """Features every CPU must have, and those used where a board's CPU has them."""
        march = re.search(r"-march=([\w.+-]+)", self.toolchain.cmake_file.read_text())
        dispatched = [
            name
            for option, name in DISPATCHED_FEATURES.items()
            if self.ncnn_options.get(option, True)
        ]
        return CpuFeatures(
            required=march[1] if march else self.target.cpu,
            dispatched=dispatched if self.target.arch == "aarch64" else [],
        )


class NcnnInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The library in a build: its key, and the inputs that give it."""

    key: str
    options: CMakeOptions
    recipe: int
    source: SourceIdentity
    toolchain: ToolchainIdentity


class BuildFlags(msgspec.Struct, frozen=True, kw_only=True):
    """CMake's options."""

    ncnn: CMakeOptions
    nnrun: CMakeOptions
