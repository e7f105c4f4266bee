"""What a counted board consists of: the plugin, the emulated board's own programs, a firmware."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from piyard.build.images import CROSS_IMAGE, board_image
from piyard.core.containers import connect_engine, run_in_container
from piyard.measure.counted import pi5

HERE = Path(__file__).parent
PLUGIN = ["gcc", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
FIRMWARE = ["aarch64-linux-gnu-gcc", "-O2", "-Wall", "-Wextra", "-Werror"]
WANTED = ("bin", "lib", "usr/bin/", "usr/lib/")
SENSORS = {
    "sys/class/thermal/thermal_zone0/temp": "48600\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "2400000\n",
}
"""Two files that a Pi has and this machine may not: reading them is telemetry's work too."""


def compile_all(folder: Path) -> None:
    """Put ``count.so``, of this machine, and ``vcgencmd``, of a board, into the folder."""
    client = connect_engine()
    cross = CROSS_IMAGE.ensure(client)
    for argv in (
        [*PLUGIN, "-o", "/out/count.so", "/src/count_instructions.c"],
        [*FIRMWARE, "-o", "/out/vcgencmd", "/src/vcgencmd.c"],
    ):
        run_in_container(
            client, cross, argv, mounts={"/src": (HERE, "ro"), "/out": (folder, "rw")}, env={}
        )


def unpack(root: Path) -> None:
    """The emulated board's programs and libraries, a Pi's sensors, and its cores."""
    client = connect_engine()
    container = client.containers.create(board_image("aarch64").ensure(client))
    try:
        with tempfile.TemporaryFile() as archive:
            # docker's stubs take them for text
            archive.writelines(cast("Iterator[bytes]", container.export()))
            archive.seek(0)
            with tarfile.open(fileobj=archive) as tar:
                tar.extractall(root, members=_wanted(tar), filter="tar")
    finally:
        container.remove(force=True, v=True)
    for name, text in (SENSORS | pi5.files()).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _wanted(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        plain = member.isreg() or member.issym() or member.islnk() or member.isdir()
        if plain and (member.name in WANTED or member.name.startswith(WANTED[2:])):
            yield member
