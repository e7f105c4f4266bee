"""Emulated boards as the places of a labgrid farm, used by piyard's own commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from piyard.board.emulator import EmulatedBoard, stop_emulated
from piyard.board.ssh.hostkeys import login_key
from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from tests.integration.conftest import Invoke
from tests.support import labgrid_farm as farms
from tests.support.labgrid_farm import Farm, Switch
from tests.support.plans import start_emulated

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(2400)),
    pytest.mark.usefixtures("own_results"),
]

PLACES = ("shelf-1", "shelf-2")


@pytest.fixture(scope="module")
def boards(emulated_rpi5: EmulatedBoard) -> Iterator[list[EmulatedBoard]]:
    yield [emulated_rpi5, start_emulated("rpi5/2")]
    stop_emulated("rpi5/2")


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with farms.switch() as result:
        yield result


@pytest.fixture(scope="module")
def farm(
    boards: list[EmulatedBoard], switch: Switch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    resources: dict[str, dict[str, Any]] = {
        place: {
            "NetworkService": {"address": "127.0.0.1", "port": board.port, "username": "pi"},
            "NetworkPowerPort": {"model": "simplerest", "host": switch.url, "index": index},
        }
        for index, (place, board) in enumerate(zip(PLACES, boards, strict=True), 1)
    }
    with farms.running(tmp_path_factory.mktemp("farm"), resources) as running:
        for place in PLACES:
            running.add_place(place, place, board="rpi5")
        yield running


@pytest.fixture(autouse=True)
def fleet(farm: Farm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two boards of the farm, whichever are free; the third one is named."""
    login = f"coordinator: '{farm.coordinator}', key: {login_key()}"
    lines = [
        f"  any-{n}: {{source: labgrid, place_tags: {{board: rpi5}}, target: rpi5, {login}}}\n"
        for n in (1, 2)
    ]
    named = f"  first: {{source: labgrid, place: shelf-1, target: rpi5, {login}}}\n"
    (tmp_path / "fleet.yaml").write_text("boards:\n" + "".join([*lines, named]))
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "fleet.yaml"))
    monkeypatch.setenv("PIYARD_STRICT_HOST_KEYS", "")
    monkeypatch.setenv("LG_USERNAME", "me")


def test_jobs_are_shared_out_over_what_the_farm_gives(
    farm: Farm, rpi5_build: Build, squeezenet: Conversion, invoke: Invoke
) -> None:
    done = invoke(
        *("bench", "--host", "any-*", "--spread", "--model", "squeezenet1_1", "--random-weights"),
        *("--precision", "fp32", "--threads", "1", "--threads", "2", "--loops", "1"),
        *("--warmup", "0", "--format", "json"),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert sorted(row["board"] for row in rows) == ["any-1", "any-2"]
    assert all("EMULATED: not a Pi's time" in row["Comments"] for row in rows)
    assert all(row["Hardware"] == "Raspberry Pi 5 (emulated)" for row in rows)
    assert farm.holders() == {}
    assert farm.reservations() == []


def test_a_place_somebody_holds_is_not_touched(farm: Farm, invoke: Invoke) -> None:
    ask = ("fleet.exec", "--host", "first", "--command", "hostname")
    with farm.held("shelf-1", by="alice"):
        busy = invoke(*ask, "--no-wait")
        assert busy.returncode == 16
        assert "alice" in busy.stderr
        assert "Traceback" not in busy.stderr
    assert "rpi5" in invoke(*ask).stdout
    assert farm.holders() == {}


def test_the_power_port_is_switched(farm: Farm, switch: Switch, invoke: Invoke) -> None:
    assert invoke("fleet.power", "--host", "first", "--action", "on").stdout == "first: on\n"
    assert invoke("fleet.power", "--host", "first").stdout == "first: on\n"
    assert "/relay/1/1" in switch.seen
    assert invoke("fleet.power", "--host", "first", "--action", "off").stdout == "first: off\n"
    wrong = invoke("fleet.power", "--host", "first", "--action", "explode")
    assert wrong.returncode == 3
    assert farm.holders() == {}


def test_the_places_are_listed(farm: Farm, invoke: Invoke) -> None:
    listed = invoke("fleet.places", "--coordinator", farm.coordinator, "--format", "json")
    assert [place["Place"] for place in json.loads(listed.stdout)] == list(PLACES)
