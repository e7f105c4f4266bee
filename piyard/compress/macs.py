"""Multiply-accumulates before and after, for people."""

from __future__ import annotations


def describe_macs(before: int, after: int) -> str:
    """``multiply-accumulates 300.8 M → 148.2 M (-51 %)``."""
    return (
        f"multiply-accumulates {before / 1e6:.1f} M → {after / 1e6:.1f} M "
        f"({100 * (after / before - 1):+.0f} %)"
    )
