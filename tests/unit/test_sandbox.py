"""Programs that come in files run here without the user's rights."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from piyard import sandbox
from piyard.errors import NotSetUp
from piyard.sandbox import container, kernel, landlock, seccomp, trust


def test_without_kernel_and_engine_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "kind", lambda: "none")
    monkeypatch.setattr(kernel, "problem", lambda: "Linux 5.4 has no Landlock")
    monkeypatch.setattr(container, "problem", lambda: "no container engine answers")
    with pytest.raises(NotSetUp, match=r"net\.pt is a program, and there is no sandbox") as caught:
        sandbox.require("net.pt")
    assert "Linux 5.4" in caught.value.evidence
    assert "no container engine" in caught.value.evidence
    assert "--trust" in caught.value.remedy
    with pytest.raises(NotSetUp):
        sandbox.start(["/bin/true"], read=[], write=[], cwd=Path("/"), need="required")


@pytest.mark.parametrize(
    ("kernels", "containers", "kind"),
    [("", "", "kernel"), ("", "no", "kernel"), ("no", "", "container"), ("no", "no", "none")],
)
def test_the_kernels_comes_first(
    monkeypatch: pytest.MonkeyPatch, kernels: str, containers: str, kind: str
) -> None:
    monkeypatch.setattr(kernel, "problem", lambda: kernels)
    monkeypatch.setattr(container, "problem", lambda: containers)
    assert sandbox.kind.__wrapped__() == kind


# -- the filter itself, which runs on one architecture only --------------------------------------


@pytest.mark.parametrize("machine", sorted(seccomp.OF_MACHINE))
def test_the_filter_of_each_architecture(machine: str) -> None:
    calls = seccomp.OF_MACHINE[machine]
    verdict = _Filter(seccomp.program(calls, own=7), calls.audit)
    assert verdict(calls.audit + 1, 0) == "kill"
    for number in (*calls.refused, *seccomp.ANYWHERE):
        assert verdict(calls.audit, number) in {"EPERM", "ENOSYS"}
    assert verdict(calls.audit, 500) == "ENOSYS"
    assert verdict(calls.audit, seccomp.X32 | 1) == "ENOSYS"
    thread = seccomp.CLONE_THREAD
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
    assert verdict(calls.audit, seccomp.FIRST_UNKNOWN - 1) == "allow"


def test_both_tables_are_of_the_same_calls() -> None:
    """Those that aarch64 never had: fork, vfork, ports, and the old forms of newer calls."""
    assert len(set(seccomp.X86_64.refused)) == len(seccomp.X86_64.refused)
    assert len(set(seccomp.AARCH64.refused)) == len(seccomp.AARCH64.refused)
    assert len(seccomp.X86_64.refused) - len(seccomp.AARCH64.refused) == 10


class _Filter:
    """The kernel's interpreter of these few instructions."""

    def __init__(self, code: seccomp.Code, audit: int) -> None:
        self._code, self._audit = code, audit

    def __call__(self, audit: int, number: int, *arguments: int) -> str:
        values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
        seen = struct.pack("<IIQ6Q", number, audit, 0, *values)
        at, held = 0, 0
        while True:
            code, then, otherwise, value = self._code[at]
            at += 1
            if code == seccomp.LOAD:
                (held,) = struct.unpack_from("<I", seen, value)
            elif code == seccomp.AND:
                held &= value
            elif code == seccomp.RETURN:
                return _named(value)
            else:
                holds = held == value if code == seccomp.EQUAL else held >= value
                at += then if holds else otherwise


def _named(verdict: int) -> str:
    if verdict in {seccomp.ALLOW, seccomp.KILL}:
        return "allow" if verdict == seccomp.ALLOW else "kill"
    assert verdict & 0xFFFF0000 == seccomp.REFUSE
    return errno.errorcode[verdict & 0xFFFF]


@pytest.mark.parametrize(
    ("version", "bits"), [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (9, 16)]
)
def test_old_and_new_landlocks_are_asked_for_what_they_know(version: int, bits: int) -> None:
    assert landlock._handled(version) == (1 << bits) - 1


# -- trust -------------------------------------------------------------------------------------


def test_a_file_is_trusted_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(trust, "_passing", set())
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("2")
    assert not trust.is_trusted(one)
    trust.add(one, lasting=False)
    assert trust.is_trusted(one)
    monkeypatch.setattr(trust, "_passing", set())
    assert not trust.is_trusted(one)
    trust.add(one)
    trust.add(other)
    trust.add(one)
    monkeypatch.setattr(trust, "_passing", set())
    assert trust.is_trusted(one)
    assert trust.is_trusted(other)
    one.write_text("3")
    assert not trust.is_trusted(one)
    assert len((tmp_path / "data" / "piyard" / "trusted").read_text().split()) == 2
