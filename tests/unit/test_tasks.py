"""The command line as a user types it: names, flags, help, and what a mistake costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from piyard import __version__

ROOT = Path(__file__).resolve().parents[2]


def invoke(*argv: str) -> subprocess.CompletedProcess[str]:
    return python_m("invoke", "--search-root", str(ROOT), *argv)


def python_m(module: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *argv],
        cwd=ROOT,
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
            "model.remove",
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
            "compress",
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
        *("data", "model.add", "model.list", "model.remove", "compress"),
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


def test_an_emulated_board_of_the_inventory_is_planned_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleet.yaml").write_text("boards:\n  lab: {host: emulated:rpi5, target: rpi5}\n")
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "fleet.yaml"))
    cores = min(4, os.cpu_count() or 1)
    by_name = invoke("bench", "--host", "lab", "--precision", "fp32", "--dry-run")
    assert by_name.stdout == f"bench: resnet18 fp32, {cores} threads, on lab (rpi5)\n"
    too_many = invoke("bench", "--host", "lab", "--threads", str(cores + 1), "--dry-run")
    assert f"→ --threads {cores}" in too_many.stderr
    assert too_many.returncode == 3


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inventory of one board that is switched off, so that its name is not found."""
    (tmp_path / "lab.yaml").write_text(
        "boards:\n  pi5-a: {host: pi5-a.invalid, target: rpi5, tags: [lab]}\n"
    )
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "lab.yaml"))


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("options", [[], ["--target", "rpi5"]])
@pytest.mark.parametrize("verb", ["bench", "deploy", "prove"])
def test_a_dry_run_names_a_host_that_is_unknown(verb: str, options: list[str]) -> None:
    model = ("--model", "resnet18", "--dry-run", *options)
    alone = invoke(verb, "--host", "pi5-b", *model)
    assert (alone.returncode, alone.stdout) == (7, "")
    assert "no host 'pi5-b', did you mean 'pi5-a'?" in alone.stderr
    beside = invoke(verb, "--host", "emulated:rpi5", "--host", "pi5-b", *model)
    assert beside.returncode == 7
    assert "on emulated:rpi5 (rpi5)" in beside.stdout
    assert "no host 'pi5-b'" in beside.stderr
    both = invoke(verb, "--host", "@lab", "--host", "pi5-b", "--host", "pi5-c.invalid", *model)
    assert both.returncode == 1
    assert "on pi5-a (rpi5)" in both.stdout
    assert "2 of 3 boards cannot be used" in both.stderr
    assert "no host 'pi5-c.invalid'" in both.stderr


@pytest.mark.usefixtures("lab")
def test_a_dry_run_changes_nothing_about_what_failed(tmp_path: Path) -> None:
    invoke("bench", "--host", "pi5-b", "--dry-run")
    assert not (tmp_path / "artifacts").exists()


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
        (["run", "--input", "no/such.jpg"], 3, "no such picture: no/such.jpg"),
        (["bench", "--precision", "int8", "--dry-run"], 3, "resnet18 has no quantised layer"),
        (["prove", "--precision", "int8", "--dry-run"], 3, "resnet18 has no quantised layer"),
        (["bench", "--threads", "999", "--dry-run"], 3, "--threads 999: emulated:rpi5 has"),
        (["bench", "--host", "pi5-b", "--target", "rpi6"], 3, "unknown target 'rpi6'"),
        (["rollback", "--host", "pi5-b", "--target", "fleet"], 3, "unknown target 'fleet'"),
        (["report"], 3, "no results are stored yet"),
        (["report", "--run", "x"], 3, "no run is named 'x'"),
        (["attach", "x"], 3, "no run is named 'x'"),
        (["cancel"], 3, "cancel needs: run"),
        (["cancel", "-x"], 3, "unknown flag '-x' of cancel"),
        (["benhc"], 3, "unknown task 'benhc', did you mean 'bench'?"),
        (["gc"], 3, "unknown task 'gc', did you mean 'fleet.gc'?"),
        (["fleet.fact"], 3, "unknown task 'fleet.fact', did you mean 'fleet.facts'?"),
        (["fleet"], 3, "'fleet' is a group of tasks"),
        (["--help=benhc"], 3, "unknown task 'benhc', did you mean 'bench'?"),
        (["--list", "boards"], 3, "unknown group of tasks 'boards'"),
        (
            ["bench", "--theads", "4"],
            3,
            "unknown flag '--theads' of bench, did you mean '--threads'",
        ),
        (["--dry-run", "bench"], 3, "unknown flag '--dry-run' before any task"),
        (["--versoin"], 3, "unknown flag '--versoin' before any task, did you mean '--version'"),
        (["--dry", "bench"], 3, "--dry-run, after the task"),
        (["bench", "--", "-x"], 3, "nothing reads what follows '--': -x"),
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


TASKS = (
    *("ab", "attach", "bench", "build", "cancel", "chat", "clean", "compare", "compress"),
    *("convert", "data", "deploy"),
    *("deploy-bench", "doctor", "evaluate", "fetch", "history", "index", "lint", "prove"),
    *("report", "rollback", "run", "runs", "search", "test"),
    *("board.down", "board.list", "board.up", "fleet.add"),
    *("fleet.doctor", "fleet.exec", "fleet.facts", "fleet.gc", "fleet.list", "fleet.locks"),
    *(
        "fleet.places",
        "fleet.power",
        "fleet.remove",
        "fleet.trust",
        "model.add",
        "model.list",
        "model.remove",
    ),
)


