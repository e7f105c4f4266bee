"""Addresses of boards: ``user@name:port``, read and checked."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

import msgspec

from piyard.core.errors import NoSuchHost, WrongInput
from piyard.core.text import JOINERS

ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z_][\w.-]*)@)?"
    r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]@:]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
ZONE = re.compile(r"[\w.-]+", re.ASCII)
HOST_PUNCTUATION = frozenset("_-.")

DEFAULT_USER = "pi"
DEFAULT_PORT = 22

MAX_LABEL_BYTES, MAX_HOST_BYTES = 63, 253
"""The most characters of a part of a name, and of a name, as DNS has them."""
MDNS = ".local"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A host to log in to; an empty user or port leaves it to ~/.ssh/config."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{user}{host}{f':{self.port}' if self.port else ''}"


def parse_address(text: str) -> Address:
    """The address a user typed; raises ``WrongInput`` for anything else."""
    match = ADDRESS.fullmatch(text)
    port = int(match["port"] or 0) if match else 0
    if not match or port > 65535 or (match["port"] and port == 0) or not _is_host(match):
        raise WrongInput(
            f"'{text}' is not a host",
            remedy=_ipv6_hint(text)
            or "write name, user@name or user@name:port, or emulated:<target>",
        )
    host = match["ipv6"] or unicodedata.normalize("NFC", match["host"])
    return Address(host=host, user=match["user"] or "", port=port)


def _ipv6_hint(text: str) -> str:
    """How to write a bare IPv6 address; empty for what is none."""
    user, at, host = text.rpartition("@")
    return f"write an IPv6 address in brackets: {user}{at}[{host}]" if _is_ipv6(host) else ""


def resolver_name(host: str) -> str | bytes:
    """A name as a resolver takes it: an internationalised one in ASCII, as IDNA has it.

    Names of mDNS stay as they are, in UTF-8. Raises ``NoSuchHost`` for what no resolver can know.
    """
    if _is_ipv6(host):
        return host
    plain = host.removesuffix(".")
    if not host.isascii() and plain.lower().endswith(MDNS):
        _require_length(host, plain.encode().split(b"."))
        return host.encode()
    name = host if host.isascii() else _idna(host, plain)
    _require_length(host, name.removesuffix(".").encode().split(b"."))
    return name


def _idna(host: str, plain: str) -> str:
    import idna

    try:
        return idna.encode(plain, uts46=True).decode()
    except idna.IDNAError as error:
        raise _invalid_host(host, str(error)) from None


def _require_length(host: str, labels: list[bytes]) -> None:
    longest = max(map(len, labels))
    if longest > MAX_LABEL_BYTES:
        raise _invalid_host(
            host, f"a part of it has {longest} bytes, and {MAX_LABEL_BYTES} are allowed"
        )
    if sum(len(label) + 1 for label in labels) - 1 > MAX_HOST_BYTES:
        raise _invalid_host(host, f"it has more than {MAX_HOST_BYTES} bytes")
    if not all(labels):
        raise _invalid_host(host, "a part of it is empty")


def _invalid_host(host: str, why: str) -> NoSuchHost:
    return NoSuchHost(
        f"no host can be called '{host}'",
        evidence=why,
        remedy="check the name, or use its address",
    )


def _is_host(match: re.Match[str]) -> bool:
    if match["ipv6"]:
        return _is_ipv6(match["ipv6"])
    name = unicodedata.normalize("NFC", match["host"])
    return name[0] not in "-." and name[-1] not in "-." and all(map(_is_host_letter, name))


def _is_host_letter(letter: str) -> bool:
    """Letters, digits and what modifies them, of any script."""
    kind = unicodedata.category(letter)
    return letter in HOST_PUNCTUATION or letter in JOINERS or kind[0] in "LM" or kind == "Nd"


def _is_ipv6(text: str) -> bool:
    host, percent, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return not percent or bool(ZONE.fullmatch(zone))
