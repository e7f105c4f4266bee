"""What feeds nnrun on a board: the camera's and the film's scripts, run by a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from piyard.board.ssh.commands import script_text
from piyard.predict.command import Inputs, stdin_command
from tests.support import local_runs
from tests.support.local_board import new_board

CAMERA = r"""#!/bin/sh
printf '%s\n' "$@" > asked
printf 'JPEG%.0s' 1 2 3
"""
READER = 'cat > "$1"; shift; printf "%s\\n" "$@"'
"""Keeps what it is fed in the file named first, and says its other arguments."""


def tools(folder: Path, **programs: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name.replace("_", "-")).write_text(text)
        (folder / name.replace("_", "-")).chmod(0o700)
    return folder


def camera(
    folder: Path, *command: str, programs: Path, frames: str = "3"
) -> subprocess.CompletedProcess[str]:
    """The script as a run starts it, in an empty folder."""
    work = folder / "run"
    work.mkdir()
    return subprocess.run(
        ["sh", "-c", script_text("camera"), "camera", frames, "640", "480", *command],
        cwd=work,
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_cameras_frames_reach_the_command(tmp_path: Path) -> None:
    programs = tools(tmp_path / "bin", rpicam_vid=CAMERA)
    done = camera(tmp_path, "sh", "-c", READER, "reader", "fed", "$(id)", "a b", programs=programs)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "fed").read_text() == "JPEG" * 3
    assert done.stdout == "$(id)\na b\n"
    asked = (tmp_path / "run" / "asked").read_text().split()
    assert asked[asked.index("--frames") + 1] == "3"
    assert asked[asked.index("--width") + 1] == "640"
    assert asked[asked.index("--height") + 1] == "480"
    assert asked[asked.index("--output") + 1] == "-"
    assert asked[asked.index("--codec") + 1] == "mjpeg"


def test_an_older_system_has_the_camera_under_another_name(tmp_path: Path) -> None:
    programs = tools(tmp_path / "bin", libcamera_vid=CAMERA)
    assert camera(tmp_path, "cat", programs=programs).stdout == "JPEG" * 3


def test_the_newer_name_wins(tmp_path: Path) -> None:
    older = CAMERA.replace("JPEG", "OLD")
    programs = tools(tmp_path / "bin", rpicam_vid=CAMERA, libcamera_vid=older)
    assert camera(tmp_path, "cat", programs=programs).stdout == "JPEG" * 3


def test_a_board_without_the_program_says_what_to_install(tmp_path: Path) -> None:
    done = camera(tmp_path, "cat", programs=tools(tmp_path / "bin"))
    assert done.returncode == 127
    assert "rpicam-apps" in done.stderr


@pytest.mark.parametrize(("code", "reader", "wanted"), [(255, "exit 0", 1), (255, "exit 4", 4)])
def test_a_board_without_a_camera_says_what_the_program_said(
    tmp_path: Path, code: int, reader: str, wanted: int
) -> None:
    broken = f"#!/bin/sh\necho 'no cameras available' >&2\nexit {code}\n"
    programs = tools(tmp_path / "bin", rpicam_vid=broken)
    done = camera(tmp_path, "sh", "-c", reader, programs=programs)
    assert done.returncode == wanted
    assert ("no cameras available" in done.stderr) == (wanted == 1)


def test_the_commands_own_failure_is_the_runs(tmp_path: Path) -> None:
    programs = tools(tmp_path / "bin", rpicam_vid=CAMERA)
    done = camera(tmp_path, "sh", "-c", "cat > /dev/null; exit 3", programs=programs)
    assert done.returncode == 3


def test_a_camera_that_is_not_listened_to_ends(tmp_path: Path) -> None:
    endless = "#!/bin/sh\nwhile printf JPEGJPEGJPEG; do :; done 2> /dev/null\n"
    programs = tools(tmp_path / "bin", rpicam_vid=endless)
    assert camera(tmp_path, "sh", "-c", "exit 3", programs=programs).returncode == 3


@pytest.mark.parametrize("name", ["film.mjpeg", "a; touch evil.mjpeg", "$(touch evil).mjpeg"])
def test_a_film_reaches_the_command_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"JPEG" * 1000)
    done = subprocess.run(
        ["sh", "-c", script_text("film"), "film", name, "cat"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"JPEG" * 1000)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_run_gets_the_boards_camera_and_outlives_us(tmp_path: Path) -> None:
    board = new_board(tmp_path / "board")
    board.has_tool("rpicam-vid", CAMERA.removeprefix("#!/bin/sh\n"))
    words = stdin_command(Inputs(camera=True, frames=3), None)
    local_runs.start(board, *words, "sh", "-c", "wc -c; echo done >&2")
    assert local_runs.end_of(board).code == 0
    folder = board.yard / "runs" / local_runs.RUN
    assert (folder / "log.jsonl").read_text().strip() == str(3 * len("JPEG"))
    assert (folder / "stderr.txt").read_text() == "done\n"


def test_a_run_without_a_camera_ends_with_the_reason(tmp_path: Path) -> None:
    board = new_board(tmp_path / "board")
    words = stdin_command(Inputs(camera=True), None)
    local_runs.start(board, *words, "sh", "-c", "cat")
    assert local_runs.end_of(board).code == 127
    said = (board.yard / "runs" / local_runs.RUN / "stderr.txt").read_text()
    assert said == "this board has no rpicam-vid (apt install rpicam-apps)\n"
