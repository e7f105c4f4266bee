"""What the doctor of this machine and of boards advises, when something is not well."""

from __future__ import annotations

import pytest

from piyard.board import inspection
from piyard.board.inspection import Finding
from piyard.cli import machine
from piyard.cli.machine import ENGINE, check_machine
from piyard.core.containers import ENGINE_REMEDY
from piyard.core.errors import NotSetUp

REJECTED = Finding(
    board="pi5",
    what="login",
    ok=False,
    detail="pi5 does not accept our key",
    remedy="copy your key there with ssh-copy-id",
)


@pytest.fixture(autouse=True)
def rejecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that is well but for our key."""
    monkeypatch.setattr(inspection, "examine_board", lambda _line: [REJECTED])


def advice(monkeypatch: pytest.MonkeyPatch, *, engine_well: bool) -> str:
    here = machine.Finding(what=ENGINE, ok=engine_well, detail="20.10", remedy="")
    monkeypatch.setattr(machine, "examine_machine", lambda: [here])
    with pytest.raises(NotSetUp, match="pi5: login") as caught:
        check_machine(["pi5"])
    return caught.value.remedy


def test_a_rejected_key_is_no_matter_of_a_container_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advice(monkeypatch, engine_well=True) == "see the last column"
    assert "ssh-copy-id" in capsys.readouterr().out


def test_a_missing_engine_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert advice(monkeypatch, engine_well=False) == ENGINE_REMEDY
