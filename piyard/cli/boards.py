"""The boards that a request names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import SelectedBoard, select_boards
from piyard.board.lease import LEASE_WAIT_S
from piyard.board.ssh.hostkeys import refuse_unknown_hosts
from piyard.cli.base_requests import BoardsRequest
from piyard.cli.flags import HOST
from piyard.core import console
from piyard.run.schedule import MAX_PARALLEL


class Boards(msgspec.Struct, frozen=True, kw_only=True):
    """The boards of a command, and how to connect to them."""

    selected: Sequence[SelectedBoard]
    target: str = ""
    parallel: int = MAX_PARALLEL
    wait_s: float = LEASE_WAIT_S

    @property
    def names(self) -> list[str]:
        """Their names, as the user calls them."""
        return [board.name for board in self.selected]

    def connections(self) -> list[BoardConnection]:
        """A connection to each, opened at first use."""
        return [BoardConnection(board, self.target, wait_s=self.wait_s) for board in self.selected]


def named_boards(request: BoardsRequest) -> Boards:
    """The boards that a request names, perhaps none; raises ``WrongInput``."""
    if request.strict:
        refuse_unknown_hosts()
    return Boards(
        selected=select_boards(request.hosts, every=request.all),
        target=request.target,
        parallel=request.parallel,
        wait_s=0 if request.no_wait else LEASE_WAIT_S,
    )


def named_or_emulated(request: BoardsRequest) -> Boards:
    """The boards that a request names, or the emulated default, which is announced."""
    if request.hosts or request.all:
        return named_boards(request)
    console.info(f"no --host given: using {HOST}, an emulated board")
    return named_boards(request.replace(hosts=(HOST,)))
