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

from piyard.errors import HostUnreachable, NotSetUp
from piyard.fleet.labgrid import coordinator, place

LIMIT_S = 90


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Something an exporter offers."""

    path: tuple[str, str, str, str]
    """Exporter, group, class, name."""
    acquired: str
    """The place that uses it."""
    params: dict[str, Any]

    def __str__(self) -> str:
        return "/".join(self.path)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The farm as the coordinator described it at the start, and the stub for more calls."""

    farm: str
    stub: Any
    places: list[Any]
    resources: list[Resource]

    def of_place(self, place: Any) -> list[Resource]:
        """The resources that belong to a place."""
        return [resource for resource in self.resources if place.hasmatch(resource.path)]


@contextmanager
def opened(farm: str) -> Iterator[Session]:
    """Open a session under our name, without which the coordinator grants no place."""
    with coordinator.connected(farm) as stub:
        places = place.described(stub)
        with _introduced(stub) as stream:
            resources = read_resources(farm, stream)
            yield Session(farm=farm, stub=stub, places=places, resources=resources)


@contextmanager
def _introduced(stub: Any) -> Iterator[Any]:
    requests: SimpleQueue[Any] = SimpleQueue()
    for message in _greeting():
        requests.put(message)
    stream = stub.ClientStream(iter(requests.get, None), timeout=LIMIT_S)
    try:
        yield stream
    finally:
        requests.put(None)
        stream.cancel()


def _greeting() -> list[Any]:
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
    from labgrid.util import labgrid_version

    startup = messages.StartupDone(version=labgrid_version(), name=me())
    return [
        messages.ClientInMessage(startup=startup),
        messages.ClientInMessage(subscribe=messages.Subscribe(all_resources=True)),
        messages.ClientInMessage(sync=messages.Sync(id=1)),
    ]


def me() -> str:
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
        updates = [_resource(u.resource) for u in message.updates if u.HasField("resource")]
        resources |= {resource.path: resource for resource in updates}
        if message.HasField("sync"):
            return list(resources.values())
    raise HostUnreachable(f"the labgrid coordinator {farm} ended the session", remedy="try again")


def _resource(message: Any) -> Resource:
    from labgrid.remote.common import ResourceEntry

    path = message.path
    return Resource(
        path=(path.exporter_name, path.group_name, message.cls, path.resource_name),
        acquired=message.acquired,
        params=ResourceEntry.data_from_pb2(message)["params"],
    )
