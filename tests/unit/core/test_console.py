"""What a person sees: one live display for all threads, and plain lines where no terminal is."""

from __future__ import annotations

import io
import re
import threading
import time
from contextlib import redirect_stderr

import pytest

from piyard.core import console
from piyard.core.console import StepLog, job_prefix, live_line


class Terminal(io.StringIO):
    """Keeps what is written, and says that it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    result = Terminal()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    return result


def work(name: str, meeting: threading.Barrier) -> None:
    with live_line(name):
        with console.step(f"send files to {name}", unit="bytes") as step:
            meeting.wait(20)
            step.update(1_500_000, 3_000_000)
            console.info(f"a word from {name}")
        with console.step("measure") as step:
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
    with redirect_stderr(terminal), console.step("outer"), console.step("inner") as step:
        step.update(1, 2)
    assert terminal.plain.index("✓ inner") < terminal.plain.index("✓ outer")


def test_text_is_shown_as_it_is(terminal: Terminal) -> None:
    with redirect_stderr(terminal), console.step("[red]step[/red]"):
        console.info("[bold]note[/bold] $(id)")
    assert "[bold]note[/bold] $(id)" in terminal.plain
    assert "✓ [red]step[/red]" in terminal.plain


def test_without_a_terminal_a_line_begins_each_step_and_one_each_tenth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with live_line("pi5"), console.step("send files to pi5") as step:
        for done in range(1, 101):
            now[0] += 0.5
            step.update(done, 100)
        console.info("a word")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "… send files to pi5"
    tenths = [re.search(r"(\d+) %, \d+ s, about \d+ s left", line) for line in lines[1:10]]
    assert [result and result[1] for result in tenths] == [f"{n}0" for n in range(1, 10)]
    assert lines[10] == "a word"
    assert lines[11:] == ["✓ send files to pi5 50.0 s"]
    assert lines[3] == "… send files to pi5: 30 %, 15 s, about 35 s left"


def test_work_that_goes_on_tells_the_time_left_by_what_it_does_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.step("train") as step:
        step.resume(80)
        step.update(80, 100)
        for done in (85, 90):
            now[0] += 5
            step.update(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == [
        "… train: 80 %, 5 s, about 15 s left",
        "… train: 90 %, 10 s, about 10 s left",
    ]


def test_quick_work_is_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with console.step("send files to pi5") as step:
        for done in range(1, 101):
            step.update(done, 100)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_work_that_cannot_be_counted_shows_life_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines: list[str] = []
    log = StepLog("measure", lines.append)
    for second in range(150):
        now[0] = float(second)
        log.update(second, None)
    assert lines == ["… measure", "… measure: 60 s", "… measure: 120 s"]


def test_a_step_names_its_phases_and_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with console.step("convert x") as step:
        step.phase(1, 2, "lower it")
        step.phase(2, 2, "prove it")
        step.outcome = "fp32 cosine 1.000000"
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == ["… convert x: lower it [1/2]", "… convert x: prove it [2/2]"]
    assert lines[3].endswith(" s, fp32 cosine 1.000000")


def test_of_several_jobs_each_step_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    with job_prefix(3, 8), console.step("squeezenet on pi5"):
        pass
    with job_prefix(1, 1), console.step("alone"):
        pass
    with console.step("after"):
        pass
    said = capsys.readouterr().err
    assert "✓ job 3 of 8: squeezenet on pi5 " in said
    assert "✓ alone" in said
    assert "✓ after" in said


def test_in_80_columns_the_count_stays_and_the_detail_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with redirect_stderr(terminal), console.step("build ncnn 20261020 (aarch64)") as step:
        step.update(29, 578, "convolution_arm_asimdhp_with_a_long_name.cpp")
        console.info("a word")
        time.sleep(0.3)
    assert "29/578" in terminal.plain
    assert "convolution_…" in terminal.plain
    assert "0:00:00" in terminal.plain


def test_a_terminal_shows_how_long_it_may_take(terminal: Terminal) -> None:
    with redirect_stderr(terminal), console.step("compile") as step:
        step.update(2, 4, "net.cpp")
        console.info("a word")
        time.sleep(0.3)
    assert "2/4" in terminal.plain
    assert "net.cpp" in terminal.plain


def test_work_that_ended_badly_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    with console.step("measure") as step:
        step.ok = False
    assert capsys.readouterr().err.splitlines()[-1].startswith("✗ measure")


def test_work_that_raised_says_nothing_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), console.step("measure"):
        raise ValueError("broken")
    assert capsys.readouterr().err == "… measure\n"
    with console.step("again"):
        pass
    assert "✓ again" in capsys.readouterr().err
