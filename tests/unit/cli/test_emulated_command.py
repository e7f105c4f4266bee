"""A board that others use is stopped only by consent."""

from __future__ import annotations

import io

import pytest

from piyard.cli.machine import _require_consent
from piyard.core.errors import BoardBusy

WHAT = "emulated:rpi5 is in use by pat"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", shown)
    return shown


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " yes \n"])
def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    shown = at_terminal(monkeypatch, answer)
    _require_consent(WHAT, yes=False)
    assert shown.getvalue() == f"{WHAT}. Stop it anyway? [y/N] "


@pytest.mark.parametrize("answer", ["\n", "n\n", "yeah\n", ""])
def test_anything_but_yes_leaves_it(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    at_terminal(monkeypatch, answer)
    with pytest.raises(BoardBusy, match="it is not stopped"):
        _require_consent(WHAT, yes=False)


def test_a_script_is_refused_unless_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(BoardBusy) as caught:
        _require_consent(WHAT, yes=False)
    assert (caught.value.code, caught.value.what) == (16, WHAT)
    assert "--yes" in caught.value.remedy
    _require_consent(WHAT, yes=True)
