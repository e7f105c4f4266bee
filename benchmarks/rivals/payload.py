"""What everybody puts on the boards: a release of ten files, made the same each time.

One is as large as a model's weights and compresses as little, one is a program, eight are text of
10 to 600 KB. The largest of the eight is the one that changes.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from piyard.core import paths
from piyard.core.files import sha256_of_file

KB, MB = 1000, 1_000_000
MODEL, PROGRAM, CHANGED = "model.bin", "nnrun", "graph.param"
MODEL_BYTES, PROGRAM_BYTES = 50 * MB, 6 * MB
TEXTS = {
    "classes.txt": 10 * KB,
    "anchors.txt": 20 * KB,
    "license.txt": 40 * KB,
    "manifest.json": 60 * KB,
    "proof.json": 100 * KB,
    "input.ppm": 150 * KB,
    "second.param": 300 * KB,
    CHANGED: 600 * KB,
}
WORDS = ["Convolution", "ReLU", "Split", "Pooling", "InnerProduct", "0=64", "1=3", "4=1", "5=1"]
SCALE = 0.05
"""Deviation of made-up weights, about that of a trained network's."""


@dataclass(frozen=True)
class Payload:
    """The ten files in a folder of this machine."""

    folder: Path

    @property
    def files(self) -> list[Path]:
        """All of them, in the order of their names."""
        return sorted(self.folder.iterdir())

    @property
    def changed(self) -> Path:
        """The one that changes."""
        return self.folder / CHANGED

    def digests(self) -> dict[str, str]:
        """The sha256 of each file by its name."""
        return {file.name: sha256_of_file(file) for file in self.files}

    def change(self, turn: int) -> None:
        """Give the one file a content it never had; the others stay as they are."""
        self.changed.write_bytes(_text(TEXTS[CHANGED], turn))

    def changed_alone(self) -> int:
        """Bytes of the changed file, compressed by itself as ``zstd -3`` does."""
        import zstandard

        return len(zstandard.ZstdCompressor(level=3).compress(self.changed.read_bytes()))


def make(folder: Path) -> Payload:
    """The ten files, in a folder that is made."""
    folder.mkdir(parents=True)
    (folder / MODEL).write_bytes(_weights(MODEL_BYTES))
    _make_program(folder / PROGRAM)
    for seed, (name, size) in enumerate(TEXTS.items()):
        (folder / name).write_bytes(_text(size, -seed - 1))
    return Payload(folder)


def sums(digests: dict[str, str]) -> str:
    """Digests as ``sha256sum -c`` reads them."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in digests.items())


def _weights(size: int) -> bytes:
    import numpy as np

    random_weights = np.random.default_rng(0).normal(0, SCALE, size // 4)
    return random_weights.astype(np.float32).tobytes()


def _make_program(file: Path) -> None:
    """The newest nnrun that was built here, or as many random bytes."""
    built = sorted(paths.artifacts().glob("builds/*/nnrun"), key=_age)
    if built:
        shutil.copyfile(built[-1], file)
    else:
        file.write_bytes(random.Random(0).randbytes(PROGRAM_BYTES))
    file.chmod(0o755)


def _age(file: Path) -> float:
    return file.stat().st_mtime


def _text(size: int, seed: int) -> bytes:
    chosen = random.Random(seed)
    lines: list[str] = []
    left = size
    while left > 0:
        lines.append(_line(chosen, WORDS))
        left -= len(lines[-1])
    return "".join(lines).encode()[:size]


def _line(chosen: random.Random, words: Sequence[str]) -> str:
    return f"{' '.join(chosen.choices(words, k=6))} {chosen.random()}\n"
