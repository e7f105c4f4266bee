"""The inventory: the boards of ``targets/fleet.yaml`` and of the user's own ``fleet.yaml``.

A board may be in either file. Where it is in both, the user's keys override the checkout's.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from msgspec import Meta, field

from piyard.board.ssh.address import Address, parse_address
from piyard.core import paths, target
from piyard.core.config import Config, load_yaml
from piyard.core.errors import WrongInput, did_you_mean, unknown_name
from piyard.core.target import Target, load_target, target_names

EMULATED_PREFIX = "emulated:"

EMULATED_NAME = re.compile(r"(?:emulated:)?(?P<target>[^/]+)(?:/(?P<number>[1-9]\d{0,2}))?")


def is_emulated(host: str) -> bool:
    """Whether a host is written ``emulated:<target>``."""
    return host.startswith(EMULATED_PREFIX)


def emulated_target(host: str) -> Target:
    """The target of an emulated board's name; ``WrongInput`` for one that cannot be a board."""
    match = EMULATED_NAME.fullmatch(host)
    if not match:
        raise WrongInput(
            f"'{host}' is not an emulated board",
            remedy=f"write {EMULATED_PREFIX}rpi5 or {EMULATED_PREFIX}rpi5/2",
        )
    return _load_emulable(match["target"])


def runs_natively(target: Target) -> bool:
    """Whether this machine runs that target's programs without emulation."""
    return platform.machine().replace("arm64", "aarch64") == target.arch


def _load_emulable(name: str) -> Target:
    emulable = load_target(name)
    if emulable.arch != "aarch64" and not runs_natively(emulable):
        boards = [n for n in target_names() if load_target(n).arch == "aarch64"]
        raise unknown_name("board to emulate", name, boards)
    return emulable


BOARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LABGRID_KEYS = ("place", "place_tags", "coordinator")
BoardSource = Literal["ssh", "labgrid"]


class BoardEntry(Config, frozen=True, kw_only=True):
    """A board of the inventory; an empty value is unset."""

    host: str = ""
    """A name, an address, an alias of ~/.ssh/config, or ``emulated:<target>[/<n>]``."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    user: str = ""
    key: str = ""
    """The path of a private key."""
    target: str = ""
    tags: list[str] = field(default_factory=list)
    jump: str = ""
    """The jump host, as ``[user@]host[:port]``."""
    sudo: bool = False
    """Whether the user may become root there without a password."""
    price: Annotated[float, Meta(ge=0, le=sys.float_info.max)] | None = None
    """What the board cost on ``price_date``, in dollars."""
    price_date: dt.date | None = None
    notes: str = ""
    source: BoardSource = "ssh"
    place: str = ""
    """The labgrid place of this board; it takes precedence over ``place_tags``."""
    place_tags: dict[str, str] = field(default_factory=dict)
    """Tags that the labgrid place must have."""
    coordinator: str = ""
    """The address of labgrid's coordinator, as ``host:port``."""

    @property
    def key_file(self) -> Path | None:
        """The private key to log in with, if one is set."""
        if not self.key:
            return None
        return Path(self.key).expanduser() if self.key.startswith("~/") else Path(self.key)

    @property
    def address(self) -> Address:
        """The address, IPv6 with or without brackets; ``WrongInput`` for an emulated board."""
        text = self.host if is_address(self.host) else f"[{self.host}]"
        return Address(host=parse_address(text).host, user=self.user, port=self.port)

    @property
    def jump_address(self) -> Address | None:
        """The jump host, if there is one."""
        return parse_address(self.jump) if self.jump else None


class _FleetFile(Config, frozen=True, kw_only=True):
    boards: dict[Any, Any] | None = None


def checkout_fleet_file() -> Path:
    """The fleet file of the checkout; ``PIYARD_FLEET`` names another one."""
    return Path(os.environ.get("PIYARD_FLEET") or target.TARGETS_FOLDER / "fleet.yaml").absolute()


def user_fleet_file() -> Path:
    """The fleet file of this user."""
    return paths.config() / "fleet.yaml"


def load_inventory() -> dict[str, BoardEntry]:
    """All boards, in the order of the files; raises ``WrongInput`` for an invalid file."""
    return read_inventory([checkout_fleet_file(), user_fleet_file()])


def read_inventory(files: Iterable[Path]) -> dict[str, BoardEntry]:
    """The boards of several files as one; a later file overrides an earlier one key by key."""
    merged: dict[str, dict[str, object]] = {}
    sources: dict[str, list[str]] = {}
    for file in files:
        for name, keys in read_fleet_file(file).items():
            merged[name] = merged.get(name, {}) | keys
            sources.setdefault(name, []).append(str(file))
    return {n: parse_entry(n, keys, " and ".join(sources[n])) for n, keys in merged.items()}


def read_fleet_file(file: Path) -> dict[str, dict[str, object]]:
    """The keys of each board of one file, only the names checked; empty without a file."""
    if not os.access(file, os.F_OK):
        return {}
    content: _FleetFile | None = load_yaml(file, cast("Any", _FleetFile | None), finite=False)
    boards = (content.boards if content else None) or {}
    return {
        check_board_name(name, str(file)): _require_keys(name, boards[name], file)
        for name in boards
    }


