"""A labgrid farm on loopback: a real coordinator, a real exporter and a power switch.

The exporter offers what its file lists; places are made by labgrid's own client, which also plays
the colleagues who hold them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import grpc
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
from labgrid.remote.generated import labgrid_coordinator_pb2_grpc as stubs

from piyard.core.cancel import wait_until

BIN = Path(sys.executable).parent
STOP_LIMIT_S = 20
READY_LIMIT_S = 60


class Farm:
    """A running farm; ``coordinator`` is where it listens."""

    def __init__(self, coordinator: str) -> None:
        self.coordinator = coordinator

    def client(self, *argv: str, user: str = "keeper") -> str:
        """What labgrid-client says, run by some colleague."""
        done = subprocess.run(
            [BIN / "labgrid-client", "-x", self.coordinator, *argv],
            env=os.environ | {"LG_USERNAME": user, "LG_HOSTNAME": "desk"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_place(self, name: str, *groups: str, **tags: str) -> None:
        """A place with all resources of those groups."""
        self.ask("AddPlace", name=name)
        for group in groups:
            self.ask("AddPlaceMatch", placename=name, pattern=f"*/{group}/*")
        self.ask("SetPlaceTags", placename=name, tags=tags)

    def ask(self, call: str, **fields: Any) -> Any:
        """What the coordinator answers to a call that needs no name."""
        request = getattr(messages, f"{call}Request")(**fields)
        with grpc.insecure_channel(self.coordinator) as channel:
            return getattr(stubs.CoordinatorStub(channel), call)(request, timeout=READY_LIMIT_S)

    @contextmanager
    def held(self, name: str, by: str) -> Iterator[Callable[[], object]]:
        """A place somebody acquired; gives what releases it earlier."""
        self.client("-p", name, "acquire", user=by)
        with ExitStack() as stack:
            stack.callback(self.client, "-p", name, "release", user=by)
            yield stack.close

    def holders(self) -> dict[str, str]:
        """The acquired places and who has them."""
        return {p.name: p.acquired for p in self.ask("GetPlaces").places if p.acquired}

    def reservations(self) -> list[str]:
        """Whose reservations there are, in whatever state."""
        return [reservation.owner for reservation in self.ask("GetReservations").reservations]


class Switch:
    """A power switch with a web page a port; ``seen`` are the requests, ``on`` the live ports."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.on: set[str] = set()
        self.broken = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/relay/{{index}}/{{value}}"

    def obey(self, path: str) -> str:
        """Do what a URL asks: ``/relay/3/1`` is on, ``/relay/3`` a question."""
        self.seen.append(path)
        _, _, port, *value = path.split("/")
        if value == ["1"]:
            self.on.add(port)
        elif value:
            self.on.discard(port)
        return "1" if port in self.on else "0"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        switch = self

        class Port(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(500 if switch.broken else 200)
                self.end_headers()
                self.wfile.write(switch.obey(self.path).encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Port


@contextmanager
def switch() -> Iterator[Switch]:
    """A power switch that answers on loopback."""
    result = Switch()
    thread = threading.Thread(target=result.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield result
    finally:
        result.server.shutdown()
        result.server.server_close()
        thread.join()


@contextmanager
def running(folder: Path, resources: dict[str, dict[str, Any]]) -> Iterator[Farm]:
    """A farm with its files in ``folder``; its exporter offers ``{group: {class: parameters}}``."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "exporter.yaml"
    config.write_text(json.dumps(resources))
    with _process(folder, "coordinator", "--listen", "127.0.0.1:0") as started:
        farm = Farm(_line(started, "listening on ").rpartition(" ")[2])
        exporting = ("--coordinator", farm.coordinator, "--name", "exporter", str(config))
        with _process(folder, "exporter", *exporting) as said:
            count = sum(len(group) for group in resources.values())
            assert wait_until(lambda: _offers(farm, count), READY_LIMIT_S), said.read_text()
            yield farm


def _offers(farm: Farm, count: int) -> bool | None:
    return len(farm.client("resources").splitlines()) == count or None


@contextmanager
def _process(folder: Path, name: str, *argv: str) -> Iterator[Path]:
    """One of labgrid's servers in the folder; gives the file it writes its output to."""
    said = folder / f"{name}.log"
    with said.open("wb") as log, _started([str(BIN / f"labgrid-{name}"), *argv], folder, log):
        yield said


@contextmanager
def _started(argv: list[str], folder: Path, log: IO[bytes]) -> Iterator[None]:
    process = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _line(said: Path, start: str) -> str:
    """The first line that begins so, once it is written."""

    def look() -> str | None:
        lines = said.read_text().splitlines()
        return next((line for line in lines if line.startswith(start)), None)

    line = wait_until(look, READY_LIMIT_S)
    assert line, said.read_text()
    return line
