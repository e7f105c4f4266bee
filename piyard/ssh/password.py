"""An open connection to one board.

Commands are argv lists, quoted once here. Every command has a time limit that ends it on the board
too. Every failure becomes one clear error. A password is prompted for at the terminal if a host
accepts none of our keys, and never stored.
"""

from __future__ import annotations

import getpass
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Transport

_one_question = threading.Lock()


def logs_in(transport: Transport | None, user: str, title: str) -> bool:
    """Whether the host accepts a password from the terminal; False without a terminal."""
    import paramiko

    if transport is None or not transport.is_active() or not sys.stdin.isatty():
        return False
    if "password" not in _accepted(transport, user):
        return False
    with _one_question:
        secret = getpass.getpass(f"password of {user} on {title}: ")
    try:
        transport.auth_password(user, secret)
    except paramiko.SSHException:
        return False
    return transport.is_authenticated()


def _accepted(transport: Transport, user: str) -> list[str]:
    """The authentication methods that the host offers."""
    import paramiko

    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except paramiko.SSHException:
        return []
    return []
