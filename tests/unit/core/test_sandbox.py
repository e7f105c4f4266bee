"""Programs that come in files run here without the user's rights."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from piyard.core.errors import NotSetUp
from piyard.core.sandbox import launch
from piyard.core.sandbox.kernel import (
    AARCH64,
    ALLOW,
    AND,
    ANYWHERE,
    CLONE_THREAD,
    EQUAL,
    FIRST_UNKNOWN,
    KILL,
    LOAD,
    OF_MACHINE,
    REFUSE,
    RETURN,
    X86_64,
    Code,
    _handled,
    filter_program,
)
from piyard.core.sandbox.launch import (
    is_trusted,
    require_sandbox,
    sandbox_kind,
    start_program,
    trust_file,
)

X32 = 0x40000000
"""A call by the numbers of another interface of the same machine, which no program here uses."""


def test_without_kernel_and_engine_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "sandbox_kind", lambda: "none")
    monkeypatch.setattr(launch, "kernel_problem", lambda: "Linux 5.4 has no Landlock")
    monkeypatch.setattr(launch, "container_problem", lambda: "no container engine answers")
    with pytest.raises(NotSetUp, match=r"net\.pt is a program, and there is no sandbox") as caught:
        require_sandbox("net.pt")
    assert "Linux 5.4" in caught.value.evidence
    assert "no container engine" in caught.value.evidence
    assert "--trust" in caught.value.remedy
    with pytest.raises(NotSetUp):
        start_program(["/bin/true"], read=[], write=[], cwd=Path("/"), need="required")


@pytest.mark.parametrize(
    ("kernels", "containers", "kind"),
    [("", "", "kernel"), ("", "no", "kernel"), ("no", "", "container"), ("no", "no", "none")],
)
def test_the_kernels_comes_first(
    monkeypatch: pytest.MonkeyPatch, kernels: str, containers: str, kind: str
) -> None:
    monkeypatch.setattr(launch, "kernel_problem", lambda: kernels)
    monkeypatch.setattr(launch, "container_problem", lambda: containers)
    assert sandbox_kind.__wrapped__() == kind


# -- the filter itself, which runs on one architecture only --------------------------------------


@pytest.mark.parametrize("machine", sorted(OF_MACHINE))
def test_the_filter_of_each_architecture(machine: str) -> None:
    calls = OF_MACHINE[machine]
    verdict = _Filter(filter_program(calls, own=7), calls.audit)
    assert verdict(calls.audit + 1, 0) == "kill"
    for number in (*calls.refused, *ANYWHERE):
        assert verdict(calls.audit, number) in {"EPERM", "ENOSYS"}
    assert verdict(calls.audit, 500) == "ENOSYS"
    assert verdict(calls.audit, X32 | 1) == "ENOSYS"
    thread = CLONE_THREAD
    assert verdict(calls.audit, calls.clone, thread | 0x100) == "allow"
    assert verdict(calls.audit, calls.clone, 17) == "EPERM"
    assert [verdict(calls.audit, calls.tgkill, pid) for pid in (7, 8)] == ["allow", "EPERM"]
    assert [verdict(calls.audit, calls.prlimit, pid) for pid in (0, 7, 8)] == [
        "allow",
        "allow",
        "EPERM",
    ]
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC)
    assert [verdict(calls.audit, calls.openat, 0, 0, mode) for mode in modes] == [
        "allow",
        "allow",
        "EPERM",
    ]
    assert verdict(calls.audit, FIRST_UNKNOWN - 1) == "allow"


def test_both_tables_are_of_the_same_calls() -> None:
    """Those that aarch64 never had: fork, vfork, ports, and the old forms of newer calls."""
    assert len(set(X86_64.refused)) == len(X86_64.refused)
    assert len(set(AARCH64.refused)) == len(AARCH64.refused)
    assert len(X86_64.refused) - len(AARCH64.refused) == 10


class _Filter:
    """The kernel's interpreter of these few instructions."""

    def __init__(self, code: Code, audit: int) -> None:
        self._code, self._audit = code, audit

    def __call__(self, audit: int, number: int, *arguments: int) -> str:
        values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
        seen = struct.pack("<IIQ6Q", number, audit, 0, *values)
        at, held = 0, 0
        while True:
            code, then, otherwise, value = self._code[at]
            at += 1
            if code == LOAD:
                (held,) = struct.unpack_from("<I", seen, value)
            elif code == AND:
                held &= value
            elif code == RETURN:
                return _named(value)
            else:
                holds = held == value if code == EQUAL else held >= value
                at += then if holds else otherwise


def _named(verdict: int) -> str:
    if verdict in {ALLOW, KILL}:
        return "allow" if verdict == ALLOW else "kill"
    assert verdict & 0xFFFF0000 == REFUSE
    return errno.errorcode[verdict & 0xFFFF]


@pytest.mark.parametrize(
    ("version", "bits"), [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (9, 16)]
)
def test_old_and_new_landlocks_are_asked_for_what_they_know(version: int, bits: int) -> None:
    assert _handled(version) == (1 << bits) - 1


# -- trust -------------------------------------------------------------------------------------


def test_a_file_is_trusted_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(launch, "_trusted_now", set())
    single, other = tmp_path / "one", tmp_path / "other"
    single.write_text("1")
    other.write_text("2")
    assert not is_trusted(single)
    trust_file(single, lasting=False)
    assert is_trusted(single)
    monkeypatch.setattr(launch, "_trusted_now", set())
    assert not is_trusted(single)
    trust_file(single)
    trust_file(other)
    trust_file(single)
    monkeypatch.setattr(launch, "_trusted_now", set())
    assert is_trusted(single)
    assert is_trusted(other)
    single.write_text("3")
    assert not is_trusted(single)
    assert len((tmp_path / "data" / "piyard" / "trusted").read_text().split()) == 2
