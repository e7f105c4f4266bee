"""What each layer of a net takes on a Pi 5, counted while an emulated one computes it.

nnrun (``bench layers``) runs the net a layer at a time under qemu-user, as on one thread of a
board, and a plugin (cost.c) counts instructions, cycles by issue ports and bytes from and to the
memory.

The estimates of time fit nothing: 2.4 GHz, and the rates at which a Pi 5 was measured to read its
memory with one thread and with four (Arm's learning path on decoding of language models). Of 34
networks whose times on a Pi 5 are published, half are within 8 % of them with one thread and within
10 % with four, the worst off by 21 % and 31 %: they compare variants of a network, they replace no
board.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from piyard.build.images import CROSS_IMAGE
from piyard.core.containers import connect_engine, run_in_container
from piyard.core.errors import JobsFailed, NotSetUp
from piyard.core.files import scratch_folder, sha256_of_file, sha256_of_value
from piyard.measure.counted import pi5

HERE = Path(__file__).parent
EMULATOR, CPU = "qemu-aarch64", "cortex-a76"
PLUGIN = "cost.so"
COMPILER = ("gcc", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")
ONE_THREAD = {"OMP_THREAD_LIMIT": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""A waiting OpenMP thread spins otherwise, and its instructions are counted."""
CYCLES_MS = 2.4e6
"""Cycles a millisecond, of each core."""
BYTES_MS = {1: 13.8e6, 4: 10.7e6}
"""Threads → bytes a millisecond that all of them together read."""
EVIDENCE_BYTES = 2000


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run, on one thread."""

    instructions: int = 0
    cycles: float = 0
    """By issue ports: what depends on what is not counted."""
    bytes: int = 0
    """From and to the memory."""

    def __add__(self, other: Cost) -> Cost:
        """Of both."""
        return Cost(
            instructions=self.instructions + other.instructions,
            cycles=self.cycles + other.cycles,
            bytes=self.bytes + other.bytes,
        )

    def estimate_ms(self, threads: int = 4) -> float:
        """Milliseconds on a Pi 5, by counts alone; ``threads`` is 1 or 4."""
        return self.cycles / threads / CYCLES_MS + self.bytes / BYTES_MS[threads]


def add_costs(costs: Iterable[Cost]) -> Cost:
    """Of all of them."""
    return sum(costs, Cost())


def can_count() -> bool:
    """Whether an emulator is here that may take plugins."""
    return shutil.which(EMULATOR) is not None


def identify_counting() -> str:
    """sha256 over all that decides a count beside the program: the plugin, the board's files."""
    return sha256_of_value([sha256_of_file(HERE / "cost.c"), CPU, sorted(pi5.files().items())])


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A folder with the plugin and a Pi 5's cores as files."""

    folder: Path
    nnrun: Path
    """For rpi5."""

    def count_layers(
        self, param: Path, weights: Path, shapes: Sequence[Sequence[int]], precision: str
    ) -> dict[str, Cost]:
        """Layer → what it takes in one inference. Raises ``JobsFailed``."""
        counts = self.folder / "counts"
        counts.unlink(missing_ok=True)
        argv = [
            *("bench", "layers", "--param", str(param), "--bin", str(weights)),
            *(word for shape in shapes for word in ("--shape", ",".join(map(str, shape)))),
            *("--precision", precision, "--threads", "1", "--warmup", "1", "--loops", "1"),
            "--marks",
        ]
        lines = self._run([str(self.nnrun), *argv], counts)
        names = {line["i"]: line["name"] for line in lines if line["type"] == "layer"}
        if not counts.is_file():
            raise NotSetUp(
                f"{EMULATOR} counts nothing: it was built without plugins",
                remedy="install qemu-user of Debian bookworm, which has them",
            )
        return _read_counts(counts.read_text(), names)

    def _run(self, argv: Sequence[str], counts: Path) -> list[dict[str, object]]:
        plugin = f"{self.folder / PLUGIN},out={counts}"
        done = run_emulated(self.folder / "root", argv, plugin)
        return [json.loads(line) for line in done.stdout.splitlines()]


def run_emulated(
    root: Path, argv: Sequence[str], plugin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program on an emulated Cortex-A76 to which ``root`` shows the files of a board.

    ``plugin`` is the emulator's and its arguments. Raises ``JobsFailed`` when it ends badly.
    """
    plugins = {"QEMU_PLUGIN": plugin} if plugin else {}
    done = subprocess.run(
        [EMULATOR, "-L", str(root), *argv],
        env=os.environ | plugins | ONE_THREAD | {"QEMU_CPU": CPU},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise JobsFailed(
            f"{shlex.join(argv[:3])}: exit code {done.returncode} under {EMULATOR}",
            evidence=done.stderr[-EVIDENCE_BYTES:],
        )
    return done


def _read_counts(text: str, names: Mapping[Any, Any]) -> dict[str, Cost]:
    """Of lines "PART INSTRUCTIONS CYCLES BYTES", where a part is a layer's number and one."""
    costs = {}
    for line in text.splitlines():
        part, instructions, cycles, moved = line.split()
        costs[str(names[int(part) - 1])] = Cost(
            instructions=int(instructions), cycles=float(cycles), bytes=int(moved)
        )
    return costs


@contextmanager
def open_machine(nnrun: Path) -> Iterator[Machine]:
    """A machine to count on; raises ``NotSetUp`` where the emulator is missing."""
    if not can_count():
        raise NotSetUp(
            f"{EMULATOR} is missing: nothing can be counted",
            remedy="install qemu-user of Debian bookworm, which has plugins",
        )
    with scratch_folder("piyard-counted-") as folder:
        compile_plugin(folder)
        for name, text in pi5.files().items():
            (folder / "root" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "root" / name).write_text(text)
        yield Machine(folder=folder, nnrun=nnrun)


def compile_plugin(folder: Path) -> None:
    """Put the plugin, for this machine, into the folder."""
    client = connect_engine()
    run_in_container(
        client,
        CROSS_IMAGE.ensure(client),
        [*COMPILER, "-o", f"/out/{PLUGIN}", "/src/cost.c"],
        mounts={"/src": (HERE, "ro"), "/out": (folder, "rw")},
        env={},
    )
