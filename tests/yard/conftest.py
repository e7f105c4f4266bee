from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .machine import Machine


@pytest.fixture
def make_machine() -> Iterator[Callable[..., Machine]]:
    """Machines of any kind. In a short folder: a socket's path has 108 characters at most."""
    result: list[Machine] = []

    def make(os_name: str = "debian", *, root: bool = True) -> Machine:
        result.append(Machine(Path(tempfile.mkdtemp(prefix="yard")), os_name, root=root))
        return result[-1]

    yield make
    for machine in result:
        machine.close()
        shutil.rmtree(machine.folder)


@pytest.fixture
def machine(make_machine: Callable[..., Machine]) -> Machine:
    """A fresh Debian without systemd, and we are root."""
    return make_machine()


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """The same, with everything set up."""
    machine.ready()
    return machine
