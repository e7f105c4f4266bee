"""CMake and ninja run in the compiler's container; their build folder is removed afterwards."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from piyard import disk, paths, say, scratch
from piyard.build.source import Options
from piyard.containers import engine, image
from piyard.containers.engine import CommandFailed
from piyard.errors import BuildFailed

if TYPE_CHECKING:
    from docker import DockerClient

NINJA_STEP = re.compile(r"\[(\d+)/(\d+)\]")
COMPILE_ENV = {
    "CCACHE_DIR": "/ccache",
    "CCACHE_MAXSIZE": "2G",
    "CCACHE_COMPILERCHECK": "content",
    "CCACHE_NOHASHDIR": "1",
    "SOURCE_DATE_EPOCH": "0",
    "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1),
}

Mounts = Mapping[str, tuple[Path, str]]


class Workspace:
    """Source, toolchain, ccache and a build folder, at the same paths in every container."""

    def __init__(self, client: DockerClient, folder: Path, mounts: Mounts) -> None:
        self._client, self.folder, self._mounts = client, folder, mounts
        self._image = image.CROSS.ensure(client)

    def configure(self, source: str, prefix: str, options: Options, progress: say.Step) -> None:
        """Run CMake over ``source`` (a path in the container)."""
        self._run(["cmake", *_arguments(source, prefix, options)], progress)

    def build(self, progress: say.Step) -> None:
        """Compile everything; the progress is ninja's count."""
        self._run(["cmake", "--build", "/build"], progress)

    def install(self, prefix: str, progress: say.Step, *, strip: bool = False) -> None:
        """Install into ``prefix`` (a path in the container)."""
        stripped = ["--strip"] if strip else []
        self._run(["cmake", "--install", "/build", *stripped, "--prefix", prefix], progress)

    def _run(self, argv: Sequence[str], progress: say.Step) -> None:
        try:
            engine.run(
                self._client,
                self._image,
                argv,
                mounts=self._mounts,
                env=COMPILE_ENV,
                on_line=_counter(progress),
            )
        except CommandFailed as error:
            raise _failed(argv, error) from None


@contextmanager
def workspace(cmake_file: Path, mounts: Mounts) -> Iterator[Workspace]:
    """A workspace with these mounts besides its own; its commands raise ``BuildFailed``."""
    work, ccache = paths.artifacts() / ".work", paths.cache() / "ccache"
    for folder in (work, ccache):
        folder.mkdir(parents=True, exist_ok=True)
    with scratch.folder("", within=work) as place, disk.said_of(ccache):
        common: Mounts = {
            "/build": (place, "rw"),
            "/toolchain.cmake": (cmake_file, "ro"),
            "/ccache": (ccache, "rw"),
        }
        yield Workspace(engine.connect(), place, {**mounts, **common})


def _arguments(source: str, prefix: str, options: Options) -> list[str]:
    values = {k: ("ON" if v else "OFF") if isinstance(v, bool) else v for k, v in options.items()}
    return [
        *("-S", source, "-B", "/build", "-G", "Ninja"),
        "-DCMAKE_TOOLCHAIN_FILE=/toolchain.cmake",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DCMAKE_C_COMPILER_LAUNCHER=ccache",
        "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache",
        *(f"-D{key}={value}" for key, value in values.items()),
    ]


def _counter(progress: say.Step) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        if step := NINJA_STEP.match(line):
            progress.update(
                int(step[1]), int(step[2]), Path(line.rsplit(" ", maxsplit=1)[-1]).name[:40]
            )

    return on_line


def _failed(argv: Sequence[str], error: CommandFailed) -> BuildFailed:
    return BuildFailed(
        f"'{' '.join(argv[:2])}' failed in the compiler's container (exit code {error.code})",
        evidence=error.tail,
        remedy="the lines above are the compiler's; options are in toolchains/ncnn.yaml",
    )
