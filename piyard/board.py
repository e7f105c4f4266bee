"""A Board: one reachable machine, real or emulated, and its Target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from piyard import address, emulator, facts, ssh, target
from piyard.errors import WrongBoard, WrongInput
from piyard.facts import Facts
from piyard.ssh import Login, Session
from piyard.target import Target

DEFAULT = "emulated:rpi5"


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A board we can log in to."""

    name: str
    """What the user called it: a host, or ``emulated:<target>``."""
    target_name: str
    emulated: bool
    login: Login

    @property
    def target(self) -> Target:
        """The kind of board it is."""
        return target.load(self.target_name)

    @property
    def hardware(self) -> str:
        """The Hardware column: an emulated board never passes for a Pi."""
        return f"{self.target.title} (emulated)" if self.emulated else self.target.title


@contextmanager
def open_board(host: str, target_name: str = "") -> Iterator[tuple[Board, Session, Facts]]:
    """Log in to a host, learn what it is, and refuse it if nothing we build runs there.

    Raises ``WrongBoard`` for a machine that is not the target's architecture, and ``WrongInput``
    when neither the board nor ``target_name`` tells the target.
    """
    login = _login(host)
    with ssh.connect(login) as session:
        told = facts.read(session)
        board = Board(
            name=host,
            target_name=target_name or _target_of(host, told),
            emulated=emulator.is_emulated(host),
            login=login,
        )
        _require_architecture(board, told)
        yield board, session, told


def check_name(host: str) -> None:
    """Raise for a host that cannot be one, before anything is built for it."""
    if emulator.is_emulated(host):
        target.load(host.removeprefix(emulator.PREFIX))
    else:
        address.parse(host)


def _login(host: str) -> Login:
    if emulator.is_emulated(host):
        return emulator.up(host.removeprefix(emulator.PREFIX)).login
    return Login(address=address.parse(host))


def _target_of(host: str, told: Facts) -> str:
    if emulator.is_emulated(host):
        return host.removeprefix(emulator.PREFIX)
    if told.machine != "aarch64":
        raise _not_aarch64(host, told)
    found = target.of_model(told.model or "")
    if not found:
        raise WrongInput(
            f"{host} says it is '{told.model or 'nothing known'}', which no target lists",
            remedy=f"say what it is: --target {'|'.join(target.names())}",
        )
    return found


def _require_architecture(board: Board, told: Facts) -> None:
    if told.machine != board.target.arch:
        raise _not_aarch64(board.name, told)


def _not_aarch64(host: str, told: Facts) -> WrongBoard:
    bits = told.machine.startswith("arm") or told.machine.startswith("i")
    return WrongBoard(
        f"{host} is {told.machine}, and piyard builds for aarch64",
        remedy="install the 64-bit Raspberry Pi OS on it"
        if bits
        else "name a Raspberry Pi with a 64-bit system",
    )
