"""The browser that the report's page is tested in: for tests alone, and never in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .machine import Machine


def test_the_tests_get_a_browser(machine: Machine) -> None:
    done = machine.yard("test")
    assert done.code == 0, done.err
    assert done.called("apt-get", "install", "chromium")
    assert done.became


def test_a_browser_that_is_there_is_taken(machine: Machine) -> None:
    machine.yard("test")
    done = machine.yard("test")
    assert not done.called("apt-get")
    assert done.became


@pytest.mark.parametrize("words", [["test", "--unit"], ["report"], ["deploy-bench"], ["--setup"]])
def test_nobody_else_needs_one(machine: Machine, words: list[str]) -> None:
    assert not machine.yard(*words).called("apt-get", "install", "chromium")


def test_where_there_is_none_the_other_tests_run(machine: Machine) -> None:
    machine.note("no-chromium")
    done = machine.yard("test")
    assert done.code == 0, done.err
    assert "the tests of the report's page are skipped" in done.err
    assert done.became


def test_without_rights_it_is_said(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine(root=False)
    machine.ready()
    done = machine.yard("test")
    assert not done.called("apt-get")
    assert done.became
    assert "no Chromium is here" in done.err
