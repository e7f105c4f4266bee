"""What pip installs works without the checkout, and holds nothing of its user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from piyard import __version__

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    *("piyard", "targets", "models", "toolchains", "docker", "runner", "requirements"),
    *("tasks.py", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "yard"),
)
SHIPPED = ("targets", "models", "toolchains", "docker", "runner")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, with somebody's boards in it."""
    source = tmp_path_factory.mktemp("source")
    written_meanwhile = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=written_meanwhile)
        else:
            shutil.copy(ROOT / name, source / name)
    (source / "targets" / "fleet.yaml").write_text("boards: {mine: {host: mine.local}}\n")
    return source


@pytest.fixture(scope="module")
def site(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel was unpacked into."""
    built = tmp_path_factory.mktemp("built")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    done = subprocess.run(
        [*pip, "-w", str(built), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(built / "site")
    return built / "site"


def files(folder: Path) -> set[str]:
    result = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in result if "__pycache__" not in path.parts}


def piyard(
    site: Path, home: Path, *words: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "piyard", *words],
        cwd=folder or home,
        env=environment | {"HOME": str(home), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_wheel_holds_all_that_a_checkout_needs(site: Path) -> None:
    checkout = site / "piyard" / "checkout"
    for name in SHIPPED:
        assert files(checkout / name) == files(ROOT / name) - {"fleet.yaml"}
    assert (checkout / "tasks.py").read_bytes() == (ROOT / "tasks.py").read_bytes()
    shipped = {name for name in files(site / "piyard") if not name.startswith("checkout/")}
    assert shipped == files(ROOT / "piyard")
    assert (site / f"piyard-{__version__}.dist-info").is_dir()


def test_it_gives_a_command(site: Path) -> None:
    entry = site / f"piyard-{__version__}.dist-info" / "entry_points.txt"
    assert "piyard = piyard.__main__:main" in entry.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--version"], f"piyard {__version__}, ncnn "),
        (["--list"], "deploy-bench"),
        (["bench", "--dry-run"], "on emulated:rpi5 (rpi5)"),
        (["build", "--dry-run"], "build nnrun (aarch64)"),
        (["model.list"], "mobilenet_v2"),
        (["--print-completion-script", "bash"], "complete -F _complete_piyard -o default piyard"),
    ],
)
def test_it_works_from_any_folder(site: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = piyard(site, tmp_path / "home", *words)
    assert said in done.stdout
    assert done.returncode == 0, done.stderr


def test_what_it_makes_is_the_users(site: Path, tmp_path: Path) -> None:
    before = files(site)
    (tmp_path / "home" / ".local" / "share" / "piyard" / "artifacts" / "builds").mkdir(parents=True)
    done = piyard(site, tmp_path / "home", "clean", "--dry-run")
    result = tmp_path / "home" / ".local" / "share" / "piyard" / "artifacts" / "builds"
    assert done.stdout == f"remove {result}\n"
    assert "mine" not in piyard(site, tmp_path / "home", "fleet.list").stdout
    assert files(site) == before


@pytest.mark.parametrize("task", ["test", "lint"])
def test_its_own_tests_are_the_checkouts(site: Path, tmp_path: Path, task: str) -> None:
    done = piyard(site, tmp_path / "home", task)
    assert done.returncode == 3
    assert "in a checkout: ./yard lint, ./yard test" in done.stderr


@pytest.mark.parametrize("folder", ["", "models"])
def test_in_a_checkout_it_is_that_checkouts(
    source: Path, site: Path, tmp_path: Path, folder: str
) -> None:
    result = source / "artifacts" / "builds"
    result.mkdir(parents=True, exist_ok=True)
    done = piyard(site, tmp_path / "home", "clean", "--dry-run", folder=source / folder)
    assert (done.stdout, done.stderr) == (f"remove {result}\n", "")
    assert "mine" in piyard(site, tmp_path / "home", "fleet.list", folder=source / folder).stdout
