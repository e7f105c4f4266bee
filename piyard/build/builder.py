"""Target → Build: cross-compile ncnn, then nnrun against it.

Two content-addressed steps, so a changed runner leaves ncnn alone. The paths inside the container
are always the same, so the same inputs give the same bytes wherever the checkout lies.

CMake and ninja run in the compiler's container; their build folder is removed afterwards.

What a program requires of its machine is read from its ELF headers.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.build.images import CROSS_IMAGE
from piyard.build.recipe import (
    BuildFlags,
    CpuFeatures,
    NcnnInfo,
    NcnnInputs,
    NnrunInputs,
    Recipe,
    is_toolchain_ready,
    load_toolchain,
)
from piyard.build.source import load_source
from piyard.core import console, containers, paths, store
from piyard.core.console import Step
from piyard.core.containers import CommandFailed
from piyard.core.errors import BuildFailed
from piyard.core.files import disk_errors_at, scratch_folder
from piyard.core.store import Manifest, find_artifact, read_manifest
from piyard.core.target import CMakeOptions, Target

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

    from docker import DockerClient


NCNN_SHELF = "ncnn"
BUILD_SHELF = "builds"
EXTRA_PROGRAMS = ("benchmark", "examples")


class NcnnManifest(Manifest, frozen=True, kw_only=True):
    """The manifest of the library."""

    compilers: dict[str, str]
    """Package → version."""
    inputs: NcnnInputs


class BuildManifest(Manifest, frozen=True, kw_only=True):
    """The manifest of nnrun."""

    compilers: dict[str, str]
    cpu: CpuFeatures
    elf: ElfFacts
    flags: BuildFlags
    image: str
    inputs: NnrunInputs
    ncnn: NcnnInfo


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
    def manifest(self) -> BuildManifest:
        """Inputs, compiler, flags and ELF facts."""
        return read_manifest(self.folder, BuildManifest)


def load_recipe(target: Target, source_name: str = "") -> Recipe:
    """The recipe for a target; makes the compiler image if this checkout has no record of it."""
    return Recipe(target=target, source=load_source(source_name), toolchain=load_toolchain(target))


def plan_build(target: Target, source_name: str = "") -> list[str]:
    """What ``build`` would do, a line for each step; nothing is run."""
    arch, pinned = target.arch, load_source(source_name)
    if not is_toolchain_ready():
        return [
            "make the compiler image, then",
            f"build ncnn {pinned.pin.version} ({arch})",
            f"build nnrun ({arch})",
        ]
    current = load_recipe(target, source_name)
    steps = ((NCNN_SHELF, current.ncnn_key, "ncnn"), (BUILD_SHELF, current.key, "nnrun"))
    return [
        f"{'keep' if find_artifact(shelf, key) else 'build'} {artifact} ({arch}) {key}"
        for shelf, key, artifact in steps
    ]


def build_nnrun(target: Target, source_name: str = "") -> Build:
    """nnrun for that target, built unless its inputs are unchanged. Raises ``BuildFailed``."""
    return build_recipe(load_recipe(target, source_name))


def build_recipe(recipe: Recipe) -> Build:
    """The build of that recipe, built if it is not there yet."""
    folder, fresh = store.get_or_make(
        BUILD_SHELF, recipe.key, lambda at: _compile_nnrun(recipe, at)
    )
    return Build(target=recipe.target.name, key=recipe.key, folder=folder, fresh=fresh)


def build_ncnn(recipe: Recipe) -> Path:
    """The library of that recipe: headers, libncnn.a, CMake package, upstream's programs."""
    return store.get_or_make(NCNN_SHELF, recipe.ncnn_key, lambda at: _compile_ncnn(recipe, at))[0]


