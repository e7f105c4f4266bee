"""What every test shares: where real assets are, and how to skip without them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# A shell that starts something in the background makes it deaf to Ctrl-C, and all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT.parent / "shared" / "assets"


@pytest.fixture(scope="session")
def assets() -> Path:
    """Real weights and pictures, or a skip where there are none."""
    mirror = os.environ.get("PIYARD_MIRROR")
    folder = Path(mirror) if mirror else ASSETS
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip(f"no real weights and pictures at {folder} (PIYARD_MIRROR)")
    return folder
