"""What needs no farm: a wrong coordinator, what one tells, and no labgrid at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

from piyard.board.fleet.inventory import BoardEntry
from piyard.board.labgrid.acquisition import acquire_place
from piyard.board.labgrid.coordinator import find_coordinator, read_resources
from piyard.board.labgrid.places import list_places, places_busy
from piyard.core.errors import HostUnreachable, NotSetUp, WrongInput

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_coordinator_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LG_COORDINATOR", raising=False)


def test_without_labgrid_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "labgrid"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "labgrid", None)
    with pytest.raises(NotSetUp, match="pip install labgrid") as caught:
        list_places()
    assert caught.value.code == 2


def test_the_module_itself_loads_neither_labgrid_nor_grpc() -> None:
    program = (
        "import sys, piyard.board.labgrid.acquisition; "
        "print([m for m in sys.modules if m.split('.')[0] in {'labgrid', 'grpc'}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("farm.example", "farm.example:20408"),
        ("farm.example:1234", "farm.example:1234"),
        ("[fe80::1]", "[fe80::1]:20408"),
        ("", "127.0.0.1:20408"),
    ],
)
def test_a_coordinator_has_labgrids_port_unless_it_says_another(named: str, expected: str) -> None:
    assert find_coordinator(named) == expected


@pytest.mark.parametrize("named", ["ws://farm:20408/ws", "me@farm", "farm:99999", "a b"])
def test_what_is_no_coordinator_is_refused(named: str) -> None:
    with (
        pytest.raises(WrongInput, match="is not a labgrid coordinator"),
        acquire_place(BoardEntry(source="labgrid", place="x", coordinator=named), wait_s=0),
    ):
        raise AssertionError("acquired")


def describe(*places: str, in_sync: bool = False) -> Any:
    """What the coordinator says of one resource, which places use one after the other."""
    path = {"exporter_name": "exporter", "group_name": "one", "resource_name": "ssh"}
    service = {"cls": "NetworkService", "path": path}
    updates = [{"resource": {**service, "acquired": place}} for place in places]
    return messages.ClientOutMessage(updates=updates, sync={"id": 1} if in_sync else None)


def test_a_resource_that_changes_while_it_is_told_is_one_resource() -> None:
    stream = [describe(""), describe("rpi5-1"), describe(in_sync=True), describe("unread")]
    (resource,) = read_resources("farm:1", stream)
    assert str(resource) == "exporter/one/NetworkService/ssh"
    assert resource.acquired == "rpi5-1"


def test_a_coordinator_that_hangs_up_before_it_told_all_is_unreachable() -> None:
    with pytest.raises(HostUnreachable, match="ended the session"):
        read_resources("farm:1", [describe("")])


def test_places_that_are_gone_while_they_are_waited_for_leave_a_line() -> None:
    error = places_busy([], {"name": "rpi5-1"})
    assert error.what == "every place with name=rpi5-1 is taken"
