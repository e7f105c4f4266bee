"""requirements/: pinned to the last package, for each Python, and never CUDA."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .machine import ROOT

FOLDER = ROOT / "requirements"
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


def read(name: str) -> list[Requirement]:
    lines = (line.strip(" \\") for line in (FOLDER / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def locked(python: str) -> dict[str, list[str]]:
    """Package → versions, for a Linux desktop with this Python."""
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    result: dict[str, list[str]] = {}
    for each in read("lock.txt"):
        if each.marker is None or each.marker.evaluate(machine):
            result.setdefault(canonicalize_name(each.name), []).append(str(each.specifier))
    return result


@pytest.mark.parametrize("name", ["lock.txt", "torch.txt"])
def test_every_version_is_exact(name: str) -> None:
    for each in read(name):
        assert re.fullmatch(r"==[^*]+", str(each.specifier)), each


def test_every_package_has_its_hashes() -> None:
    """But torch, whose file depends on the index: PyTorch's, PyPI's, a folder of wheels."""
    text = (FOLDER / "lock.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    assert [line for line in lines if not re.search(r"--hash=sha256:[0-9a-f]{64}$", line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_each_python_gets_each_package_once(python: str) -> None:
    versions = locked(python)
    assert {name for name, result in versions.items() if len(result) != 1} == set()
    expected = {
        canonicalize_name(each.name) for file in ("base.in", "dev.in") for each in read(file)
    }
    assert expected - set(versions) == set()


def test_what_is_chosen_by_hand_is_what_is_locked() -> None:
    versions = locked("3.11")
    for each in [*read("base.in"), *read("dev.in")]:
        assert each.specifier.contains(versions[canonicalize_name(each.name)][0].removeprefix("=="))


def test_no_cuda_and_no_torch_in_the_lock() -> None:
    """torch comes apart, with the label that only the CPU build has."""
    names = {canonicalize_name(each.name) for each in read("lock.txt")}
    assert not [name for name in names if re.match("nvidia|cuda|triton|torch(vision)?$", name)]
    assert {item.name for item in read("torch.txt")} == {"torch", "torchvision"}


def test_ncnn_and_pnnx_are_of_one_day() -> None:
    versions = locked("3.11")
    assert versions["ncnn"] == ["==1.0.20261020"]
    assert versions["pnnx"] == ["==20261020"]
