"""The runner's own unit tests, in C++: what needs neither a net nor a picture."""

from __future__ import annotations

import subprocess

import pytest

from piyard.build.builder import build_ncnn, open_workspace
from piyard.core import console
from tests.support import tiny_ncnn

pytestmark = pytest.mark.docker


def test_the_unit_tests_in_cpp_hold():
    how = tiny_ncnn.recipe("desktop")
    mounts = {"/src": (how.runner, "ro"), "/ncnn": (build_ncnn(how), "ro")}
    with (
        open_workspace(how.toolchain.cmake_file, mounts) as work,
        console.step("unit tests") as progress,
    ):
        work.configure("/src", "/usr", how.nnrun_options | {"NNRUN_TESTS": True}, progress)
        work.build(progress)
        done = subprocess.run(
            [work.folder / "nnrun_tests"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
        assert "SUCCESS" in done.stdout
