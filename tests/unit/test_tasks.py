"""The command line as a user types it: names, flags, help, and what a mistake costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def invoke(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_lists_all_tasks() -> None:
    listed = invoke("--list").stdout
    for name in (
        *("build", "convert", "deploy", "bench", "deploy-bench", "run", "report", "doctor"),
        *(
            "board.up",
            "board.down",
            "board.list",
            "model.list",
            "model.add",
            "test",
            "lint",
            "clean",
        ),
        *(
            "runs",
            "attach",
            "fetch",
            "cancel",
            "rollback",
            "history",
            "compare",
            "ab",
            "evaluate",
            "prove",
        ),
        *("fleet.list", "fleet.add"),
        *("fleet.remove", "fleet.facts", "fleet.doctor", "fleet.exec", "fleet.trust"),
        *("fleet.gc", "fleet.locks", "fleet.power", "fleet.places"),
    ):
        assert f" {name} " in listed


def test_the_program_itself_finds_everything() -> None:
    """``python -m`` puts the checkout on the path, the installed program does not."""
    done = subprocess.run(
        [Path(sys.executable).parent / "invoke", "build", "--dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "ncnn" in done.stdout


def test_listing_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "invoke", "--search-root", str(ROOT), "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "invoke" in loaded
    assert not loaded & {
        "torch",
        "docker",
        "paramiko",
        "fabric",
        "numpy",
        "msgspec",
        "ncnn",
        "rich",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("build", "convert", "deploy", "bench", "deploy-bench", "run", "report", "attach"),
        *(
            "evaluate",
            "prove",
            "runs",
            "fetch",
            "cancel",
            "rollback",
            "fleet.add",
            "fleet.exec",
            "fleet.gc",
        ),
        *("model.add", "model.list"),
    ],
)
def test_every_flag_has_a_help_text(name: str) -> None:
    text = invoke("--help", name).stdout
    assert "Docstring:" in text
    flags = [line for line in text.splitlines() if line.startswith("  -")]
    assert flags
    assert all(len(line.split("  ")[-1].strip()) > 3 and "--" in line for line in flags)


def test_repeated_flags_and_dashes() -> None:
    done = invoke(
        *("deploy-bench", "--host", "emulated:rpi5", "--host", "emulated:rpi4"),
        *("--threads", "1", "--threads", "2", "--precision", "fp32", "--dry-run"),
    )
    assert done.stdout.splitlines() == [
        f"bench: resnet18 fp32, {threads} threads, on emulated:{target} ({target})"
        for target in ("rpi5", "rpi4")
        for threads in (1, 2)
    ]


def test_no_host_is_the_emulated_board_and_says_so() -> None:
    done = invoke("deploy-bench", "--dry-run")
    assert "using emulated:rpi5, an emulated board" in done.stderr
    assert "emulated:rpi5" in done.stdout


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["build", "--target", "rpi6"], 3, "unknown target 'rpi6', did you mean 'rpi5'?"),
        (["convert", "--model", "resnet-18"], 3, "did you mean 'resnet18'?"),
        (["bench", "--precision", "fp61", "--dry-run"], 3, "did you mean 'fp16'?"),
        (["bench", "--host", "emulated:rpi", "--dry-run"], 3, "unknown target 'rpi'"),
        (["bench", "--host", "a b", "--dry-run"], 3, "'a b' is not a host"),
        (["bench", "--threads", "many", "--dry-run"], 3, "--threads takes a whole number"),
        (["bench", "--loops", "few", "--dry-run"], 3, "--loops takes a whole number"),
        (["bench", "--budget", "long", "--dry-run"], 3, "--budget takes seconds"),
        (["bench", "--limit", "0", "--dry-run"], 3, "--limit takes a whole number"),
        (["bench", "--loops", "1", "--budget", "2", "--dry-run"], 3, "exclude each other"),
        (["bench", "--format", "xml", "--dry-run"], 3, "unknown format 'xml'"),
        (["run"], 3, "no --input"),
        (["run", "--input", "no/such.jpg"], 3, "there is no picture no/such.jpg"),
        (["report"], 3, "no results are stored yet"),
        (["report", "--run", "x"], 3, "no run is named 'x'"),
        (["attach", "x"], 3, "no run is named 'x'"),
        (["cancel", "--help"], 3, "no run is named '--help'"),
        (["fleet.add"], 3, "no --host"),
        (["fleet.add", "--host", "a b"], 3, "'a b' is not a host"),
        (["fleet.remove", "pi9"], 3, "pi9"),
        (["fleet.exec", "--host", "a", "--command", ""], 3, "--command is empty"),
        (["fleet.exec", "--host", "a", "--command", "'"], 3, "--command: No closing quotation"),
        (["fleet.facts"], 3, "the inventory has no board"),
        (["fleet.list", "--host", "@lab"], 3, "no board has the tag 'lab'"),
        (["fleet.power", "--host", "a"], 3, "a does not come from labgrid"),
        (["deploy", "--all"], 3, "the inventory has no board"),
        (["deploy", "--retry-failed"], 3, "no deploy failed last time"),
        (["deploy", "--link-limit", "fast"], 3, "--link-limit takes bytes a second"),
        (["build", "--source", "cvs", "--dry-run"], 3, "unknown ncnn source 'cvs'"),
    ],
)
def test_a_mistake_is_one_clear_line_with_its_code(argv: list[str], code: int, said: str) -> None:
    done = invoke(*argv)
    assert said in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "→" in done.stderr


def test_no_engine_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    done = invoke("board.list")
    assert done.returncode == 2
    assert "no container engine answers" in done.stderr
    assert "./yard --setup" in done.stderr


def test_a_dry_run_of_a_build_touches_nothing(tmp_path: Path) -> None:
    done = invoke("build", "--target", "rpi5", "--dry-run")
    assert done.returncode == 0
    assert "build ncnn 20261020 (aarch64)" in done.stdout
    assert not (tmp_path / "artifacts" / "builds").exists()


def test_clean_says_what_it_would_remove(tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "builds").mkdir(parents=True)
    (tmp_path / "artifacts" / "runs").mkdir()
    assert invoke("clean", "--dry-run").stdout == f"remove {tmp_path / 'artifacts' / 'builds'}\n"
    assert (tmp_path / "artifacts" / "builds").is_dir()
    invoke("clean")
    assert sorted(p.name for p in (tmp_path / "artifacts").iterdir()) == ["runs"]
