"""Where things live: in the checkout, and per user under the XDG folders.

pip installs the checkout's folders inside the package (setup.py); artifacts and the user's boards
are then under the XDG folders.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
_WITHIN = PACKAGE / "checkout"
IS_INSTALLED = _WITHIN.is_dir()
ROOT = _WITHIN if IS_INSTALLED else PACKAGE.parent


def find_checkout() -> Path | None:
    """The checkout that the working folder belongs to, if any."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return None
    signs = ("yard", "tasks.py", "piyard/__main__.py")
    around = (here, *here.parents)
    return next((f for f in around if all((f / sign).is_file() for sign in signs)), None)


def artifacts() -> Path:
    """Builds, conversions, runs and results; ``PIYARD_ARTIFACTS`` moves it."""
    default = data() / "artifacts" if IS_INSTALLED else ROOT / "artifacts"
    return Path(os.environ.get("PIYARD_ARTIFACTS") or default).absolute()


def cache() -> Path:
    """What can be deleted and fetched or made again: downloads, ccache."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def data() -> Path:
    """What belongs to this user on this machine: the emulated boards' key, pinned host keys."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def config() -> Path:
    """What this user edits: the boards they own."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "piyard"
