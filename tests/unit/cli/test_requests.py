"""What a user typed, checked before anything is done."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from piyard.board.ssh.hostkeys import STRICT_VARIABLE
from piyard.cli import chat
from piyard.cli.board_requests import BenchRequest
from piyard.cli.boards import Boards, named_boards
from piyard.cli.desk_requests import AddModelRequest
from piyard.cli.job_plan import run_options
from piyard.cli.prediction_requests import RunRequest
from piyard.core.errors import WrongInput
from piyard.run.job import RunOptions

FLEET = """
boards:
  pi5-a: {host: pi5-a.local, target: rpi5, tags: [lab]}
  pi5-b: {host: pi5-b.local, target: rpi5, tags: [lab]}
  pi4: {host: pi4.local, target: rpi4}
"""


@pytest.fixture(autouse=True)
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "fleet.yaml"))


def ask(**more: Any) -> BenchRequest:
    return BenchRequest.parse({"host": [], "model": ["resnet18"]} | more)


def boards(**more: Any) -> Boards:
    return named_boards(ask(**more))


def test_boards_come_from_names_tags_globs_and_addresses() -> None:
    named = boards(host=["@lab", "pi*", "pi@10.0.0.7:2222"])
    assert list(named.names) == ["pi5-a", "pi5-b", "pi4", "pi@10.0.0.7:2222"]


def test_all_boards() -> None:
    assert list(boards(all=True).names) == ["pi5-a", "pi5-b", "pi4"]


def test_what_the_inventory_knows_needs_no_question() -> None:
    reference, unknown = boards(host=["pi4", "other"]).connections()
    assert reference.target_known
    assert reference.target.name == "rpi4"
    assert not unknown.target_known


@pytest.mark.parametrize(
    ("text", "bytes_a_second"), [("500k", 500_000), ("2M", 2_000_000), ("750", 750), ("", 0)]
)
def test_a_slow_link(text: str, bytes_a_second: int) -> None:
    assert terms(link_limit=text).link_limit == bytes_a_second


@pytest.mark.parametrize("text", ["fast", "0", "-1", "1.5M", "M", "2G", "²k"])
def test_a_link_limit_that_is_none(text: str) -> None:
    with pytest.raises(WrongInput, match="--link-limit takes bytes a second"):
        ask(link_limit=text)


def test_not_waiting_is_waiting_for_nothing() -> None:
    assert boards(no_wait=True).wait_s == 0
    assert boards().wait_s > 0


def test_strict_holds_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "")
    boards(strict=True)
    assert os.environ[STRICT_VARIABLE]


@pytest.mark.parametrize("flag", ["limit", "parallel", "retry"])
def test_numbers_are_numbers(flag: str) -> None:
    with pytest.raises(WrongInput, match=f"--{flag} takes a whole number"):
        ask(**{flag: "many"})


def test_no_retries_may_be_asked_for() -> None:
    assert terms(retry="0").retry == 0
    assert terms(retry="2").retry == 2


def terms(**more: Any) -> RunOptions:
    return run_options(ask(**more))


@pytest.mark.parametrize("name", ["performance", "keep", ""])
def test_a_governor_is_a_plain_word(name: str) -> None:
    assert terms(governor=name).governor == name


@pytest.mark.parametrize("name", ["$(reboot)", "a b", "../x", "PERFORMANCE"])
def test_nothing_else_is_a_governor(name: str) -> None:
    with pytest.raises(WrongInput, match="is not a CPU governor"):
        terms(governor=name)


def test_energy_is_the_boards_own_unless_a_meter_is_named() -> None:
    assert terms().energy == ""
    assert terms(energy=True).energy == "pmic"
    assert terms(energy=True, meter="watts --of 'my board'").energy == "watts --of 'my board'"


@pytest.mark.parametrize("meter", ["'unclosed", "   "])
def test_a_meter_is_a_command(meter: str) -> None:
    with pytest.raises(WrongInput, match="--meter"):
        terms(meter=meter)


def test_how_often_to_measure_again() -> None:
    assert terms().rerun_invalid == 0
    assert terms(rerun_invalid="2").rerun_invalid == 2
    with pytest.raises(WrongInput, match="--rerun-invalid takes a whole number from 0"):
        terms(rerun_invalid="often")


def test_warm_up_is_a_number_or_automatic() -> None:
    assert ask(warmup="auto").warmup == "auto"
    assert ask(warmup="3").warmup == 3
    with pytest.raises(WrongInput, match="--warmup"):
        ask(warmup="hot")


def test_a_picture_to_time_is_there(tmp_path: Path) -> None:
    (tmp_path / "dog.jpg").touch()
    assert terms().picture is None
    assert terms(picture=str(tmp_path / "dog.jpg")).picture == tmp_path / "dog.jpg"
    with pytest.raises(WrongInput, match="there is no picture"):
        terms(picture=str(tmp_path / "cat.jpg"))


def test_a_request_says_the_words_that_make_it() -> None:
    flags = {"file": "my net.onnx", "order": "bgr", "cut": ["a", "b"], "force": True}
    words = AddModelRequest.parse(flags).typed()
    assert words[0] == "my net.onnx"
    for pair in (["--order", "bgr"], ["--cut", "a", "--cut", "b"], ["--force"]):
        at = words.index(pair[0])
        assert words[at : at + len(pair)] == pair
    assert len(words) == 8
    assert AddModelRequest.parse({"file": "a.pt"}).typed() == ["a.pt"]


def test_a_text_that_is_no_utf8_is_refused_and_a_file_may_have_any_name() -> None:
    broken = os.fsdecode(b"Once \xff\xfe upon")
    fixed = {"host": [], "model": "tinyclip"}
    with pytest.raises(WrongInput, match=r"--prompt is no UTF-8: byte 0xff after 5 characters"):
        RunRequest.parse(fixed | {"prompt": broken})
    assert RunRequest.parse(fixed | {"prompt": "Zoë 🙂"}).prompt == "Zoë 🙂"
    assert RunRequest.parse(fixed | {"input": [broken]}).inputs == (broken,)


def test_turns_that_are_no_utf8_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = io.TextIOWrapper(io.BytesIO(b"Hello\n\n/quit\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", typed)
    assert list(chat.read_turns()) == ["Hello"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    with pytest.raises(WrongInput, match="no UTF-8: byte 0xff"):
        list(chat.read_turns())
