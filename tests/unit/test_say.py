"""What a person sees: one live display for all threads, and plain lines where no terminal is."""

from __future__ import annotations

import io
import re
import threading
from contextlib import redirect_stderr

import pytest

from piyard import say


class Terminal(io.StringIO):
    """Keeps what is written, and says that it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    return made


def work(name: str, meeting: threading.Barrier) -> None:
    with say.line(name):
        with say.step(f"send files to {name}", unit="bytes") as step:
            meeting.wait(20)
            step.update(1_500_000, 3_000_000)
            say.note(f"a word from {name}")
        with say.step("measure") as step:
            step.update(3, None, "3 s there")
            meeting.wait(20)


def test_several_boards_share_the_terminal(terminal: Terminal) -> None:
    meeting = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(name, meeting)) for name in ("a", "b")]
    with redirect_stderr(terminal):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    said = terminal.plain
    for name in ("a", "b"):
        assert f"✓ send files to {name}" in said
        assert f"a word from {name}" in said
    assert said.count("✓ measure") == 2
    assert "a: send files to a" not in said


def test_a_step_within_a_step(terminal: Terminal) -> None:
    with redirect_stderr(terminal), say.step("outer"), say.step("inner") as step:
        step.update(1, 2)
    assert terminal.plain.index("✓ inner") < terminal.plain.index("✓ outer")


def test_text_is_shown_as_it_is(terminal: Terminal) -> None:
    with redirect_stderr(terminal), say.step("[red]step[/red]"):
        say.note("[bold]note[/bold] $(id)")
    assert "[bold]note[/bold] $(id)" in terminal.plain
    assert "✓ [red]step[/red]" in terminal.plain


def test_without_a_terminal_there_are_only_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with say.line("pi5"), say.step("send files to pi5") as step:
        step.update(1, 2)
        say.note("a word")
    assert re.fullmatch(r"a word\n✓ send files to pi5 \d+\.\d s\n", capsys.readouterr().err)


def test_work_that_ended_badly_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    with say.step("measure") as step:
        step.well = False
    assert capsys.readouterr().err.startswith("✗ measure")


def test_work_that_raised_says_nothing_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), say.step("measure"):
        raise ValueError("broken")
    assert capsys.readouterr().err == ""
    with say.step("again"):
        pass
    assert "✓ again" in capsys.readouterr().err
