"""What integration tests share: real builds, conversions and boards, made once a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from piyard.board.emulator import EmulatedBoard, stop_emulated
from piyard.build.builder import Build, build_nnrun
from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.core.target import load_target
from piyard.models.definition import load_model
from piyard.results.result import Result
from piyard.run.job import RunOptions
from tests.support import private_folders, simulated_pi
from tests.support.plans import start_emulated
from tests.support.simulated import bench as simulated
from tests.support.simulated.bench import Measure
from tests.support.simulated_pi import SimulatedPi
from tests.support.ssh_server import Sshd, running

ROOT = Path(__file__).resolve().parents[2]

Invoke = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A real SSH server of this machine's architecture."""
    with running(tmp_path / "sshd") as server:
        yield server


@pytest.fixture(scope="session")
def rpi5_build() -> Build:
    """The full cross build, in the checkout's own artifacts."""
    return build_nnrun(load_target("rpi5"))


@pytest.fixture(scope="session")
def squeezenet() -> Conversion:
    """A small model with seeded random weights."""
    return convert_model(load_model("squeezenet1_1"), random_weights=True)


@pytest.fixture(scope="session")
def real_squeezenet(assets: Path) -> Conversion:
    """The same model with weights that know ImageNet."""
    return _convert("squeezenet1_1", assets)


@pytest.fixture(scope="session")
def real_mobilenet(assets: Path) -> Conversion:
    """Depthwise convolutions, with weights that know ImageNet."""
    return _convert("mobilenet_v2", assets)


def _convert(name: str, mirror: Path) -> Conversion:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIYARD_MIRROR", str(mirror))
        return convert_model(load_model(name))


@pytest.fixture(scope="session")
def emulated_rpi5() -> EmulatedBoard:
    """The emulated Pi 5; it stays up for whoever comes next."""
    return start_emulated("rpi5")


@pytest.fixture
def own_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What is measured stays out of the checkout's reports."""
    return private_folders.artifacts(monkeypatch, tmp_path)


@pytest.fixture
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Results, inventory and pinned host keys are the test's own."""
    private_folders.everything(monkeypatch, tmp_path)


@pytest.fixture
def invoke() -> Invoke:
    """Run an Invoke task as a user does."""

    def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *argv],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | env,
        )

    return run


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_results: Path) -> None:
    """No weights to be had: not on the network, nor in a mirror, nor from what was done before."""
    (own_results / "conversions").unlink()
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")


@pytest.fixture
def own_boards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[str], EmulatedBoard]]:
    """Start boards with keys of the test's own; they are gone after it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    started: list[EmulatedBoard] = []

    def start(name: str) -> EmulatedBoard:
        started.append(start_emulated(name))
        return started[-1]

    yield start
    for board in started:
        stop_emulated(board.name)


@pytest.fixture(scope="session")
def simulated_pis(
    tmp_path_factory: pytest.TempPathFactory, rpi5_build: Build, squeezenet: Conversion
) -> Iterator[list[SimulatedPi]]:
    """Two boards that pass for a Pi 5."""
    with ExitStack() as boards:
        folders = [tmp_path_factory.mktemp("pi") for _ in range(2)]
        yield [
            boards.enter_context(simulated_pi.running(folder, rpi5_build, squeezenet))
            for folder in folders
        ]


@pytest.fixture
def pi5(simulated_pis: list[SimulatedPi]) -> SimulatedPi:
    """One of them, with nothing wrong."""
    simulated_pis[0].calm()
    return simulated_pis[0]


@pytest.fixture
def measure(
    pi5: SimulatedPi, rpi5_build: Build, squeezenet: Conversion, own_folders: None
) -> Measure:
    """A benchmark on it."""

    def measured(options: RunOptions | None = None) -> Result:
        with simulated.line_to(pi5) as line:
            return simulated.measure(line, rpi5_build, squeezenet, options or RunOptions())

    return measured
