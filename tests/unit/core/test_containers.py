"""Containers and programs of the build that end with whoever started them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import docker
from piyard.build.images import _run_with_progress
from piyard.core.containers import run_in_container


class PretendedEngine:
    """An engine that makes the container ``late`` questions after Ctrl-C came."""

    def __init__(self, late: int) -> None:
        self.containers = self.api = self
        self.late = late
        self.name = ""

    def run(self, _image: str, _argv: list[str], *, name: str, **_options: Any) -> Any:
        self.name = name
        raise KeyboardInterrupt

    def remove_container(self, name: str, *, force: bool, v: bool) -> None:
        assert (name, force, v) == (self.name, True, True)
        if self.late > 0:
            self.late -= 1
            raise docker.errors.NotFound("no such container yet")
        self.late = -1


@pytest.mark.parametrize("late", [0, 2])
def test_ctrl_c_before_the_engine_answers_leaves_no_container(late: int) -> None:
    client: Any = PretendedEngine(late)
    with pytest.raises(KeyboardInterrupt):
        run_in_container(client, "image", ["true"], mounts={}, env={})
    assert client.late == -1


def test_ctrl_c_ends_what_makes_a_base_image(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped:
        def update(self, *_figures: Any) -> None:
            raise KeyboardInterrupt

    ended: list[int] = []
    wait = subprocess.Popen.wait

    def waited(self: Any, timeout: float | None = None) -> int:
        code: int = wait(self, timeout)
        ended.append(code)
        return code

    monkeypatch.setattr(subprocess.Popen, "wait", waited)
    program = "import time; print('begun', flush=True); time.sleep(600)"
    step: Any = Stopped()
    with pytest.raises(KeyboardInterrupt):
        _run_with_progress([sys.executable, "-c", program], step)
    assert ended[0] == -15