def test_those_are_all_tasks() -> None:
    listed = json.loads(invoke("--list", "--list-format", "json").stdout)
    of_groups = [f"{g['name']}.{t['name']}" for g in listed["collections"] for t in g["tasks"]]
    assert sorted(TASKS) == sorted([*(t["name"] for t in listed["tasks"]), *of_groups])


@pytest.mark.parametrize(
    "argv",
    [
        *(["bench", "-h"], ["fleet.gc", "-h"], ["fleet.trust", "--help"], ["cancel", "--help"]),
        *(["-h", "fleet.gc", "--all"], ["--help", "clean"], ["--help=fleet.trust"]),
        *(["model.add", "-h"], ["model.add", "x.onnx", "-h"], ["compare", "a", "--help"]),
        *(["clean", "-hx"], ["clean", "--help=x"], ["clean", "--everything", "-h"]),
        *(["fleet.gc", "--host", "-h"], ["fleet.gc", "--theads", "--help"]),
        *(["--dry-run", "-h", "clean"], ["lint", "clean", "--help"], ["fleet.exec", "x", "-h"]),
    ],
)
def test_asking_for_help_never_acts(argv: list[str], tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "builds").mkdir(parents=True)
    done = invoke(*argv)
    request = max((word for word in TASKS if word in " ".join(argv)), key=" ".join(argv).find)
    assert done.stdout.startswith(f"Usage: inv[oke] [--core-opts] {request} ")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "artifacts" / "builds").is_dir()


@pytest.mark.parametrize("argv", [["--version"], ["clean", "--version"], ["clean", "-V"]])
def test_the_version_is_piyards_and_ncnns(argv: list[str], tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "builds").mkdir(parents=True)
    done = python_m("piyard", *argv)
    assert done.stdout == f"piyard {__version__}, ncnn 20261020, nnrun {__version__}\n"
    assert done.returncode == 0
    assert (tmp_path / "artifacts" / "builds").is_dir()


def test_python_m_works_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "piyard").mkdir()  # another thing of that name where the user is
    (tmp_path / "piyard" / "__init__.py").write_text("raise ImportError")
    script = [sys.executable, str(ROOT / "piyard" / "__main__.py"), "build", "--dry-run"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "build ncnn" in done.stdout


@pytest.mark.parametrize("argv", [["--config"], ["--command-timeout", "x"], ["--list-depth"]])
def test_a_mistake_before_the_task_is_a_wrong_input_too(argv: list[str]) -> None:
    done = python_m("piyard", *argv)
    assert done.returncode == 3
    assert done.stderr.startswith("piyard: ")
    assert "Traceback" not in done.stderr


def test_listing_never_acts(tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "builds").mkdir(parents=True)
    assert "Available tasks" in invoke("clean", "--list").stdout
    assert (tmp_path / "artifacts" / "builds").is_dir()


@pytest.mark.parametrize("task", ["doctor", "exec", "facts", "gc", "locks", "power", "trust"])
def test_all_boards_are_meant_only_by_all(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("boards:\n  pi5-a: {host: 127.0.0.1}\n  pi5-b: {host: 127.0.0.1}\n")
    monkeypatch.setenv("PIYARD_FLEET", str(fleet))
    done = invoke(f"fleet.{task}", *(["--command", "true"] if task == "exec" else []))
    assert "no board is named" in done.stderr
    assert "--all for all 2: pi5-a, pi5-b" in done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize("argv", [["report"], ["history"], ["compare", "a", "b"]])
def test_a_fresh_checkout_has_no_results_yet(argv: list[str], tmp_path: Path) -> None:
    done = invoke(*argv)
    assert done.stderr.splitlines()[0] == "piyard: no results are stored yet"
    assert done.returncode == 3
    assert not (tmp_path / "artifacts").exists()


def test_a_fresh_checkout_has_no_runs_yet(tmp_path: Path) -> None:
    done = invoke("runs")
    assert (done.returncode, done.stderr[:11]) == (0, "no runs yet")
    assert not (tmp_path / "artifacts").exists()


def test_no_engine_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    done = invoke("board.list")
    assert done.returncode == 2
    assert "no container engine answers" in done.stderr
    assert "./yard --setup" in done.stderr


def test_all_targets_are_known_before_the_first_is_built() -> None:
    done = invoke("build", "--target", "rpi5", "-t", "rpi6", "--dry-run")
    assert (done.returncode, done.stdout) == (3, "")
    assert "unknown target 'rpi6', did you mean 'rpi5'?" in done.stderr


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


def test_a_remedy_names_the_command_as_it_was_called(tmp_path: Path) -> None:
    assert "→ invoke cancel --help" in invoke("cancel").stderr
    assert "→ python -m piyard cancel --help" in python_m("piyard", "cancel").stderr
    program = tmp_path / "piyard"
    program.write_text("from piyard.__main__ import main\nmain()\n")
    for called, words in ("../yard", ["../yard cancel --help"]), ("", ["piyard cancel --help"]):
        done = subprocess.run(
            [sys.executable, program, "cancel"],
            env={**os.environ, "PIYARD_CALLED_AS": called, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert [word for word in words if f"→ {word}" in done.stderr] == words
