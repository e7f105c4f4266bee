"""yard's first half: the Python environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from .machine import FAKE, Machine

UNAVAILABLE = """
case "$*" in *"torch=="*) echo "ERROR: No matching distribution found" >&2; exit 1 ;; esac
"""


def test_a_fresh_machine_gets_pinned_cpu_only_packages(machine: Machine) -> None:
    done = machine.yard("report")
    assert done.code == 0, done.err
    installs = [call for call in machine.pip_installs() if "install" in call]
    assert any("torch==2.13.0+cpu" in call for call in installs)
    assert any("-r" in call and "lock.txt" in call for call in installs)
    assert all("--no-deps" in call and "--only-binary :all:" in call for call in installs)
    assert done.became == [f"invoke --search-root {machine.tree} report"]


def test_the_second_run_only_becomes_invoke(ready: Machine) -> None:
    done = ready.yard("report")
    assert done.calls == [
        f"invoke --search-root {ready.tree} report",
        f"cwd {ready.folder / 'home'}",
    ]
    assert done.err == ""


def test_stdout_is_the_tasks_alone(machine: Machine) -> None:
    assert machine.yard("report").out == "output of the task\n"


def test_what_is_typed_reaches_invoke_unchanged(ready: Machine) -> None:
    done = ready.yard("convert", "--model", "two words", "*", "")
    assert done.became == [f"invoke --search-root {ready.tree} convert --model two words * "]


def test_without_words_the_tasks_are_listed(ready: Machine) -> None:
    assert ready.yard().became == [f"invoke --search-root {ready.tree} --list"]


@pytest.mark.parametrize(
    "words", [["--version"], ["-V"], ["-h"], ["--help"], ["--print-completion-script", "bash"]]
)
def test_what_invoke_would_answer_of_itself_is_piyards(ready: Machine, words: list[str]) -> None:
    (call,) = ready.yard(*words).calls
    assert call == f"python {ready.tree}/piyard/__main__.py {' '.join(words)}"


def test_completing_installs_nothing(machine: Machine) -> None:
    done = machine.yard("--complete", "--", "./yard", "be")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert not machine.pip_installs()


@pytest.mark.parametrize("word", ["-h", "-hx", "--help=x", "-n", "-V", "--list"])
def test_asking_sets_up_no_engine(ready: Machine, word: str) -> None:
    assert ready.yard("deploy-bench", word).became
    assert not ready.yard("deploy-bench", word).called("apt-get")


def test_it_may_be_called_through_a_link(ready: Machine) -> None:
    link = ready.bin / "yard"
    link.symlink_to(ready.tree / "yard")
    real = ready.tree
    ready.tree = ready.bin
    assert ready.yard("report").became == [f"invoke --search-root {real} report"]


@pytest.mark.parametrize("version", ["3.9.2", "3.15.0"])
def test_a_python_that_is_too_old_or_too_new_is_refused(machine: Machine, version: str) -> None:
    machine.python("python3", version)
    done = machine.yard("report")
    assert done.code == 2
    assert "3.10 to 3.14" in done.err
    assert version in done.err or version.rpartition(".")[0] in done.err
    assert not machine.pip_installs()
    assert not (machine.tree / ".venv").exists()


@pytest.mark.parametrize("first", ["3.9.2", None])
def test_the_first_python_that_will_do_is_taken(machine: Machine, first: str | None) -> None:
    if first:
        machine.python("python3", first)
    else:  # as a pyenv shim of a version that is not installed
        machine.program("bin/python3", "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    machine.python("python3.12", "3.12.1")
    assert machine.yard("report").code == 0
    assert any(call.startswith("python3.12") and "-m venv" in call for call in machine.calls)


def test_a_python_without_torch_is_passed_over(machine: Machine) -> None:
    machine.python("python3.12", "3.12.1")
    machine.pip('case "$(readlink -f "$0") $*" in */"python3 "*torch==*) exit 1 ;; esac')
    done = machine.yard("report")
    assert done.code == 0, done.err
    assert done.called("python3 ", "-m venv")
    assert done.called("python3.12 ", "-m venv")
    assert (machine.tree / ".venv/bin/python").resolve() == machine.bin / "python3.12"


def test_no_torch_at_all_is_said(machine: Machine) -> None:
    machine.pip(UNAVAILABLE)
    done = machine.yard("report")
    assert done.code == 2
    assert "torch" in done.err.lower()
    assert "No matching distribution found" in done.err
    assert not done.became
    assert not (machine.tree / ".venv").exists()


def test_piyard_python_decides(machine: Machine) -> None:
    machine.python("python3.13", "3.13.0")
    assert machine.yard("report", PIYARD_PYTHON="python3.13").code == 0
    assert any(call.startswith("python3.13") and "-m venv" in call for call in machine.calls)
    assert not any(call.startswith("python3 ") and "-m venv" in call for call in machine.calls)


def test_piyard_python_changes_a_finished_environment(ready: Machine) -> None:
    ready.python("python3.13", "3.13.0")
    assert ready.yard("report", PIYARD_PYTHON="python3.13").called("python3.13", "-m venv")
    assert not ready.yard("report").called("pip")
    assert not ready.yard("report", PIYARD_PYTHON="python3.13").called("pip")


def test_a_piyard_python_that_will_not_do_is_not_replaced(machine: Machine) -> None:
    done = machine.yard("report", PIYARD_PYTHON="python2.7")
    assert done.code == 2
    assert "PIYARD_PYTHON=python2.7" in done.err
    assert not machine.pip_installs()


LEFT_OUT = "trackeval 1.3.0 requires opencv-python, which is not installed."
MISSING = "trackeval 1.3.0 requires scipy, which is not installed."


def test_what_was_left_out_on_purpose_is_not_missed(machine: Machine) -> None:
    machine.pip(f'case "$*" in *" check") echo "{LEFT_OUT}"; exit 1 ;; esac')
    done = machine.yard("report")
    assert done.code == 0, done.err
    assert done.became


@pytest.mark.parametrize("said", [MISSING, f"{LEFT_OUT}\n{MISSING}", ""])
def test_packages_that_contradict_each_other_are_an_error(machine: Machine, said: str) -> None:
    machine.pip(f'case "$*" in *" check") echo "{said}"; exit 1 ;; esac')
    done = machine.yard("report")
    assert done.code == 2
    assert "contradict each other" in done.err
    assert not done.became


def test_the_cuda_build_is_never_asked_for(machine: Machine) -> None:
    """Only PyTorch's own index has the CPU build here."""
    machine.pip('case "$*" in *extra-index*) ;; *torch==*) exit 1 ;; esac')
    assert machine.yard("report").code == 0
    request = [
        word for call in machine.pip_installs() for word in call.split() if "torch==" in word
    ]
    assert set(request) <= {"torch==2.13.0+cpu"}
    assert any("--extra-index-url https://download.pytorch.org/whl/cpu" in c for c in machine.calls)


