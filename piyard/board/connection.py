"""A board: one reachable machine, real or emulated, its target, and the connection to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

import msgspec

from piyard.board.address import Address
from piyard.board.emulator import start_emulated
from piyard.board.facts import Facts, read_facts
from piyard.board.fleet.inventory import (
    BoardEntry,
    emulated_target,
    find_board,
    is_emulated,
    load_inventory,
    runs_natively,
)
from piyard.board.fleet.selection import find_entry
from piyard.board.labgrid.acquisition import acquire_place
from piyard.board.lease import LEASE_WAIT_S, new_lease, release_lease
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import Session, open_session, require_resolvable
from piyard.core.errors import NoSuchHost, WrongBoard, WrongInput, did_you_mean
from piyard.core.target import Target, load_target, target_names, target_of_device


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A reachable board."""

    name: str
    """What the user called it: a name of the inventory, a host, or ``emulated:<target>``."""
    target_name: str
    emulated: bool

    @property
    def target(self) -> Target:
        """The board's target."""
        return load_target(self.target_name)

    @property
    def hardware(self) -> str:
        """The Hardware column: an emulated board never passes for a Pi."""
        if not self.emulated:
            return self.target.title
        how = "container" if runs_natively(self.target) else "emulated"
        return f"{self.target.title} ({how})"


class BoardConnection:
    """The connection to one board: opened at first use, reopened when it was lost."""

    def __init__(
        self,
        name: str,
        target_name: str = "",
        *,
        wait_s: float = LEASE_WAIT_S,
        entry: BoardEntry | None = None,
    ) -> None:
        self.name = name
        self.entry = entry or find_entry(name)
        self.emulated = is_emulated(self.entry.host)
        self.lease = new_lease(f"on {name}", wait_s=wait_s)
        self.has_lease = False
        """Whether this command holds the lease until it closes the connection."""
        self._named_target = target_name or self.entry.target
        self._session_stack, self._login_stack = ExitStack(), ExitStack()
        self._login: Login | None = None
        self._session: Session | None = None

    @cached_property
    def target_name(self) -> str:
        """The board's target; asks the board if neither the user nor the inventory names it."""
        if self.emulated:
            return emulated_target(self.entry.host)
        return self._named_target or _require_target(self.name, self.facts)

    @property
    def target_known(self) -> bool:
        """Whether the target is known without asking the board."""
        return self.emulated or bool(self._named_target)

    @property
    def board(self) -> Board:
        """The board this connects to."""
        return Board(name=self.name, target_name=self.target_name, emulated=self.emulated)

    @property
    def spec(self) -> BoardSpec:
        """The board as planning sees it: what is known so far, without asking it."""
        facts: Facts | None = self.__dict__.get("facts")
        emulated = self.emulated or bool(facts and facts.shows_emulation)
        cores = facts.cores if facts else None
        return BoardSpec(target=self.target_name, emulated=emulated, cores=cores)

    def board_with(self, facts: Facts) -> Board:
        """The board; emulated also if only its facts show it, as one of a labgrid farm may be."""
        emulated = self.emulated or facts.shows_emulation
        return msgspec.structs.replace(self.board, emulated=emulated)

    @property
    def session(self) -> Session:
        """The open session; raises piyard's error if it cannot be opened."""
        if self._session is None:
            with self._suggesting_names():
                self._session = self._session_stack.enter_context(open_session(self.login()))
        return self._session

    def require_name(self) -> None:
        """Raise ``NoSuchHost`` for an address outside the inventory that does not resolve."""
        if not (self.emulated or find_board(self.name)):
            with self._suggesting_names():
                require_resolvable(self.login())

    @contextmanager
    def _suggesting_names(self) -> Iterator[None]:
        """Add the nearest name of the inventory: an unknown host may be a mistyped board."""
        try:
            yield
        except NoSuchHost as error:
            hint = "" if find_board(self.name) else did_you_mean(self.name, load_inventory())
            raise NoSuchHost(
                f"{error.what}{hint}", evidence=error.evidence, remedy=error.remedy
            ) from None

    @cached_property
    def facts(self) -> Facts:
        """The board's facts, read once."""
        facts = read_facts(self.session)
        self.require_architecture(facts)
        return facts

    def require_architecture(self, facts: Facts) -> None:
        """Raise ``WrongBoard`` for a machine of another architecture than its target's."""
        arch = load_target(self._named_target).arch if self._named_target else "aarch64"
        if not self.emulated and facts.machine != arch:
            raise _wrong_architecture(self.name, facts, arch)

    def reconnect(self) -> Session:
        """A new session after the old one was lost; the board may have a new address by now."""
        self.close_session()
        return self.session

    def close_session(self) -> None:
        """Close the session, but keep the place of a farm."""
        self._session = None
        with suppress(OSError):
            self._session_stack.close()
        if self.emulated:
            self._login = None

    def close(self) -> None:
        """Release the lease, close the session, and give back the place of a farm."""
        try:
            if self.has_lease and self._session:
                release_lease(self._session, self.lease)
        finally:
            self.has_lease = False
            self.close_session()
            self._login_stack.close()

    def login(self) -> Login:
        """How to log in; a board of a farm is acquired for it until the connection is closed."""
        if self._login is None:
            login = _board_login(self.name, self.entry, self.lease.wait_s)
            self._login = self._login_stack.enter_context(login)
        return self._login


