"""The compiler that nnrun is fuzzed with: for tests alone, and never in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .machine import Machine


def test_the_tests_get_a_fuzzing_compiler(machine: Machine) -> None:
    done = machine.yard("test")
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "clang", "libclang-rt-dev", "libjpeg-dev")
    assert done.became


def test_where_clang_brings_its_own_libraries(machine: Machine) -> None:
    machine.note("not-in-apt", "libclang-rt-dev")
    done = machine.yard("test")
    assert done.called("apt-get", "install", "clang")
    assert not done.called("apt-get", "install", "libclang-rt-dev")


def test_a_compiler_that_is_there_is_taken(machine: Machine) -> None:
    machine.yard("test")
    assert not machine.yard("test").called("apt-get", "clang")


@pytest.mark.parametrize("words", [["test", "--unit"], ["report"], ["--setup"]])
def test_nobody_else_needs_one(machine: Machine, words: list[str]) -> None:
    assert not machine.yard(*words).called("apt-get", "install", "clang")


def test_where_there_is_none_the_other_tests_run(machine: Machine) -> None:
    machine.note("no-clang")
    done = machine.yard("test")
    assert done.code == 0, done.err
    assert "fuzzing is skipped" in done.err
    assert done.became


def test_without_rights_it_is_said(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine(root=False)
    machine.ready()
    done = machine.yard("test")
    assert not done.called("apt-get")
    assert done.became
    assert "fuzzing is skipped" in done.err
