"""The shells and the ffmpeg that boards have: for tests alone, and never in the way."""

from __future__ import annotations

import pytest

from .machine import Machine


def test_the_tests_get_the_shells_of_boards(machine: Machine) -> None:
    done = machine.yard("test")
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "busybox-static", "fish", "zsh", "tcsh", "ffmpeg")
    assert done.became
    assert not machine.yard("test").called("apt-get")


def test_only_those_that_are_missing_are_installed(machine: Machine) -> None:
    machine.program("bin/fish", "#!/bin/sh\n")
    done = machine.yard("test")
    assert done.called("apt-get", "install", "busybox-static", "zsh", "tcsh")
    assert not done.called("apt-get", "install", "fish")


@pytest.mark.parametrize("words", [["test", "--unit"], ["report"], ["--setup"]])
def test_nobody_else_needs_them(machine: Machine, words: list[str]) -> None:
    assert not machine.yard(*words).called("apt-get", "install", "fish")


def test_where_there_are_none_the_other_tests_run(machine: Machine) -> None:
    machine.note("no-shells")
    done = machine.yard("test")
    assert done.code == 0, done.err
    assert "their tests are skipped" in done.err
    assert done.became
