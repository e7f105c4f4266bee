"""yard's second half: the container engine and the emulation of aarch64."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

from .machine import NOBODY, Machine, snapshot

Make = Callable[..., Machine]

NEED_IT = [
    ["build", "--target", "rpi5"],
    ["deploy"],
    ["deploy-bench"],
    ["bench"],
    ["bench", "--host", "emulated:rpi5"],
    ["test"],
    ["board.up"],
]
DO_WITHOUT = [
    [],
    ["--list"],
    ["--help"],
    ["--help", "build"],
    ["build", "--help"],
    ["deploy-bench", "--dry-run"],
    ["lint"],
    ["report"],
    ["clean"],
    ["convert"],
    ["doctor"],
    ["board.list"],
    ["board.down"],
    ["report", "--format", "csv"],
]


@pytest.mark.parametrize("words", NEED_IT, ids=" ".join)
def test_tasks_that_need_the_engine_get_it(machine: Machine, words: list[str]) -> None:
    done = machine.yard(*words)
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "docker.io")
    assert done.became


@pytest.mark.parametrize("words", DO_WITHOUT, ids=" ".join)
def test_the_others_leave_it_alone(machine: Machine, words: list[str]) -> None:
    done = machine.yard(*words)
    assert done.code == 0, done.err
    assert not done.called("apt-get")
    assert not done.called("dockerd")
    assert not done.called("mount")
    assert done.became


def test_a_fresh_debian_without_systemd_gets_all_of_it(machine: Machine) -> None:
    done = machine.yard("--setup")
    assert done.code == 0, done.err
    for package in ("docker.io", "qemu-user-static", "binfmt-support", "mmdebstrap"):
        assert done.called("apt-get", "install", package), package
    assert done.called("dockerd")
    assert done.called("mount -t binfmt_misc binfmt_misc")
    assert done.called("update-binfmts --enable qemu-aarch64")
    assert not done.became


def test_the_second_set_up_changes_nothing(machine: Machine) -> None:
    machine.yard("--setup")
    done = machine.yard("--setup")
    assert done.code == 0, done.err
    for name in ("apt-get", "dockerd", "mount", "update-binfmts", "pip"):
        assert not done.called(name), name


def test_a_ready_machine_goes_straight_to_the_task(ready: Machine) -> None:
    done = ready.yard("build")
    assert [call.split()[0] for call in done.calls] == ["invoke", "cwd"]
    assert done.err == ""


def test_with_systemd_it_starts_the_service(machine: Machine) -> None:
    machine.systemd()
    done = machine.yard("build")
    assert done.code == 0, done.err
    assert done.called("systemctl enable --now docker")
    assert not done.called("dockerd")


def test_dockerd_that_is_there_is_only_started(machine: Machine) -> None:
    machine.emulation()
    machine.program("bin/dockerd", (machine.folder / "dockerd").read_text())
    done = machine.yard("build")
    assert done.code == 0, done.err
    assert done.called("dockerd")
    assert not done.called("install", "docker.io")


@pytest.mark.parametrize("successor", [None, "sshd"])
def test_a_killed_engine_is_started_again(machine: Machine, successor: str | None) -> None:
    """dockerd refuses to start on its old pid file once any program has that number."""
    machine.yard("--setup")
    machine.engine_dies(successor)
    done = machine.yard("build")
    assert done.code == 0, done.err
    assert done.called("dockerd")
    assert not done.called("apt-get", "install")


@pytest.mark.parametrize(("flags", "state"), [("P", "enabled"), ("PF", "disabled")])
def test_emulation_must_be_on_and_inherited(ready: Machine, flags: str, state: str) -> None:
    """Without F the interpreter would have to be inside each container."""
    ready.emulation(flags, state)
    ready.program("bin/update-binfmts", (ready.folder / "update-binfmts").read_text())
    ready.program("bin/qemu-aarch64-static", (ready.folder / "harmless").read_text())
    done = ready.yard("build")
    assert done.code == 0, done.err
    assert done.called("update-binfmts --enable qemu-aarch64")


def test_newer_debians_leave_the_registration_to_systemd(machine: Machine) -> None:
    """There qemu-user-binfmt brings a line for the kernel and no update-binfmts."""
    machine.note("not-in-apt", "qemu-user-static binfmt-support")
    register = machine.sys / "proc/sys/fs/binfmt_misc/register"
    register.symlink_to("qemu-aarch64")
    done = machine.yard("build")
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "qemu-user-binfmt")
    assert not done.called("apt-get", "install", "qemu-user-static")


def test_old_package_lists_are_fetched_anew(machine: Machine) -> None:
    machine.note("lists-are-old")
    done = machine.yard("--setup")
    assert done.code == 0, done.err
    assert done.called("apt-get", "update")


def test_a_failed_installation_says_why(machine: Machine) -> None:
    machine.note("apt-fails")
    done = machine.yard("build")
    assert done.code == 2
    assert "Unable to fetch some archives" in done.err
    assert not done.became


def test_passwordless_sudo_is_used_for_the_system_alone(make_machine: Make) -> None:
    machine = make_machine("ubuntu", root=False)
    machine.allow_sudo()
    done = machine.yard("--setup")
    assert done.code == 0, done.err
    assert done.called("sudo", "apt-get", "install", "docker.io")
    for call in done.called("sudo -n"):
        assert "python" not in call, call
        assert "pip" not in call, call
        assert str(machine.tree) not in call, f"may leave a file of root's in the tree: {call}"


def test_no_rights_on_debian(make_machine: Make) -> None:
    machine = make_machine(root=False)
    done = machine.yard("build", "--target", "rpi5")
    assert done.code == 2
    assert "sudo apt-get" in done.err
    assert "docker.io" in done.err
    assert "sudo usermod -aG docker" in done.err
    assert not done.called("apt-get")
    assert not done.became
    assert set(done.called("sudo")) <= {"sudo -n true"}


@pytest.mark.parametrize(
    ("os_name", "command"),
    [
        ("fedora", "sudo dnf install -y moby-engine"),
        ("arch", "sudo pacman -S --needed docker"),
        ("slackware", "https://docs.docker.com/engine/install/"),
        ("macos", "brew install --cask docker"),
    ],
)
def test_elsewhere_it_says_what_to_install(make_machine: Make, os_name: str, command: str) -> None:
    machine = make_machine(os_name, root=False)
    machine.allow_sudo()
    done = machine.yard("build", "--target", "rpi5")
    assert done.code == 2
    assert command in done.err
    assert "apt" not in done.err
    assert not done.called("brew")
    assert not done.became


def test_the_text_on_a_fedora_without_engine(make_machine: Make) -> None:
    machine = make_machine("fedora", root=False)
    machine.yard("report")
    done = machine.yard("build")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "yard: missing: a container engine (to cross-compile and emulate boards)",
        (
            "  sudo dnf install -y moby-engine qemu-user-static-aarch64"
            " && sudo systemctl enable --now docker"
        ),
        '  sudo usermod -aG docker "$(id -un)"    # then log in again, or: newgrp docker',
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_an_engine_of_others_needs_their_group(make_machine: Make) -> None:
    machine = make_machine(root=False)
    machine.ready()
    machine.folder.chmod(0o755)
    for path in [machine.folder / "calls", machine.tree, *machine.tree.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    machine.allow_sudo()
    done = machine.yard("build", as_user=NOBODY)
    assert done.code == 2
    assert "group docker" in done.err
    assert "sudo usermod -aG docker" in done.err
    assert "newgrp docker" in done.err
    assert not done.called("apt-get")
    assert not done.called("dockerd")


def test_apparmor_comes_with_docker_where_it_is_enforced(machine: Machine) -> None:
    enabled = machine.sys / "sys/module/apparmor/parameters/enabled"
    enabled.parent.mkdir(parents=True)
    enabled.write_text("Y\n")
    assert machine.yard("build").called("apt-get", "install", "docker.io", "apparmor")


def test_engine_skip_leaves_it_alone(machine: Machine) -> None:
    done = machine.yard("test", "--unit", PIYARD_ENGINE="skip")
    assert done.code == 0, done.err
    assert not done.called("apt-get")
    assert done.became


def test_skip_holds_for_set_up_and_check_too(machine: Machine) -> None:
    assert machine.yard("--setup", PIYARD_ENGINE="skip").code == 0
    assert machine.yard("--check", PIYARD_ENGINE="skip").code == 0
    assert not machine.yard("--setup", PIYARD_ENGINE="skip").called("apt-get")


@pytest.mark.parametrize("place", [".docker/run", ".colima/default"])
def test_docker_in_the_users_folder_is_found(make_machine: Make, place: str) -> None:
    """Docker Desktop and Colima. Invoke is told, for it looks in /var/run only."""
    machine = make_machine("macos", root=False)
    folder = machine.folder / "home" / place
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "docker.sock"))
        machine.yard("report")
        assert machine.yard("build").environment["DOCKER_HOST"] == f"unix://{folder}/docker.sock"


def test_docker_that_only_has_to_be_started(make_machine: Make) -> None:
    machine = make_machine("fedora", root=False)
    machine.systemd()
    machine.program("bin/dockerd", (machine.folder / "dockerd").read_text())
    done = machine.yard("build")
    assert done.code == 2
    assert "  sudo systemctl enable --now docker" in done.err.splitlines()
    assert "dnf" not in done.err
    assert not done.called("systemctl")


def test_a_fedora_without_emulation(make_machine: Make) -> None:
    machine = make_machine("fedora", root=False)
    machine.engine()
    done = machine.yard("build")
    assert done.code == 2
    assert "sudo dnf install -y qemu-user-static-aarch64" in done.err
    assert "moby-engine" not in done.err


def test_emulation_under_fedoras_name(make_machine: Make) -> None:
    machine = make_machine("fedora", root=False)
    machine.engine()
    machine.emulation()
    entry = machine.sys / "proc/sys/fs/binfmt_misc/qemu-aarch64"
    entry.rename(entry.with_name("qemu-aarch64-static"))
    assert machine.yard("build").became


def test_mmdebstrap_without_root_needs_uidmap(make_machine: Make) -> None:
    machine = make_machine(root=False)
    machine.allow_sudo()
    assert machine.yard("--setup").called("apt-get", "install", "mmdebstrap", "uidmap")


def test_what_is_started_does_not_keep_the_lock(machine: Machine) -> None:
    """A package may start its service by itself."""
    service = 'setsid sh -c "echo \\$\\$ >>\\"$FAKE/dockerds\\"; exec sleep 60" >/dev/null 2>&1 &\n'
    apt_get = (machine.bin / "apt-get").read_text()
    machine.program("bin/apt-get", apt_get + service)
    assert machine.yard("build").code == 0
    (machine.tree / ".venv/.complete").unlink()
    assert "another yard" not in machine.yard("build").err


def test_any_docker_compatible_socket_will_do(make_machine: Make) -> None:
    machine = make_machine("fedora", root=False)
    machine.engine()
    machine.emulation()
    podman = machine.folder / "podman.sock"
    (machine.sys / "var/run/docker.sock").rename(podman)
    net = machine.sys / "proc/net/unix"
    net.write_text(net.read_text().replace(str(machine.sys / "var/run/docker.sock"), str(podman)))
    (machine.sys / "var/run/docker.sock").symlink_to(podman)  # for the fake Docker client
    done = machine.yard("build", DOCKER_HOST=f"unix://{podman}")
    assert done.code == 0, done.err


def test_a_remote_engine_is_taken_at_its_word(make_machine: Make) -> None:
    """Asking it each time would cost every task a Python start; the task itself will tell."""
    machine = make_machine("fedora", root=False)
    machine.yard("report")
    assert machine.yard("build", DOCKER_HOST="tcp://engine:2375").became


def test_a_docker_host_where_nobody_listens_is_not_replaced(machine: Machine) -> None:
    done = machine.yard("build", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.code == 2
    assert "DOCKER_HOST=unix:///nowhere/docker.sock" in done.err
    assert not done.called("install", "docker.io")


def test_check_changes_nothing(machine: Machine) -> None:
    before = snapshot(machine.tree), snapshot(machine.sys)
    done = machine.yard("--check")
    assert done.code == 2
    assert (snapshot(machine.tree), snapshot(machine.sys)) == before
    for name in ("apt-get", "sudo", "dockerd", "mount", "pip", "venv"):
        assert not [call for call in done.calls if call.split()[0] == name or f"-m {name}" in call]
    for result in ("./yard --setup", "docker.io", "qemu-user-static"):
        assert result in done.err


def test_check_on_a_ready_machine(ready: Machine) -> None:
    assert ready.yard("--check").code == 0


def test_set_up_stops_before_any_task(ready: Machine) -> None:
    assert not ready.yard("--setup").became