def _compile_ncnn(recipe: Recipe, at: Path) -> NcnnManifest:
    mounts = {"/src": (recipe.source.folder(), "ro"), "/ncnn": (at, "rw")}
    title = f"build ncnn {recipe.source.pin.version} ({recipe.target.arch})"
    with (
        open_workspace(recipe.toolchain.cmake_file, mounts) as work,
        console.step(title) as progress,
    ):
        work.configure("/src", "/ncnn", recipe.ncnn_options, progress)
        work.build(progress)
        work.install("/ncnn", progress)
        _gather_extras(work.folder, at / "bin")
    return NcnnManifest(inputs=recipe.ncnn_inputs, compilers=recipe.toolchain.compilers)


def _compile_nnrun(recipe: Recipe, at: Path) -> BuildManifest:
    mounts = {"/src": (recipe.runner, "ro"), "/ncnn": (build_ncnn(recipe), "ro")}
    title = f"build nnrun ({recipe.target.arch})"
    with (
        open_workspace(recipe.toolchain.cmake_file, mounts) as work,
        console.step(title) as progress,
    ):
        work.configure("/src", "/usr", recipe.nnrun_options, progress)
        work.build(progress)
        work.install("/build/installed", progress, strip=True)
        shutil.copy(work.folder / "installed" / "bin" / "nnrun", at / "nnrun")
    if recipe.is_stale:
        raise BuildFailed(
            "the runner's sources changed while they were compiled", remedy="build again"
        )
    return _manifest(recipe, at / "nnrun")


def _manifest(recipe: Recipe, nnrun: Path) -> BuildManifest:
    return BuildManifest(
        inputs=recipe.inputs,
        ncnn=NcnnInfo(key=recipe.ncnn_key, **msgspec.structs.asdict(recipe.ncnn_inputs)),
        image=recipe.toolchain.image_tag,
        compilers=recipe.toolchain.compilers,
        flags=BuildFlags(ncnn=recipe.ncnn_options, nnrun=recipe.nnrun_options),
        elf=read_elf(nnrun),
        cpu=recipe.cpu_features,
    )


def _gather_extras(build: Path, to: Path) -> None:
    """Upstream's benchncnn and examples have no install rule, so their programs are copied."""
    folders = [build / name for name in EXTRA_PROGRAMS if (build / name).is_dir()]
    programs = [p for f in folders for p in f.iterdir() if p.is_file() and os.access(p, os.X_OK)]
    for program in programs:
        to.mkdir(exist_ok=True)
        shutil.copy(program, to / program.name)


NINJA_STEP = re.compile(r"\[(\d+)/(\d+)\]")
COMPILE_ENV = {
    "CCACHE_DIR": "/ccache",
    "CCACHE_MAXSIZE": "2G",
    "CCACHE_COMPILERCHECK": "content",
    "CCACHE_NOHASHDIR": "1",
    "SOURCE_DATE_EPOCH": "0",
    "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL")
    or str(os.cpu_count() or 1),
}

Mounts = Mapping[str, tuple[Path, str]]


class Workspace:
    """Source, toolchain, ccache and a build folder, at the same paths in every container."""

    def __init__(self, client: DockerClient, folder: Path, mounts: Mounts) -> None:
        self._client, self.folder, self._mounts = client, folder, mounts
        self._image = CROSS_IMAGE.ensure(client)

    def configure(self, source: str, prefix: str, options: CMakeOptions, progress: Step) -> None:
        """Run CMake over ``source`` (a path in the container)."""
        self._run(["cmake", *_cmake_arguments(source, prefix, options)], progress)

    def build(self, progress: Step, programs: Sequence[str] = ()) -> None:
        """Compile everything, or these CMake targets only; the progress is ninja's count."""
        only = ["--target", *programs] if programs else []
        self._run(["cmake", "--build", "/build", *only], progress)

    def install(self, prefix: str, progress: Step, *, strip: bool = False) -> None:
        """Install into ``prefix`` (a path in the container)."""
        stripped = ["--strip"] if strip else []
        self._run(["cmake", "--install", "/build", *stripped, "--prefix", prefix], progress)

    def _run(self, argv: Sequence[str], progress: Step) -> None:
        try:
            containers.run_in_container(
                self._client,
                self._image,
                argv,
                mounts=self._mounts,
                env=COMPILE_ENV,
                on_line=_progress_counter(progress),
            )
        except CommandFailed as error:
            raise _command_failed(argv, error) from None


