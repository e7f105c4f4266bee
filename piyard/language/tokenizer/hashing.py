"""Tables that are looked up where they lie in the file: buckets, and their entries side by side.

The entries of bucket b are those from ``buckets[b]`` to ``buckets[b + 1]``. nnrun has the same two
hashes in runner/src/text/vocabulary.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint32]
FNV_BASIS, FNV_PRIME = 0x811C9DC5, 0x01000193
LEFT_FACTOR, RIGHT_FACTOR = 0x9E3779B1, 0x85EBCA77


def hash_texts(texts: Sequence[bytes]) -> Numbers:
    """FNV-1a of each, a column of bytes at a time, and a last step that mixes the high bits in."""
    lengths = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    content = np.frombuffer(b"".join(texts), np.uint8).astype(np.uint32)
    hashes = np.full(len(texts), FNV_BASIS, np.uint32)
    for column in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > column)
        hashes[rows] = (hashes[rows] ^ content[starts[rows] + column]) * np.uint32(FNV_PRIME)
    return _fold(hashes)


def hash_pairs(left: Numbers, right: Numbers) -> Numbers:
    """Of two ids."""
    mixed = (left * np.uint32(LEFT_FACTOR)) ^ (right * np.uint32(RIGHT_FACTOR))
    return _fold(mixed)


def _fold(hashes: Numbers) -> Numbers:
    """The low bits choose a bucket: mix the high ones in."""
    folded: Numbers = hashes ^ (hashes >> np.uint32(15))
    return folded


def make_buckets(hashes: Numbers) -> tuple[Numbers, npt.NDArray[np.intp]]:
    """Where each bucket begins, and the order of the entries: about one a bucket."""
    count = 1 << max(len(hashes) - 1, 1).bit_length()
    buckets = hashes & np.uint32(count - 1)
    order = np.argsort(buckets, kind="stable")
    begins = np.searchsorted(buckets[order], np.arange(count + 1))
    return begins.astype(np.uint32), order
