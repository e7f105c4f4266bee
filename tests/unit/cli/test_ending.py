"""How a command ends: closed pipes, Ctrl-C, and disks of this machine, as a shell sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from piyard.core import paths
from piyard.core.cancel import wait_until
from piyard.core.store import file_lock
from tests.support import file_systems

ROOT = Path(__file__).resolve().parents[3]
WAITS = """
import sys, time
sys.path.insert(0, sys.argv[1])
import tasks
print("waiting", flush=True)
try:
    time.sleep(60)
finally:
    print("left behind nothing", flush=True)
"""


def start(*argv: str, **streams: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *argv]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen(command, **both)  # type: ignore[call-overload, no-any-return]


def ended(running: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The exit code, and what was said on standard error."""
    with running:
        said = running.stderr.read().decode() if running.stderr else ""
        return running.wait(60), said


@pytest.mark.parametrize("argv", [["--list"], ["model.list"], ["--help", "bench"]])
def test_a_reader_that_goes_away_ends_it_as_other_tools(argv: list[str]) -> None:
    running = start(*argv)
    assert running.stdout
    running.stdout.close()
    assert ended(running) == (141, "")


def test_a_shell_sees_what_it_sees_of_other_tools() -> None:
    command = f"{sys.executable} -m invoke --search-root {ROOT} --list | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_an_error_that_nobody_reads_is_quiet() -> None:
    running = start("build", "--target", "no-such")
    assert running.stderr
    running.stderr.close()
    running.stderr = None
    assert ended(running) == (141, "")


def test_notes_that_nobody_reads_do_not_stop_the_work() -> None:
    running = start("model.list")
    assert running.stdout
    assert running.stderr
    running.stderr.close()
    running.stderr = None
    assert b"resnet18" in running.stdout.read()
    assert ended(running) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("argv", [["--list"], ["build", "--dry-run", "--target", "desktop"]])
def test_output_that_cannot_be_written_is_one_line(argv: list[str]) -> None:
    with Path("/dev/full").open("wb") as nowhere:
        code, said = ended(start(*argv, stdout=nowhere.fileno()))
    assert code == 2
    assert said.startswith("piyard: standard output: no room is left on its disk\n  → ")
    assert said.count("\n") == 2


def test_ctrl_c_is_quiet_and_cleans_up() -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(ROOT)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout
    assert running.stdout.readline() == b"waiting\n"
    running.send_signal(signal.SIGINT)
    assert ended(running) == (130, "piyard: stopped by Ctrl-C\n")


def test_ctrl_c_ends_a_task_that_waits_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says whom it waits for, changes nothing, and the shell hears of Ctrl-C."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("boards: {pi5-a: {host: 127.0.0.1}}\n")
    monkeypatch.setenv("PIYARD_FLEET", str(fleet))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with file_lock(paths.data() / "fleet.lock"):
        running = start("fleet.remove", "pi5-a")
        assert running.stderr
        said = running.stderr.readline().decode()
        assert f"(process {os.getpid()}, since " in said
        assert said.endswith("fleet.lock; Ctrl-C stops\n")
        running.send_signal(signal.SIGINT)
        assert ended(running) == (130, "piyard: stopped by Ctrl-C\n")
    assert "pi5-a" in fleet.read_text()


CONVERTS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import tasks
from piyard.convert import lowering
lowering._pnnx_path = lambda: sys.argv[2]
at = Path(sys.argv[3])
lowering.lower_program(at / "model.pt", [[1, 3, 8, 8]], at, half=False)
"""


def test_ctrl_c_ends_the_converter_too(tmp_path: Path) -> None:
    """Though only piyard itself heard of it, as under a supervisor."""
    converter = tmp_path / "pnnx"
    converter.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    converter.chmod(0o700)
    running = subprocess.Popen(
        [sys.executable, "-c", CONVERTS, str(ROOT), str(converter), str(tmp_path)],
        stderr=subprocess.PIPE,
    )
    assert (pid := wait_until(lambda: written(tmp_path / "pid"), 30))
    running.send_signal(signal.SIGINT)
    assert ended(running) == (130, "piyard: stopped by Ctrl-C\n")
    assert wait_until(lambda: not is_alive(pid) or None, 10)


def written(file: Path) -> int | None:
    """The number in a file, once it is there."""
    return int(file.read_text()) if file.is_file() and file.read_text() else None


def is_alive(pid: int) -> bool:
    """One that is dead has no command any more, whether or not somebody buried it."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_a_fault_of_piyards_own_keeps_its_traceback() -> None:
    broken = WAITS.replace("time.sleep(60)", "1 / 0")
    done = subprocess.run(
        [sys.executable, "-c", broken, str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def no_folder(place: Path) -> None:
    place.rmdir()
    place.write_text("a file, no folder")


def gone(place: Path) -> None:
    place.rmdir()
    place.symlink_to(place.with_name("an unplugged disk") / "artifacts")


@pytest.mark.parametrize("spoil", [no_folder, gone])
@pytest.mark.parametrize(
    "argv", [["clean"], ["report"], ["history"], ["runs"], ["report", "--format", "html"]]
)
def test_artifacts_that_cannot_be_had_are_never_a_traceback(
    argv: list[str], spoil: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "artifacts"
    place.mkdir()
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(place))
    spoil(place)
    code, said = ended(start(*argv))
    assert "Traceback" not in said
    assert code in {0, 2, 3}, said


def test_a_fleet_on_a_full_disk_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_systems.mounted(tmp_path / "full", "64k") as place:
        fleet = place / "fleet.yaml"
        fleet.write_text("boards:\n  pi5-a:\n    host: 127.0.0.1\n  pi5-b:\n    host: 127.0.0.2\n")
        monkeypatch.setenv("PIYARD_FLEET", str(fleet))
        (place / "filler").write_bytes(b"\0" * 60_000)
        code, said = ended(start("fleet.remove", "pi5-a"))
        assert said.splitlines()[0] == f"piyard: {fleet}: no room is left on its disk"
        assert code == 3
        assert "pi5-a" in fleet.read_text()
        assert sorted(path.name for path in place.iterdir()) == ["filler", "fleet.yaml"]


@pytest.mark.parametrize(
    "argv", [["build", "--target", "desktop"], ["convert", "--random-weights"], ["report"]]
)
def test_a_read_only_place_for_artifacts_is_one_line_with_a_remedy(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    with file_systems.read_only(tmp_path / "artifacts"):
        code, said = ended(start(*argv))
    assert "Traceback" not in said
    if argv != ["report"]:
        assert f"piyard: {tmp_path / 'artifacts'}" in said
        assert "PIYARD_ARTIFACTS" in said.splitlines()[-1]
        assert code == 2
