"""The coordinator of a farm: its address, its calls, and a session in which it knows our name."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import msgspec

from piyard.board.ssh.address import Address, parse_address
from piyard.core import console
from piyard.core.errors import HostUnreachable, NotSetUp, PiyardError, WrongInput

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 20408
"""labgrid's default for the coordinator."""
CALL_LIMIT_S = 15
ACQUIRE_LIMIT_S = 60
"""The coordinator gives an exporter 10 s for each resource of a place."""
REFUSALS = ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "PERMISSION_DENIED", "UNIMPLEMENTED")
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
"""The coordinator tells its clients apart by their connections."""


def find_coordinator(host: str) -> str:
    """``host:port`` of the coordinator: the given one, else labgrid's own default.

    Raises ``WrongInput`` for anything but ``host`` or ``host:port``.
    """
    text = host or os.environ.get("LG_COORDINATOR") or DEFAULT_HOST
    try:
        parsed = parse_address(text)
    except WrongInput:
        raise _not_a_coordinator(text) from None
    if parsed.user:
        raise _not_a_coordinator(text)
    return str(Address(host=parsed.host, port=parsed.port or DEFAULT_PORT))


def _not_a_coordinator(text: str) -> WrongInput:
    return WrongInput(
        f"'{text}' is not a labgrid coordinator",
        remedy="write host or host:port, in the fleet file or in LG_COORDINATOR",
    )


@contextmanager
def connect_coordinator(farm: str) -> Iterator[Any]:
    """The coordinator's stub on its own connection; its errors become piyard's.

    Raises ``HostUnreachable`` when it does not answer, ``WrongInput`` when it refuses a
    call, and ``NotSetUp`` without labgrid.
    """
    grpc, stubs = _libraries()
    channel = grpc.insecure_channel(farm, options=OWN_CONNECTION)
    try:
        yield stubs.CoordinatorStub(channel)
    except grpc.RpcError as error:
        raise _translate_error(farm, error) from None
    finally:
        channel.close()


def call_coordinator(stub: Any, name: str, **fields: Any) -> Any:
    """The answer to one of the coordinator's calls."""
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

    request = getattr(messages, f"{name}Request")(**fields)
    slow = name in {"AcquirePlace", "ReleasePlace"}
    return getattr(stub, name)(request, timeout=ACQUIRE_LIMIT_S if slow else CALL_LIMIT_S)


def give_back(farm: str, by_hand: str, name: str, **fields: Any) -> None:
    """A call that gives back something of ours, and hides no error that is being raised.

    If the coordinator does not answer, the user learns how to do it ``by_hand``.
    """
    try:
        with connect_coordinator(farm) as stub:
            call_coordinator(stub, name, **fields)
    except HostUnreachable as error:
        console.info(f"{error.what}; once it does: labgrid-client -x {farm} {by_hand}")
    except WrongInput:
        pass  # the coordinator no longer knows it


def _libraries() -> tuple[Any, Any]:
    try:
        import grpc
        from labgrid.remote.generated import labgrid_coordinator_pb2_grpc as stubs
    except ImportError as error:
        raise NotSetUp(
            "boards from a labgrid farm need labgrid, which is not installed",
            evidence=str(error),
            remedy="install it: .venv/bin/pip install labgrid",
        ) from None
    return grpc, stubs


def _translate_error(farm: str, error: Any) -> PiyardError:
    evidence = f"{error.code().name}: {error.details()}"
    if error.code().name in REFUSALS:
        return WrongInput(
            f"the labgrid coordinator {farm} refuses the call",
            evidence=evidence,
            remedy="correct the board in the fleet file; try again if the coordinator restarted",
        )
    return HostUnreachable(
        f"the labgrid coordinator {farm} does not answer",
        evidence=evidence,
        remedy="is it running, and its address right (coordinator, LG_COORDINATOR)?",
    )


SESSION_LIMIT_S = 90


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Something an exporter offers."""

    path: tuple[str, str, str, str]
    """Exporter, group, class, name."""
    acquired: str
    """The place that uses it."""
    params: dict[str, object]

    def __str__(self) -> str:
        return "/".join(self.path)


class FarmSession(msgspec.Struct, frozen=True, kw_only=True):
    """The farm as the coordinator described it at the start, and the stub for more calls."""

    farm: str
    stub: Any
    places: list[Any]
    resources: list[Resource]

    def of_place(self, place: Any) -> list[Resource]:
        """The resources that belong to a place."""
        return [resource for resource in self.resources if place.hasmatch(resource.path)]


@contextmanager
def open_session(farm: str) -> Iterator[FarmSession]:
    """Open a session under our name, without which the coordinator grants no place."""
    with connect_coordinator(farm) as stub:
        places = read_places(stub)
        with _introduce(stub) as stream:
            resources = read_resources(farm, stream)
            yield FarmSession(farm=farm, stub=stub, places=places, resources=resources)


@contextmanager
def _introduce(stub: Any) -> Iterator[Any]:
    requests: SimpleQueue[Any] = SimpleQueue()
    for message in _greeting():
        requests.put(message)
    stream = stub.ClientStream(iter(requests.get, None), timeout=SESSION_LIMIT_S)
    try:
        yield stream
    finally:
        requests.put(None)
        stream.cancel()


def _greeting() -> list[Any]:
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
    from labgrid.util import labgrid_version

    startup = messages.StartupDone(version=labgrid_version(), name=own_name())
    return [
        messages.ClientInMessage(startup=startup),
        messages.ClientInMessage(subscribe=messages.Subscribe(all_resources=True)),
        messages.ClientInMessage(sync=messages.Sync(id=1)),
    ]


def own_name() -> str:
    """Our name as labgrid writes it: ``host/user``."""
    host = os.environ.get("LG_HOSTNAME") or socket.gethostname()
    try:
        return f"{host}/{os.environ.get('LG_USERNAME') or getpass.getuser()}"
    except (KeyError, OSError):
        raise NotSetUp(
            "this user has no name, which labgrid requires", remedy="export LG_USERNAME=<name>"
        ) from None


def read_resources(farm: str, stream: Iterable[Any]) -> list[Resource]:
    """The farm's resources, as sent up to the answer to our sync.

    One that changes meanwhile is sent again: the last one counts.
    """
    resources: dict[tuple[str, ...], Resource] = {}
    for message in stream:
        updates = [_parse_resource(u.resource) for u in message.updates if u.HasField("resource")]
        resources |= {resource.path: resource for resource in updates}
        if message.HasField("sync"):
            return list(resources.values())
    raise HostUnreachable(f"the labgrid coordinator {farm} ended the session", remedy="try again")


def _parse_resource(message: Any) -> Resource:
    from labgrid.remote.common import ResourceEntry

    path = message.path
    return Resource(
        path=(path.exporter_name, path.group_name, message.cls, path.resource_name),
        acquired=message.acquired,
        params=ResourceEntry.data_from_pb2(message)["params"],
    )


def read_places(stub: Any) -> list[Any]:
    """The places as labgrid itself describes them."""
    from labgrid.remote.common import Place as Described

    return [Described.from_pb2(place) for place in call_coordinator(stub, "GetPlaces").places]