def test_macos_has_no_cuda_build_and_no_label(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine("macos", root=False)
    assert machine.yard("report").code == 0
    assert not any("+cpu" in call for call in machine.calls)
    assert any("torch==2.13.0" in call for call in machine.pip_installs())


@pytest.mark.parametrize("package", ["nvidia", "triton", "nvidia_cublas_cu13.dist-info"])
def test_a_cuda_package_is_an_error(machine: Machine, package: str) -> None:
    machine.pip(f'mkdir -p "{machine.tree}/.venv/lib/python3.11/site-packages/{package}"')
    done = machine.yard("report")
    assert done.code == 2
    assert "CUDA" in done.err
    assert not done.became


def test_failed_packages_show_the_end_of_the_log(machine: Machine) -> None:
    machine.pip('case "$*" in *lock.txt*) echo "no route to host" >&2; exit 1 ;; esac')
    done = machine.yard("report")
    assert done.code == 2
    assert "no route to host" in done.err
    assert str(machine.tree / "artifacts/logs") in done.err
    assert not done.became


def test_a_half_made_environment_is_made_anew(machine: Machine) -> None:
    machine.pip('case "$*" in *lock.txt*) exit 1 ;; esac')
    assert machine.yard("report").code == 2
    (machine.tree / ".venv/half").touch()
    machine.pip("")
    assert machine.yard("report").code == 0
    assert not (machine.tree / ".venv/half").exists()


def test_ctrl_c_leaves_what_the_next_run_repairs(machine: Machine) -> None:
    machine.pip('case "$*" in *lock.txt*) exec sleep 60 ;; esac')
    running = machine.start("report")
    machine.wait_for_call("lock.txt")
    os.killpg(running.pid, signal.SIGINT)
    done = machine.finish(running)
    assert done.code == 130
    assert "interrupted" in done.err
    machine.pip("")
    assert machine.yard("report").code == 0


def test_a_killed_set_up_locks_nobody_out(machine: Machine) -> None:
    machine.pip('case "$*" in *lock.txt*) exec sleep 60 ;; esac')
    running = machine.start("report")
    machine.wait_for_call("lock.txt")
    os.killpg(running.pid, signal.SIGKILL)
    machine.finish(running)
    machine.pip("")
    assert machine.yard("report").code == 0


def test_two_at_once_set_up_once(machine: Machine) -> None:
    go = machine.folder / "go"
    machine.pip(f'case "$*" in *lock.txt*) until [ -e "{go}" ]; do sleep 0.02; done ;; esac')
    first = machine.start("report")
    machine.wait_for_call("lock.txt")
    second = machine.start("lint")
    assert second.stderr
    errors = second.stderr.readline()
    go.touch()
    assert f"another yard is setting up: process {first.pid} (yard report), since 20" in errors
    assert (machine.finish(first).code, machine.finish(second).code) == (0, 0)
    assert len([call for call in machine.pip_installs() if "lock.txt" in call]) == 1
    assert len([call for call in machine.calls if call.startswith("invoke")]) == 2


def test_ctrl_c_ends_the_wait_for_another_set_up(machine: Machine) -> None:
    machine.pip('case "$*" in *lock.txt*) exec sleep 60 ;; esac')
    first = machine.start("report")
    machine.wait_for_call("lock.txt")
    second = machine.start("lint")
    assert second.stderr
    assert "another yard" in second.stderr.readline()
    os.killpg(second.pid, signal.SIGINT)
    done = machine.finish(second)
    assert done.code == 130
    assert "Traceback" not in done.err
    os.killpg(first.pid, signal.SIGKILL)
    machine.finish(first)


def test_a_checkout_that_cannot_be_written_is_one_line(machine: Machine) -> None:
    (machine.tree / ".yard.lock").mkdir()  # root may write wherever it is allowed to or not
    done = machine.yard("report")
    assert done.code == 2
    assert f"cannot write to {machine.tree}" in done.err
    assert len(done.err.splitlines()) == 2


def test_new_requirements_bring_the_environment_up_to_date(ready: Machine) -> None:
    (ready.tree / ".venv/mine").touch()
    with (ready.tree / "requirements/lock.txt").open("a") as lock:
        lock.write("msgspec==0.22.0\n")
    assert ready.yard("report").called("-m pip", "lock.txt")
    assert (ready.tree / ".venv/mine").exists()
    assert not ready.yard("report").called("pip")


def test_an_interrupted_update_is_made_anew(ready: Machine) -> None:
    (ready.tree / ".venv/old").touch()
    (ready.tree / "requirements/lock.txt").write_text("invoke==2.2.2\n")
    ready.pip('case "$*" in *lock.txt*) exit 1 ;; esac')
    assert ready.yard("report").code == 2
    ready.pip("")
    assert ready.yard("report").code == 0
    assert not (ready.tree / ".venv/old").exists()


def test_a_moved_tree_gets_a_new_environment(ready: Machine) -> None:
    ready.tree = ready.tree.rename(ready.folder / "elsewhere")
    assert ready.yard("report").called("-m venv")
    assert not ready.yard("report").called("pip")


def test_an_environment_whose_python_is_gone_is_made_anew(ready: Machine) -> None:
    ready.python("python3.12", "3.12.1")
    (ready.bin / "python3").unlink()
    assert ready.yard("report").called("python3.12", "-m venv")


def test_debian_keeps_ensurepip_in_a_package(machine: Machine) -> None:
    machine.note("no-ensurepip")
    done = machine.yard("report")
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "python3.11-venv")


