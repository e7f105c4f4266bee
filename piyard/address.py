"""Where a board is: ``[user@]host[:port]``, an IPv6 address in brackets."""

from __future__ import annotations

import re

import msgspec

from piyard.errors import WrongInput

ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z_][\w.-]*)@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[A-Za-z0-9_](?:[\w.-]*\w)?))"
    r"(?::(?P<port>\d{1,5}))?"
)
DEFAULT_USER = "pi"
DEFAULT_PORT = 22


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A host to log in to; an empty user or port leaves it to ~/.ssh/config."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{user}{host}{f':{self.port}' if self.port else ''}"


def parse(text: str) -> Address:
    """The address a user typed; raises ``WrongInput`` for anything else."""
    found = ADDRESS.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    if not found or port > 65535 or (found["port"] and port == 0):
        raise WrongInput(
            f"'{text}' is not a host",
            remedy="write name, user@name or user@name:port, or emulated:<target>",
        )
    return Address(host=found["ipv6"] or found["host"], user=found["user"] or "", port=port)
