"""A line to a board, before and without a connection."""

from __future__ import annotations

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts
from piyard.board.fleet.inventory import BoardEntry
from piyard.board.fleet.selection import SelectedBoard, select_board
from piyard.core.errors import WrongBoard, WrongInput
from tests.support.plans import board

PI = Facts(machine="aarch64", model="Raspberry Pi 5 Model B Rev 1.0", features="fp asimd asimdhp")


def line_with(facts: Facts, target: str = "") -> BoardConnection:
    line = BoardConnection(select_board("pi5"), target)
    line.__dict__["facts"] = facts
    return line


def test_the_target_is_what_the_board_says_it_is() -> None:
    assert line_with(PI).target.name == "rpi5"
    assert line_with(PI).spec.hardware == "Raspberry Pi 5"


def test_a_named_target_is_not_asked_for() -> None:
    line = BoardConnection(select_board("pi5"), "rpi4")
    assert line.target_known
    assert line.target.name == "rpi4"


def test_a_board_of_unknown_model_needs_its_target_named() -> None:
    with pytest.raises(WrongInput, match="no target lists the model of pi5, 'unknown'") as caught:
        _ = line_with(Facts(machine="aarch64")).target
    assert "--target" in caught.value.remedy


def test_an_emulated_board_behind_an_ordinary_address_is_no_pi() -> None:
    shown = Facts(machine="aarch64", model=None, features=None)
    spec = line_with(shown, "rpi5").spec
    assert spec.emulated
    assert spec.hardware == "Raspberry Pi 5 (emulated)"
    assert not line_with(PI).spec.emulated


def test_planning_sees_what_the_inventory_and_the_facts_say() -> None:
    entry = BoardEntry(host="emulated:rpi5/3", target="rpi5")
    lab = BoardConnection(SelectedBoard(name="lab-pi5", entry=entry))
    assert lab.spec == board("lab-pi5", emulated=True)
    farm = line_with(Facts(machine="aarch64", model=None, features=None, cores=3), "rpi5")
    assert farm.spec == board("pi5", emulated=True, cores=3)
    assert BoardConnection(select_board("pi5"), "rpi5").spec == board("pi5")


@pytest.mark.parametrize(
    ("machine", "remedy"),
    [
        ("armv7l", "install the 64-bit"),
        ("x86_64", "--target desktop"),
        ("riscv64", "name a 64-bit"),
    ],
)
def test_a_machine_of_another_kind_is_refused(machine: str, remedy: str) -> None:
    with pytest.raises(WrongBoard, match=f"pi5 is {machine}") as caught:
        line_with(PI).require_architecture(Facts(machine=machine))
    assert remedy in caught.value.remedy
    assert caught.value.code == 11


def test_a_desktop_target_takes_a_desktop() -> None:
    BoardConnection(select_board("here"), "desktop").require_architecture(Facts(machine="x86_64"))


def test_a_line_that_was_never_opened_closes() -> None:
    BoardConnection(select_board("pi5")).close()
