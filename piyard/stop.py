"""Cancelling several threads by Ctrl-C: Python raises it in the main thread only."""

from __future__ import annotations

import threading

_asked = threading.Event()


def ask() -> None:
    """Let all threads stop at their next check."""
    _asked.set()


def forget() -> None:
    """Forget an earlier request."""
    _asked.clear()


def asked() -> bool:
    """Whether cancelling was requested."""
    return _asked.is_set()


def check() -> None:
    """Raise ``KeyboardInterrupt``, in any thread, once cancelling was requested."""
    if _asked.is_set():
        raise KeyboardInterrupt
