"""Boards of a labgrid farm: a real coordinator and exporter, SSH servers as the boards.

The user of these tests is desk/me; alice and bob are colleagues at the same desk.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from piyard.board.fleet.inventory import BoardEntry
from piyard.board.labgrid import coordinator
from piyard.board.labgrid.acquisition import (
    AcquiredPlace,
    acquire_place,
    switch_acquired,
    switch_power,
)
from piyard.board.labgrid.places import list_places
from piyard.board.ssh.address import Address
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import open_session
from piyard.core import cancel
from piyard.core.cancel import wait_until
from piyard.core.errors import (
    BoardBusy,
    BoardCommandFailed,
    HostUnreachable,
    PiyardError,
    WrongInput,
)
from tests.support import labgrid_farm as farms
from tests.support import ssh_server
from tests.support.labgrid_farm import Farm, Switch
from tests.support.ssh_server import Sshd

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 60
FIVES = {"board": "rpi5"}
PLACES = ["rpi5-1", "rpi5-2"]

Board = Callable[..., BoardEntry]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sshd]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("boards")
        servers = [stack.enter_context(ssh_server.running(folder / name)) for name in PLACES]
        for server, place in zip(servers, PLACES, strict=True):
            (server.home / f"this is {place}").touch()
        yield servers


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with farms.switch() as result:
        yield result


@pytest.fixture(scope="module")
def shared(
    boards: list[Sshd], switch: Switch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    """Two boards with power ports, and places that are wrong each in its own way."""
    services = [
        {"address": "127.0.0.1", "port": board.port, "username": ssh_server.USER, "password": "x"}
        for board in boards
    ]
    ports = [{"model": "simplerest", "host": switch.url, "index": index} for index in (1, 2)]
    resources: dict[str, dict[str, Any]] = {
        "one": {"NetworkService": services[0], "NetworkPowerPort": ports[0]},
        "two": {"NetworkService": services[1], "NetworkPowerPort": ports[1]},
        "unpowered": {"NetworkService": services[0]},
        "console": {"NetworkSerialPort": {"host": "127.0.0.1", "port": 4000}},
        "hostile": {"NetworkService": {"address": "$(reboot)", "username": "pi"}},
        "behind": {"NetworkService": {"address": "fe80::5%usb0", "username": "pi"}},
    }
    with farms.running(tmp_path_factory.mktemp("farm"), resources) as farm:
        farm.add_place("rpi5-1", "one", board="rpi5", desk="left")
        farm.add_place("rpi5-2", "two", board="rpi5", desk="right")
        farm.add_place("twin", "one")
        farm.add_place("unpowered", "unpowered")
        farm.add_place("console", "console")
        farm.add_place("hostile", "hostile")
        farm.add_place("behind", "behind")
        farm.add_place("behind-too", "behind")
        farm.add_place("offline", "nowhere")
        farm.add_place("crowded", "one", "two")
        farm.ask("AddPlaceAlias", placename="rpi5-1", alias="fast")
        yield farm


@pytest.fixture
def farm(shared: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    """The farm, on which nothing is left behind."""
    for name in ("LG_COORDINATOR", "LG_TOKEN", "LG_PLACE", "LG_ENV", "LG_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LG_HOSTNAME", "desk")
    monkeypatch.setenv("LG_USERNAME", "me")
    yield shared
    assert (shared.holders(), shared.reservations()) == ({}, [])


@pytest.fixture
def board(farm: Farm) -> Board:
    """An entry of the fleet file that is a place of the farm."""

    def make(place: str = "", **tags: str) -> BoardEntry:
        return BoardEntry(
            source="labgrid", place=place, place_tags=tags, coordinator=farm.coordinator
        )

    return make


def files_over_ssh(held: AcquiredPlace, server: Sshd) -> list[str]:
    where = Address(host=held.address, user=held.user, port=held.port)
    login = Login(address=where, key=server.client_key_file, known_hosts=server.known_hosts)
    with open_session(login) as session:
        # the test's SSH server may close before it has confirmed a command that is over at once
        return session.run(["sh", "-c", "sleep 0.2; ls"]).out.splitlines()


def failing(entry: BoardEntry, *, wait_s: float = 0) -> PiyardError:
    """The error that stands in the way of a board."""
    with pytest.raises(PiyardError) as caught, acquire_place(entry, wait_s=wait_s):
        raise AssertionError("acquired")
    assert len(caught.value.what.splitlines()) == 1
    assert caught.value.remedy
    return caught.value


def test_a_place_is_acquired_by_name_and_its_board_answers_over_ssh(
    farm: Farm, board: Board, boards: list[Sshd]
) -> None:
    with acquire_place(board("rpi5-2"), wait_s=0) as held:
        assert held.place == "rpi5-2"
        assert farm.holders() == {"rpi5-2": "desk/me"}
        assert files_over_ssh(held, boards[1]) == ["this is rpi5-2"]


def test_an_alias_is_a_name_too(board: Board) -> None:
    with acquire_place(board("fast"), wait_s=0) as held:
        assert held.place == "rpi5-1"


def test_the_user_of_the_entry_comes_before_the_one_of_the_place(farm: Farm) -> None:
    entry = BoardEntry(
        source="labgrid", place="rpi5-1", coordinator=farm.coordinator, user="root", port=2022
    )
    with acquire_place(entry, wait_s=0) as held:
        assert (held.user, held.port) == ("root", 2022)


def test_labgrids_own_variable_names_the_coordinator(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LG_COORDINATOR", farm.coordinator)
    with acquire_place(BoardEntry(source="labgrid", place="rpi5-1"), wait_s=0):
        assert farm.holders() == {"rpi5-1": "desk/me"}


def test_tags_pick_a_free_place(farm: Farm, board: Board, boards: list[Sshd]) -> None:
    with farm.held("rpi5-1", by="alice"), acquire_place(board(**FIVES), wait_s=0) as held:
        assert held.place == "rpi5-2"
        assert files_over_ssh(held, boards[1]) == ["this is rpi5-2"]


def test_several_tags_must_all_fit(board: Board) -> None:
    with acquire_place(board(board="rpi5", desk="right"), wait_s=0) as held:
        assert held.place == "rpi5-2"


def test_a_busy_place_is_waited_for(farm: Farm, board: Board) -> None:
    def use() -> str:
        with acquire_place(board("rpi5-1"), wait_s=LONG_S):
            return farm.holders()["rpi5-1"]

    with farm.held("rpi5-1", by="alice") as release, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(use)
        assert wait_until(lambda: farm.reservations() or None, LONG_S) == ["desk/me"]
        assert farm.holders() == {"rpi5-1": "desk/alice"}
        release()
        assert waiting.result() == "desk/me"


@pytest.mark.parametrize("wait_s", [0, 2])
def test_a_place_that_stays_busy_is_given_up_naming_its_holder(
    farm: Farm, board: Board, wait_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with farm.held("rpi5-1", by="alice"):
        error = failing(board("rpi5-1"), wait_s=wait_s)
    assert isinstance(error, BoardBusy)
    assert error.code == 16
    assert error.what == "place rpi5-1 is held by alice on desk"
    waiting = "waiting: place rpi5-1 is held by alice on desk\n"
    assert capsys.readouterr().err == (waiting if wait_s else "")


def test_tags_of_which_all_places_are_busy_name_every_holder(farm: Farm, board: Board) -> None:
    with farm.held("rpi5-1", by="alice"), farm.held("rpi5-2", by="bob"):
        error = failing(board(**FIVES))
    assert isinstance(error, BoardBusy)
    assert error.what == "every place with board=rpi5 is taken"
    assert error.evidence.splitlines() == [
        "place rpi5-1 is held by alice on desk",
        "place rpi5-2 is held by bob on desk",
    ]


def test_a_place_reserved_for_somebody_names_them(farm: Farm, board: Board) -> None:
    said = farm.client("reserve", "--shell", "name=rpi5-1", user="bob")
    token = said.strip().partition("=")[2]
    try:
        assert failing(board("rpi5-1")).what == "place rpi5-1 is reserved by bob on desk"
        listed = {place.name: place for place in list_places(farm.coordinator)}
        assert listed["rpi5-1"].reserved_by == "desk/bob"
    finally:
        farm.ask("CancelReservation", token=token)


def test_a_place_whose_resources_another_place_uses_is_busy(farm: Farm, board: Board) -> None:
    with farm.held("rpi5-1", by="alice"):
        error = failing(board("twin"))
    assert isinstance(error, BoardBusy)
    assert "exporter/one/NetworkService/NetworkService is used by place rpi5-1" in error.evidence


def test_a_reservation_does_not_expire_while_resources_are_waited_for(
    farm: Farm, board: Board
) -> None:
    def use() -> str:
        with acquire_place(board("twin"), wait_s=LONG_S) as held:
            return held.place

    def expires() -> float | None:
        kept = [r.timeout for r in farm.ask("GetReservations").reservations if r.allocations]
        return kept[0] if kept else None

    with farm.held("rpi5-1", by="alice") as release, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(use)
        first = wait_until(expires, LONG_S)
        assert first
        assert wait_until(lambda: (expires() or 0) > first + 1 or None, LONG_S)
        release()
        assert waiting.result() == "twin"


@pytest.mark.parametrize("ending", [ValueError("body"), KeyboardInterrupt(), SystemExit(3)])
def test_a_place_is_given_back_however_the_body_ends(
    farm: Farm, board: Board, ending: BaseException
) -> None:
    with pytest.raises(type(ending)), acquire_place(board("rpi5-1"), wait_s=0):
        raise ending
    assert farm.holders() == {}


HOLD = """
import sys
from piyard.board.fleet.inventory import BoardEntry
from piyard.board.labgrid.acquisition import acquire_place
entry = BoardEntry(source="labgrid", place="rpi5-1", coordinator=sys.argv[1])
with acquire_place(entry, wait_s=60):
    sys.stdin.read()
