"""Ctrl-C while boards are served by several threads: Python tells the main one only."""

from __future__ import annotations

import threading

_asked = threading.Event()


def ask() -> None:
    """Let all threads stop waiting at their next look."""
    _asked.set()


def forget() -> None:
    """Nobody asked (any more)."""
    _asked.clear()


def asked() -> bool:
    """Whether somebody asked for it."""
    return _asked.is_set()


def check() -> None:
    """Raise ``KeyboardInterrupt`` in any thread once stopping was asked for."""
    if _asked.is_set():
        raise KeyboardInterrupt
