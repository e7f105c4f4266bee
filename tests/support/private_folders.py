"""Folders of a test's own: what it measures, owns and trusts stays out of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.core import paths

MADE = ("conversions", "logs", "ncnn", "sources", "toolchains")
BUILDS = "builds"
"""Tests make up some of their own, which must not stay in the checkout's."""


def artifacts(patch: pytest.MonkeyPatch, folder: Path) -> Path:
    """What was built and converted is the checkout's; what is measured stays out of its reports."""
    mine, reference = folder / "artifacts", paths.artifacts()
    mine.mkdir()
    for shelf in MADE:
        (reference / shelf).mkdir(parents=True, exist_ok=True)
        (mine / shelf).symlink_to(reference / shelf)
    (reference / BUILDS).mkdir(parents=True, exist_ok=True)
    (mine / BUILDS).mkdir()
    for build in (reference / BUILDS).glob("[!.]*"):  # a build in progress begins with a dot
        (mine / BUILDS / build.name).symlink_to(build)
    patch.setenv("PIYARD_ARTIFACTS", str(mine))
    return mine


def everything(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Artifacts, inventory, and the host keys that were pinned."""
    artifacts(patch, folder)
    patch.setenv("PIYARD_FLEET", str(folder / "fleet.yaml"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    patch.setenv("XDG_DATA_HOME", str(folder / "data"))
