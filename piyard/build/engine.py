"""Engine → programs for a board: other people's engines, built to be measured beside nnrun.

One is described in toolchains/engines.yaml and built as nnrun is: its pinned source, in the
compiler's container, into ``artifacts/engines/<key>/bin``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from piyard.build.builder import open_workspace
from piyard.build.recipe import Toolchain, ToolchainIdentity, load_toolchain
from piyard.build.source import Source, SourceIdentity
from piyard.core import console, paths, store
from piyard.core.config import Config, load_yaml
from piyard.core.errors import WrongInput, unknown_name
from piyard.core.store import Manifest, find_artifact, key_of
from piyard.core.target import CMakeOptions, SdistPin, Target, load_target

ENGINE_PINS = paths.ROOT / "toolchains" / "engines.yaml"
ENGINE_SHELF = "engines"
ENGINE_ARCH = "aarch64"
DESKTOP = "desktop"
"""The target that is this machine."""
RECIPE_VERSION = 1
"""Raise it when the code here builds other bytes from the same inputs."""


class EnginePin(Config, frozen=True, kw_only=True):
    """An engine of toolchains/engines.yaml."""

    title: str
    licence: str
    source: SdistPin
    """With the engine's CMake options."""
    folder: str
    """Of its CMakeLists.txt, in the archive."""
    programs: list[str]
    """CMake targets, and the programs they make in the build's bin/."""
    march_option: str
    """The option that names GCC's ``-march`` of its kernels, which every CPU must have."""


class EngineInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the bytes of an engine's programs."""

    folder: str
    options: CMakeOptions
    programs: list[str]
    recipe: int
    source: SourceIdentity
    toolchain: ToolchainIdentity


class EngineManifest(Manifest, frozen=True, kw_only=True):
    """The manifest of an engine's programs."""

    compilers: dict[str, str]
    """Package → version."""
    inputs: EngineInputs
    licence: str


class EngineRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that goes into the build of an engine."""

    pin: EnginePin
    toolchain: Toolchain

    @property
    def source(self) -> Source:
        """Its archive; piyard patches nothing of it."""
        return Source(pin=self.pin.source, options=self.pin.source.options)

    @property
    def inputs(self) -> EngineInputs:
        """What decides the bytes."""
        return EngineInputs(
            folder=self.pin.folder,
            options=self.pin.source.options,
            programs=self.pin.programs,
            recipe=RECIPE_VERSION,
            source=self.source.identity,
            toolchain=self.toolchain.identity,
        )


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine's programs, in ``artifacts/engines/<key>/``."""

    title: str
    version: str
    key: str
    folder: Path
    march: str
    """GCC's ``-march`` of its kernels."""

    def program(self, name: str) -> Path:
        """One of them."""
        return self.folder / "bin" / name


def load_engine_pin(name: str, pins: Path = ENGINE_PINS) -> EnginePin:
    """The engine of that name; raises ``WrongInput``, also for a folder outside its archive."""
    engines = load_yaml(pins, dict[str, EnginePin])
    if name not in engines:
        raise unknown_name("engine", name, engines)
    pin = engines[name]
    if pin.march_option not in pin.source.options:
        raise WrongInput(
            f"{pins}: {name}.march_option names no option: {pin.march_option!r}",
            remedy="name the option of its source that has -march",
        )
    if Path(pin.folder).is_absolute() or ".." in Path(pin.folder).parts:
        raise WrongInput(f"{pins}: {name}.folder {pin.folder!r} is not inside the archive")
    return pin


def engine_names() -> list[str]:
    """Those of toolchains/engines.yaml."""
    return sorted(load_yaml(ENGINE_PINS, dict[str, EnginePin]))


def plan_engine(name: str, target: Target) -> str:
    """What ``build_engine`` would do, as a line; nothing is run, but the toolchain is looked up."""
    require_target(name, target)
    key = key_of(load_engine_recipe(name, target).inputs)
    verb = "keep" if find_artifact(ENGINE_SHELF, key) else "build"
    return f"{verb} {name} ({target.arch}) {key}"


def load_engine_recipe(name: str, target: Target) -> EngineRecipe:
    """The recipe for a target; raises ``WrongInput`` for an unknown engine."""
    return EngineRecipe(pin=load_engine_pin(name), toolchain=load_toolchain(target))


def require_target(name: str, target: Target) -> None:
    """Raise ``WrongInput`` for a target whose speed an engine is not built for."""
    if target.arch != ENGINE_ARCH:
        raise WrongInput(
            f"{name} is built for {ENGINE_ARCH} only, and {target.name} is {target.arch}",
            remedy="name a 64-bit target",
        )


def build_engine(name: str, target: Target) -> Engine:
    """Its programs, built unless their inputs are unchanged. Raises ``BuildFailed``."""
    require_target(name, target)
    return _build(load_engine_recipe(name, target))


def build_engine_here(name: str) -> Engine:
    """Its programs for this machine: for what they answer, not for how fast they are."""
    return _build(load_engine_recipe(name, load_target(DESKTOP)))


def _build(recipe: EngineRecipe) -> Engine:
    key = key_of(recipe.inputs)
    folder, _ = store.get_or_make(ENGINE_SHELF, key, lambda at: _compile(recipe, at))
    pin = recipe.pin
    return Engine(
        title=pin.title,
        version=pin.source.version,
        key=key,
        folder=folder,
        march=str(pin.source.options[pin.march_option]),
    )


def _compile(recipe: EngineRecipe, at: Path) -> EngineManifest:
    pin = recipe.pin
    mounts = {"/src": (recipe.source.folder(), "ro")}
    title = f"build {pin.title}"
    with (
        open_workspace(recipe.toolchain.cmake_file, mounts) as work,
        console.step(title) as progress,
    ):
        work.configure(f"/src/{pin.folder}", "/usr", pin.source.options, progress)
        work.build(progress, pin.programs)
        _gather(work.folder / "bin", pin.programs, at / "bin")
    return EngineManifest(
        inputs=recipe.inputs, compilers=recipe.toolchain.compilers, licence=pin.licence
    )


def _gather(built: Path, programs: list[str], to: Path) -> None:
    to.mkdir()
    for name in programs:
        shutil.copy(built / name, to / name)
