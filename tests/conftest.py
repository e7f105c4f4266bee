"""What every test shares: where real assets are, and how to skip without them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT.parent / "shared" / "assets"


@pytest.fixture(scope="session")
def assets() -> Iterator[Path]:
    """Real weights and pictures, named in PIYARD_MIRROR; or a skip where there are none."""
    mirror = os.environ.get("PIYARD_MIRROR")
    folder = Path(mirror) if mirror else ASSETS
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip(f"no real weights and pictures at {folder} (PIYARD_MIRROR)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIYARD_MIRROR", str(folder))
        yield folder
