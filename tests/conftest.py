"""What every test shares: where real assets are, and how to skip without them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.scheduling import ScopeScheduling, rank_of

# A shell that starts something in the background makes it deaf to Ctrl-C, and all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails for being slow: other tests run on the other cores.
settings.register_profile("piyard", deadline=None)
settings.load_profile("piyard")

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Which tests may run side by side: tests/support/scheduling.py."""
    config.option.loadscopereorder = False
    return ScopeScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker, what takes longest comes first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank_of(item.nodeid))
