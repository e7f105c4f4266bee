"""A board as a command opens it, for tests that need nothing but its connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board


@contextmanager
def open_board(host: str, target_name: str = "") -> Iterator[BoardConnection]:
    """Log in to a host, read its facts, and refuse it if nothing we build runs there.

    Raises ``WrongBoard`` for a machine that is not the target's architecture, and ``WrongInput``
    when neither the board nor ``target_name`` names the target.
    """
    connection = BoardConnection(select_board(host), target_name)
    try:
        connection.require_architecture(connection.facts)
        _ = connection.target
        yield connection
    finally:
        connection.close()
