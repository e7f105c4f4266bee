"""A conversation in which the coordinator knows our name."""

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
    """What the coordinator told when it got to know us, and the stub for more."""

    farm: str
    stub: Any
    places: list[Any]
    resources: list[Resource]

    def of_place(self, there: Any) -> list[Resource]:
        """The resources that belong to a place."""
        return [resource for resource in self.resources if there.hasmatch(resource.path)]


@contextmanager
def opened(farm: str) -> Iterator[Session]:
    """Known to the coordinator by our name: it lets nobody else reserve or acquire."""
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
            "this user has no name, which labgrid asks for", remedy="export LG_USERNAME=<name>"
        ) from None


def read_resources(farm: str, stream: Iterable[Any]) -> list[Resource]:
    """The farm's resources, told up to the answer to our sync.

    One that changes meanwhile is told again: what was said last holds.
    """
    found: dict[tuple[str, ...], Resource] = {}
    for message in stream:
        told = [_resource(u.resource) for u in message.updates if u.HasField("resource")]
        found |= {resource.path: resource for resource in told}
        if message.HasField("sync"):
            return list(found.values())
    raise HostUnreachable(
        f"the labgrid coordinator {farm} ended the conversation", remedy="try again"
    )


def _resource(message: Any) -> Resource:
    from labgrid.remote.common import ResourceEntry

    path = message.path
    return Resource(
        path=(path.exporter_name, path.group_name, message.cls, path.resource_name),
        acquired=message.acquired,
        params=ResourceEntry.data_from_pb2(message)["params"],
    )
