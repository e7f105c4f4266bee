"""The coordinator of a farm: its address, its calls, and a session in which it knows our name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from piyard import address, say
from piyard.address import Address
from piyard.errors import HostUnreachable, NotSetUp, PiyardError, WrongInput

HOST, PORT = "127.0.0.1", 20408
"""labgrid's default for the coordinator."""
CALL_LIMIT_S = 15
ACQUIRE_LIMIT_S = 60
"""The coordinator gives an exporter 10 s for each resource of a place."""
REFUSALS = ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "PERMISSION_DENIED", "UNIMPLEMENTED")
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
"""The coordinator tells its clients apart by their connections."""


def find(host: str) -> str:
    """``host:port`` of the coordinator: the given one, else labgrid's own default.

    Raises ``WrongInput`` for anything but ``host`` or ``host:port``.
    """
    text = host or os.environ.get("LG_COORDINATOR") or HOST
    try:
        parsed = address.parse(text)
    except WrongInput:
        raise _no_coordinator(text) from None
    if parsed.user:
        raise _no_coordinator(text)
    return str(Address(host=parsed.host, port=parsed.port or PORT))


def _no_coordinator(text: str) -> WrongInput:
    return WrongInput(
        f"'{text}' is not a labgrid coordinator",
        remedy="write host or host:port, in the fleet file or in LG_COORDINATOR",
    )


@contextmanager
def connected(farm: str) -> Iterator[Any]:
    """The coordinator's stub on its own connection; its errors become piyard's.

    Raises ``HostUnreachable`` when it does not answer, ``WrongInput`` when it refuses a
    call, and ``NotSetUp`` without labgrid.
    """
    grpc, stubs = _libraries()
    channel = grpc.insecure_channel(farm, options=OWN_CONNECTION)
    try:
        yield stubs.CoordinatorStub(channel)
    except grpc.RpcError as error:
        raise _translated(farm, error) from None
    finally:
        channel.close()


def call(stub: Any, name: str, **fields: Any) -> Any:
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
        with connected(farm) as stub:
            call(stub, name, **fields)
    except HostUnreachable as error:
        say.note(f"{error.what}; once it does: labgrid-client -x {farm} {by_hand}")
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


def _translated(farm: str, error: Any) -> PiyardError:
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