"""


@pytest.mark.parametrize("waiting", [False, True])
def test_ctrl_c_leaves_nothing_behind(farm: Farm, *, waiting: bool) -> None:
    argv = [sys.executable, "-c", HOLD, farm.coordinator]
    with ExitStack() as stack:
        if waiting:
            stack.enter_context(farm.held("rpi5-1", by="alice"))
        run = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        stack.enter_context(run)
        stack.callback(run.kill)
        mine = farm.reservations if waiting else farm.holders
        assert wait_until(lambda: mine() or None, LONG_S)
        run.send_signal(signal.SIGINT)
        assert run.wait(LONG_S) == -signal.SIGINT
        assert farm.reservations() == []


def test_ctrl_c_reaches_a_thread_that_waits(farm: Farm, board: Board) -> None:
    def use() -> None:
        with acquire_place(board("rpi5-1"), wait_s=LONG_S):
            raise AssertionError("acquired")

    with farm.held("rpi5-1", by="alice"), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(use)
        assert wait_until(lambda: farm.reservations() or None, LONG_S)
        cancel.request()
        try:
            assert isinstance(waiting.exception(), KeyboardInterrupt)
        finally:
            cancel.reset()
        assert farm.reservations() == []


def test_two_threads_with_the_same_tags_get_different_places(
    farm: Farm, board: Board, boards: list[Sshd]
) -> None:
    both_hold = Barrier(2, timeout=LONG_S)

    def use(_: int) -> str:
        with acquire_place(board(**FIVES), wait_s=LONG_S) as held:
            both_hold.wait()
            server = boards[PLACES.index(held.place)]
            assert files_over_ssh(held, server) == [f"this is {held.place}"]
            return held.place

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(use, range(2))) == PLACES


def test_two_runs_of_one_user_do_not_share_a_place(farm: Farm, board: Board) -> None:
    with acquire_place(board("rpi5-1"), wait_s=0):
        error = failing(board("rpi5-1"))
    assert error.what == "place rpi5-1 is held by me on desk"
    assert "labgrid-client -p <place> release" in error.remedy


def test_more_threads_than_places_take_turns(farm: Farm, board: Board) -> None:
    def use(_: int) -> str:
        with acquire_place(board(**FIVES), wait_s=LONG_S) as held:
            return held.place

    with ThreadPoolExecutor(5) as pool:
        used = list(pool.map(use, range(5)))
    assert set(used) <= set(PLACES)


def test_a_place_acquired_by_hand_is_used_and_stays_acquired(farm: Farm, board: Board) -> None:
    with farm.held("rpi5-1", by="me"):
        with acquire_place(board("rpi5-1"), wait_s=0) as held:
            assert held.place == "rpi5-1"
        assert farm.holders() == {"rpi5-1": "desk/me"}


def test_a_place_that_its_holder_allowed_us_is_used_and_left_to_them(
    farm: Farm, board: Board
) -> None:
    with farm.held("rpi5-1", by="alice"):
        farm.client("-p", "rpi5-1", "allow", "desk/me", user="alice")
        with acquire_place(board("rpi5-1"), wait_s=0) as held:
            assert held.place == "rpi5-1"
        assert farm.holders() == {"rpi5-1": "desk/alice"}


def test_an_unknown_place_names_the_nearest(board: Board) -> None:
    error = failing(board("RPI5_1"))
    assert isinstance(error, WrongInput)
    assert error.what == "unknown place 'RPI5_1', did you mean 'rpi5-1'?"
    assert "rpi5-2" in error.remedy


def test_tags_that_no_place_has_name_the_nearest(board: Board) -> None:
    error = failing(board(board="rpi-5"), wait_s=LONG_S)
    assert isinstance(error, WrongInput)
    assert error.what == "no place has the tags board=rpi-5, did you mean 'board=rpi5'?"
    assert "rpi5-2: board=rpi5, desk=right" in error.evidence


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("console", "it has exporter/console/NetworkSerialPort/NetworkSerialPort"),
        ("offline", "no exporter offers */nowhere/*"),
    ],
)
def test_a_place_without_a_network_service_says_what_it_has(
    board: Board, place: str, expected: str
) -> None:
    error = failing(board(place))
    assert isinstance(error, WrongInput)
    assert error.what == f"place {place} has no NetworkService"
    assert expected in error.evidence


def test_of_several_network_services_one_must_be_the_default(farm: Farm, board: Board) -> None:
    assert failing(board("crowded")).what == "place crowded has more than one NetworkService"
    pattern = "exporter/two/NetworkService/NetworkService"
    farm.ask("DeletePlaceMatch", placename="crowded", pattern="*/two/*")
    farm.ask("AddPlaceMatch", placename="crowded", pattern=pattern, rename="default")
    with acquire_place(board("crowded"), wait_s=0) as crowded:
        port = crowded.port
    with acquire_place(board("rpi5-2"), wait_s=0) as second:
        assert port == second.port


def test_an_address_that_is_none_is_refused(board: Board) -> None:
    error = failing(board("hostile"))
    assert isinstance(error, WrongInput)
    assert "'pi@$(reboot):22'" in error.what


def test_a_board_behind_its_exporter_asks_for_a_jump(
    farm: Farm, board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    with acquire_place(board("behind"), wait_s=0) as held:
        assert (held.address, held.port) == ("fe80::5%usb0", 22)
    assert "place behind is only reached through" in capsys.readouterr().err
    entry = BoardEntry(source="labgrid", place="behind", coordinator=farm.coordinator, jump="gate")
    with acquire_place(entry, wait_s=0):
        assert not capsys.readouterr().err


def test_the_hint_at_a_jump_waits_for_the_board(
    farm: Farm, board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    with farm.held("behind", by="alice"):
        assert isinstance(failing(board("behind-too"), wait_s=2), BoardBusy)
    assert not capsys.readouterr().err


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failing(BoardEntry(source="labgrid", place="x", coordinator=f"127.0.0.1:{port}"))
    assert isinstance(error, HostUnreachable)
    assert "UNAVAILABLE" in error.evidence


@pytest.mark.timeout(60)
def test_a_coordinator_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "CALL_LIMIT_S", 2)
    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        error = failing(BoardEntry(source="labgrid", place="x", coordinator=f"127.0.0.1:{port}"))
    assert isinstance(error, HostUnreachable)


def test_a_run_ends_well_though_the_coordinator_is_gone(
    boards: list[Sshd], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = {"address": "127.0.0.1", "port": boards[0].port, "username": ssh_server.USER}
    with ExitStack() as stack:
        brief = stack.enter_context(farms.running(tmp_path, {"g": {"NetworkService": service}}))
        brief.add_place("brief", "g")
        entry = BoardEntry(source="labgrid", place="brief", coordinator=brief.coordinator)
        with acquire_place(entry, wait_s=0) as held:
            stack.close()
            result = files_over_ssh(held, boards[0])
    assert result == ["this is rpi5-1"]
    assert f"labgrid-client -x {brief.coordinator} -p brief release" in capsys.readouterr().err


def test_power_is_switched_by_the_places_own_port(board: Board, switch: Switch) -> None:
    switch.seen.clear()
    answers = [switch_power(board("rpi5-2"), a, wait_s=0) for a in ("on", "get", "off", "get")]
    assert answers == ["on", "on", "off", "off"]
    assert switch.seen == ["/relay/2/1", "/relay/2", "/relay/2/0", "/relay/2"]


def test_a_board_in_use_is_power_cycled_in_between(
    farm: Farm, board: Board, switch: Switch
) -> None:
    switch.seen.clear()
    with acquire_place(board(**FIVES), wait_s=0) as held:
        assert switch_acquired(held, "cycle") == "on"
        assert farm.holders() == {held.place: "desk/me"}
    port = held.place[-1]
    assert switch.seen == [f"/relay/{port}/0", f"/relay/{port}/1"]


def test_power_of_somebody_elses_board_is_not_touched(
    farm: Farm, board: Board, switch: Switch
) -> None:
    switch.seen.clear()
    with farm.held("rpi5-1", by="alice"), pytest.raises(BoardBusy, match="alice"):
        switch_power(board("rpi5-1"), "off", wait_s=0)
    assert switch.seen == []


def test_a_board_given_back_is_not_switched(board: Board, switch: Switch) -> None:
    with acquire_place(board("rpi5-1"), wait_s=0) as held:
        pass
    switch.seen.clear()
    with pytest.raises(BoardCommandFailed, match="is not acquired"):
        switch_acquired(held, "off")
    assert switch.seen == []


def test_power_without_a_port(board: Board) -> None:
    with pytest.raises(WrongInput, match="place unpowered has no power port"):
        switch_power(board("unpowered"), "on", wait_s=0)


def test_a_power_switch_that_fails_says_how(
    board: Board, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "broken", True)
    with pytest.raises(BoardCommandFailed) as caught:
        switch_power(board("rpi5-1"), "on", wait_s=0)
    assert caught.value.what == "power on of place rpi5-1 failed"
    assert "500 Server Error" in caught.value.evidence
    assert "Traceback" not in str(caught.value)


def test_the_users_labgrid_environment_does_not_change_what_power_means(
    board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "env.yaml").write_text("targets: {main: {resources: {RemotePlace: {name: x}}}}")
    monkeypatch.setenv("LG_ENV", str(tmp_path / "env.yaml"))
    assert switch_power(board("rpi5-1"), "off", wait_s=0) == "off"


def test_an_unknown_power_action_acquires_nothing(board: Board) -> None:
    with pytest.raises(WrongInput, match="unknown power action 'offf', did you mean 'off'"):
        switch_power(board("nowhere"), "offf", wait_s=0)


def test_places_say_their_tags_and_who_has_them(farm: Farm) -> None:
    with farm.held("rpi5-2", by="bob"):
        listed = {place.name: place for place in list_places(farm.coordinator)}
    assert list(listed) == sorted(listed)
    assert listed["rpi5-1"].tags == {"board": "rpi5", "desk": "left"}
    assert (listed["rpi5-1"].acquired_by, listed["rpi5-2"].acquired_by) == ("", "desk/bob")
