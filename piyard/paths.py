"""Where things live: in the checkout, and per user under the XDG folders."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def artifacts() -> Path:
    """Everything that is made; ``PIYARD_ARTIFACTS`` moves it."""
    return Path(os.environ.get("PIYARD_ARTIFACTS") or ROOT / "artifacts").absolute()


def cache() -> Path:
    """What may be thrown away and fetched or made again: downloads, ccache."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def data() -> Path:
    """What belongs to this user on this machine: the emulated boards' key, pinned host keys."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def config() -> Path:
    """What this user writes or has written by hand: the boards they own."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "piyard"