@contextmanager
def open_workspace(cmake_file: Path, mounts: Mounts) -> Iterator[Workspace]:
    """A workspace with these mounts besides its own; its commands raise ``BuildFailed``."""
    work, ccache = paths.artifacts() / ".work", paths.cache() / "ccache"
    for folder in (work, ccache):
        folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder("", within=work) as place, disk_errors_at(ccache):
        common: Mounts = {
            "/build": (place, "rw"),
            "/toolchain.cmake": (cmake_file, "ro"),
            "/ccache": (ccache, "rw"),
        }
        yield Workspace(containers.connect_engine(), place, {**mounts, **common})


def _cmake_arguments(source: str, prefix: str, options: CMakeOptions) -> list[str]:
    values = {k: ("ON" if v else "OFF") if isinstance(v, bool) else v for k, v in options.items()}
    return [
        *("-S", source, "-B", "/build", "-G", "Ninja"),
        "-DCMAKE_TOOLCHAIN_FILE=/toolchain.cmake",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DCMAKE_C_COMPILER_LAUNCHER=ccache",
        "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache",
        *(f"-D{key}={value}" for key, value in values.items()),
    ]


def _progress_counter(progress: Step) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        if step := NINJA_STEP.match(line):
            progress.update(
                int(step[1]), int(step[2]), Path(line.rsplit(" ", maxsplit=1)[-1]).name[:40]
            )

    return on_line


def _command_failed(argv: Sequence[str], error: CommandFailed) -> BuildFailed:
    return BuildFailed(
        f"'{' '.join(argv[:2])}' failed in the compiler's container (exit code {error.code})",
        evidence=error.tail,
        remedy="the lines above are the compiler's; options are in toolchains/",
    )


MACHINES = {"EM_AARCH64": "aarch64", "EM_X86_64": "x86_64", "EM_ARM": "armv7l"}


class ElfFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A program's requirements: machine, libraries and GLIBC, page alignment."""

    machine: str
    static: bool
    needed: list[str]
    """Shared libraries, empty for a static program."""
    glibc: str | None
    """The newest GLIBC version of any symbol, None for a static program."""
    page_alignment: int
    """Bytes; the program loads on any page size up to it."""
    stripped: bool


def read_elf(path: Path) -> ElfFacts:
    """The facts of an ELF file (System V ABI, gABI chapters 4 and 5; LSB for symbol versions)."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as stream:
        elf = ELFFile(stream)
        needed = _needed_libraries(elf)
        return ElfFacts(
            machine=MACHINES.get(elf["e_machine"], str(elf["e_machine"])),
            static=_interpreter(elf) is None and not needed,
            needed=needed,
            glibc=_newest_glibc(elf),
            page_alignment=min(s["p_align"] for s in elf.iter_segments("PT_LOAD")),
            stripped=elf.get_section_by_name(".symtab") is None,
        )


def _interpreter(elf: ELFFile) -> str | None:
    segments: Any = elf.iter_segments("PT_INTERP")
    return next((segment.get_interp_name() for segment in segments), None)


def _needed_libraries(elf: ELFFile) -> list[str]:
    dynamic: Any = elf.get_section_by_name(".dynamic")
    tags = dynamic.iter_tags("DT_NEEDED") if dynamic else ()
    return [str(tag.needed) for tag in tags]


def _newest_glibc(elf: ELFFile) -> str | None:
    section: Any = elf.get_section_by_name(".gnu.version_r")
    names = [aux.name for _, auxes in section.iter_versions() for aux in auxes] if section else []
    versions = [m[1] for name in names if (m := re.fullmatch(r"GLIBC_(\d+(?:\.\d+)*)", name))]
    return max(versions, key=lambda text: [int(part) for part in text.split(".")], default=None)
