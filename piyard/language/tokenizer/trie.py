"""A trie of byte strings in three flat arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Trie(NamedTuple):
    """Node 0 is the root; the edges of a node are sorted by their byte."""

    nodes: npt.NDArray[np.uint32]
    """Rows of (first edge, number of edges, value + 1 or 0)."""
    edge_bytes: npt.NDArray[np.uint8]
    edge_targets: npt.NDArray[np.uint32]


def make_trie(entries: Iterable[tuple[bytes, int]]) -> Trie:
    """Of byte strings with a value each; the first of two that are the same counts."""
    children: list[dict[int, int]] = [{}]
    values = [0]
    for text, value in entries:
        node = 0
        for byte in text:
            following = children[node].setdefault(byte, len(children))
            if following == len(children):
                children.append({})
                values.append(0)
            node = following
        values[node] = values[node] or value + 1
    return _flatten(children, values)


def _flatten(children: list[dict[int, int]], values: list[int]) -> Trie:
    rows: list[tuple[int, int, int]] = []
    edge_bytes, targets = bytearray(), list[int]()
    for edges, value in zip(children, values, strict=True):
        rows.append((len(targets), len(edges), value))
        for byte in sorted(edges):
            edge_bytes.append(byte)
            targets.append(edges[byte])
    return Trie(
        np.array(rows, np.uint32),
        np.frombuffer(bytes(edge_bytes), np.uint8),
        np.array(targets, np.uint32),
    )