def test_without_ensurepip_and_without_rights_the_package_is_named(
    make_machine: Callable[..., Machine],
) -> None:
    machine = make_machine(root=False)
    machine.note("no-ensurepip")
    done = machine.yard("report")
    assert done.code == 2
    assert "sudo apt-get install" in done.err
    assert "python3.11-venv" in done.err
    assert not done.called("apt-get")


def test_no_python_at_all_on_debian_is_installed(machine: Machine) -> None:
    (machine.bin / "python3").rename(machine.folder / "hidden")
    arrives = 'python3) mv "$FAKE/hidden" "$FAKE/bin/python3" ;;\n    docker.io)'
    apt_get = (machine.bin / "apt-get").read_text().replace("docker.io)", arrives)
    machine.program("bin/apt-get", apt_get)
    done = machine.yard("report")
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "python3", "python3-venv")


def test_colour_is_for_terminals(machine: Machine) -> None:
    assert "\033" not in machine.yard("report").err


def test_nothing_but_the_fakes_is_on_path(machine: Machine) -> None:
    """The rule that keeps these tests harmless."""
    for name in ("docker", "dockerd", "curl", "pip", "systemctl", "mmdebstrap"):
        assert not (machine.bin / name).exists()
    for name in ("apt-get", "sudo", "mount", "dpkg"):
        assert (machine.bin / name).read_text().startswith(FAKE)