@contextmanager
def open_board(host: str, target_name: str = "") -> Iterator[BoardConnection]:
    """Log in to a host, read its facts, and refuse it if nothing we build runs there.

    Raises ``WrongBoard`` for a machine that is not the target's architecture, and ``WrongInput``
    when neither the board nor ``target_name`` names the target.
    """
    connection = BoardConnection(host, target_name)
    try:
        connection.require_architecture(connection.facts)
        load_target(connection.target_name)
        yield connection
    finally:
        connection.close()


@contextmanager
def _board_login(name: str, entry: BoardEntry, wait_s: float) -> Iterator[Login]:
    if entry.source == "labgrid":
        with acquire_place(entry, wait_s=wait_s) as place:
            at = Address(host=place.address, user=entry.user or place.user, port=place.port)
            yield _login_at(name, entry, at)
    elif is_emulated(entry.host):
        yield start_emulated(entry.host).login
    else:
        yield _login_at(name, entry, entry.address)


def _login_at(name: str, entry: BoardEntry, at: Address) -> Login:
    return Login(address=at, name=name, key=entry.key_file, jump=entry.jump_address)


def _require_target(name: str, facts: Facts) -> str:
    target_name = target_of_device(facts.model or "")
    if not target_name:
        raise WrongInput(
            f"no target lists the model of {name}, '{facts.model or 'unknown'}'",
            remedy=f"name its target: --target {'|'.join(target_names())}",
        )
    return target_name


def _wrong_architecture(name: str, facts: Facts, arch: str) -> WrongBoard:
    what = f"{name} is {facts.machine}, and piyard builds for {arch}"
    if facts.machine.startswith(("arm", "i")):
        return WrongBoard(what, remedy="install the 64-bit Raspberry Pi OS on it")
    fitting = [each for each in target_names() if load_target(each).arch == facts.machine]
    if fitting:
        return WrongBoard(what, remedy=f"name its target: --target {'|'.join(fitting)}")
    return WrongBoard(what, remedy="name a 64-bit Raspberry Pi, or emulated:rpi5")


class BoardSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A board as planning sees it."""

    target: str
    emulated: bool = False
    cores: int | None = None
    """As the board itself counts them; None where it was not asked yet."""

    @property
    def kind(self) -> Target:
        """What kind of board it is."""
        return load_target(self.target)

    @property
    def most_threads(self) -> int | None:
        """The cores it has; None where that is not known.

        A kind of board that names itself has its own number; emulated, no more than the machine
        that emulates it. Any other has as many as it says.
        """
        target_cores = [self.kind.cores] if self.kind.device_tree_models else []
        machine_cores = [self.cores or os.cpu_count() or 1] if self.emulated else []
        board_cores = [self.cores] if self.cores and not target_cores else []
        return min([*target_cores, *machine_cores, *board_cores], default=None)

    @property
    def usual_threads(self) -> int:
        """All cores, up to as many as that kind of board has."""
        return min(self.kind.cores, self.most_threads or self.kind.cores)
