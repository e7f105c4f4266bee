"""A password, asked for at the terminal when a host takes no key of ours; never kept."""

from __future__ import annotations

import getpass
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Transport

_one_question = threading.Lock()


def logs_in(transport: Transport | None, user: str, title: str) -> bool:
    """Whether a password given at the terminal opens the host; False where none can be asked."""
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
    """The ways of logging in that the host names."""
    import paramiko

    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except paramiko.SSHException:
        return []
    return []
