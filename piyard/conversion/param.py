"""ncnn's .param: a network as text, one layer a line, and the .bin with its weights.

``type name inputs outputs input-blobs output-blobs key=value ...``, after the magic number and a
line with both counts (ncnn's docs/developer-guide/param-and-model-file-structure.md).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.errors import ConversionFailed

MAGIC = "7767517"


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a .param."""

    type: str
    name: str
    bottoms: list[str]
    tops: list[str]
    settings: dict[str, str] = {}
    """Key → value, as written; what they mean depends on the layer's type."""

    def number(self, key: int, default: int = 0) -> int:
        """A setting that is an integer."""
        return int(self.settings.get(str(key), default))


def read(path: Path) -> list[Layer]:
    """The layers of a .param, in order; ``ConversionFailed`` names a line that is not one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ConversionFailed(f"{path.name} is not an ncnn .param file (not text)") from None
    if not lines or lines[0].strip() != MAGIC:
        raise ConversionFailed(f"{path.name} is not an ncnn .param file (bad magic number)")
    layers = [_layer(path, number, line) for number, line in enumerate(lines[2:], 3) if line]
    _require_all(path, lines, layers)
    return layers


def _layer(path: Path, number: int, line: str) -> Layer:
    words = line.split()
    try:
        inputs, outputs = int(words[2]), int(words[3])
        blobs = words[4 : 4 + inputs + outputs]
        settings = dict(word.partition("=")[::2] for word in words[4 + inputs + outputs :])
    except (IndexError, ValueError):
        blobs, settings, inputs, outputs = [], {}, 0, 1
    if len(blobs) != inputs + outputs:
        raise ConversionFailed(f"{path.name}:{number} is truncated", evidence=line[:160])
    tops = blobs[inputs:]
    return Layer(type=words[0], name=words[1], bottoms=blobs[:inputs], tops=tops, settings=settings)


def _require_all(path: Path, lines: list[str], layers: list[Layer]) -> None:
    counts = lines[1].split() if len(lines) > 1 else []
    if not counts or not counts[0].isdigit() or int(counts[0]) != len(layers):
        raise ConversionFailed(
            f"{path.name} declares {counts[0] if counts else 'no'} layers, but has {len(layers)}",
            remedy="the file is truncated, or was edited without changing its second line",
        )