def check_board_name(name: Any, where: str) -> str:
    """A board's name, unlike any tag, glob, option or path; raises ``WrongInput``."""
    if not isinstance(name, str):
        raise WrongInput(
            f"{where}: a board's name is {name!r}, which is not a string in YAML",
            remedy="put the name in quotes",
        )
    if not BOARD_NAME.fullmatch(name):
        raise WrongInput(
            f"{where}: {name!r} cannot be the name of a board",
            remedy="use letters, digits, '.', '_' and '-', with a letter or digit first",
        )
    return name


def parse_entry(name: str, keys: dict[str, object], where: str) -> BoardEntry:
    """The board with these keys; raises ``WrongInput`` that begins with ``where``."""
    try:
        return _check_entry(_convert_entry(keys))
    except WrongInput as error:
        raise WrongInput(f"{where}: board '{name}': {error.what}", remedy=error.remedy) from None


def is_address(text: str) -> bool:
    """Whether ``text`` is ``[user@]host[:port]``."""
    try:
        parse_address(text)
    except WrongInput:
        return False
    return True


def _require_keys(name: str, keys: Any, file: Path) -> dict[str, object]:
    if not isinstance(keys, dict):
        raise WrongInput(
            f"{file}: board '{name}' has no keys", remedy="give it at least one: host: pi5.local"
        )
    return keys


def _convert_entry(keys: dict[str, object]) -> BoardEntry:
    try:
        return msgspec.convert(keys, BoardEntry)
    except msgspec.ValidationError as error:
        raise WrongInput(
            f"{error}{_hint(str(error))}", remedy="correct that key in the file"
        ) from None


def _hint(problem: str) -> str:
    key = re.search(r"unknown field `(.*)`", problem)
    if key:
        return did_you_mean(key[1], BoardEntry.__struct_fields__)
    source = re.search(r"Invalid enum value '(.*)'", problem)
    return did_you_mean(source[1], get_args(BoardSource)) if source else ""


def _check_entry(board: BoardEntry) -> BoardEntry:
    """The same board, once it passed the checks that its types do not make."""
    _check_text(board)
    _check_target(board)
    _check_login(board)
    if board.source == "labgrid":
        _check_labgrid(board)
    else:
        _check_ssh(board)
    return board


def _check_text(board: BoardEntry) -> None:
    for key in BoardEntry.__struct_fields__:
        try:
            msgspec.json.encode(getattr(board, key))
        except UnicodeEncodeError:
            raise WrongInput(f"{key}: is not Unicode", remedy="write it in UTF-8") from None
    if "" in board.tags:
        raise WrongInput("tags: one is empty", remedy="name the tag, or remove it")


def _check_target(board: BoardEntry) -> None:
    if board.target and board.target not in target_names():
        error = unknown_name("target", board.target, target_names())
        raise WrongInput(f"target: {error.what}", remedy=error.remedy)


def _check_login(board: BoardEntry) -> None:
    if board.user and not is_address(f"{board.user}@host"):
        raise WrongInput(
            f"user: {board.user!r} is not a user name", remedy="write the login name alone"
        )
    if board.jump and not is_address(board.jump):
        raise WrongInput(
            f"jump: {board.jump!r} is not a host", remedy="write name, user@name or user@name:port"
        )


def _check_labgrid(board: BoardEntry) -> None:
    if board.host:
        raise WrongInput(
            "host: not used with labgrid", remedy="leave it out: labgrid knows the address"
        )
    if not (board.place or board.place_tags):
        raise WrongInput("place: is missing", remedy="name a place, or the place_tags it must have")


def _check_ssh(board: BoardEntry) -> None:
    for key in LABGRID_KEYS:
        if getattr(board, key):
            raise WrongInput(f"{key}: is for labgrid only", remedy="add source: labgrid")
    if not board.host:
        raise WrongInput("host: is missing", remedy="write a name or address: host: pi5.local")
    if is_emulated(board.host):
        _check_emulated(board.host, board.target)
    else:
        _check_host(board.host)


def _check_emulated(host: str, target_name: str) -> None:
    try:
        emulated = emulated_target(host).name
    except WrongInput as error:
        raise WrongInput(f"host: {error.what}", remedy=error.remedy) from None
    if target_name not in {"", emulated}:
        raise WrongInput(
            f"target: {target_name}, but {host} is an emulated {emulated}",
            remedy="leave target out: the host names it",
        )


def _check_host(host: str) -> None:
    parsed = parse_address(host) if is_address(host) else None
    if not (parsed or is_address(f"[{host}]")):
        raise WrongInput(f"host: {host!r} is not a host", remedy="write a name or an address")
    if parsed and (parsed.user or parsed.port):
        raise WrongInput(
            f"host: {host!r} is more than a host",
            remedy="write user: and port: as keys of their own",
        )
