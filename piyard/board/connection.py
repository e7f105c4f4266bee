"""A board: one reachable machine, real or emulated, its target, and the connection to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from piyard.board.emulator import start_emulated
from piyard.board.facts import Facts, read_facts
from piyard.board.fleet.inventory import (
    BoardEntry,
    emulated_target,
    is_emulated,
    runs_natively,
)
from piyard.board.fleet.selection import SelectedBoard
from piyard.board.labgrid.acquisition import acquire_place
from piyard.board.lease import LEASE_WAIT_S, new_lease, release_lease
from piyard.board.ssh.address import Address
from piyard.board.ssh.login import Login
from piyard.board.ssh.session import Session, open_session, require_resolvable
from piyard.core.errors import NoSuchHost, WrongBoard, WrongInput
from piyard.core.target import Target, load_target, target_names, target_of_device

if TYPE_CHECKING:
    from paramiko import Transport


class BoardSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A board as plans, jobs and records see it."""

    name: str
    """What the user called it: a name of the inventory, a host, or ``emulated:<target>``."""
    target: Target
    emulated: bool = False
    cores: int | None = None
    """As the board itself counts them; None while its facts are not read."""

    @property
    def hardware(self) -> str:
        """The Hardware column: an emulated board never passes for a Pi."""
        if not self.emulated:
            return self.target.title
        how = "container" if runs_natively(self.target) else "emulated"
        return f"{self.target.title} ({how})"

    @property
    def max_threads(self) -> int | None:
        """Its number of cores; None where that is not known.

        A target that lists device tree models has the number of its YAML; emulated, no more than
        the machine that emulates it. Any other board has as many as its facts say.
        """
        target_cores = [self.target.cores] if self.target.device_tree_models else []
        machine_cores = [self.cores or os.cpu_count() or 1] if self.emulated else []
        board_cores = [self.cores] if self.cores and not target_cores else []
        return min([*target_cores, *machine_cores, *board_cores], default=None)

    @property
    def default_threads(self) -> int:
        """All cores, up to as many as the target has."""
        return min(self.target.cores, self.max_threads or self.target.cores)

    @property
    def equality_group(self) -> str:
        """The same for boards that may share their jobs; an emulated one equals no real one."""
        return f"{self.target.name} {'emulated' if self.emulated else 'real'}"


class BoardConnection:
    """The connection to one board: opened at first use, reopened when it was lost."""

    def __init__(
        self,
        selected: SelectedBoard,
        target_name: str = "",
        *,
        wait_s: float = LEASE_WAIT_S,
    ) -> None:
        self._selected = selected
        self.name, self.entry = selected.name, selected.entry
        self.is_container = is_emulated(self.entry.host)
        """Whether it is ``emulated:<target>``, a container that is started when it is needed."""
        self.lease = new_lease(f"on {self.name}", wait_s=wait_s)
        self.has_lease = False
        """Whether this command holds the lease until it closes the connection."""
        self._named_target = target_name or self.entry.target
        self._session_stack, self._login_stack = ExitStack(), ExitStack()
        self._login: Login | None = None
        self._session: Session | None = None

    @cached_property
    def target(self) -> Target:
        """The board's target; asks the board if neither the user nor the inventory names it."""
        if self.is_container:
            return emulated_target(self.entry.host)
        return load_target(self._named_target or _require_target(self.name, self.facts))

    @property
    def target_known(self) -> bool:
        """Whether the target is known without asking the board."""
        return self.is_container or bool(self._named_target)

    @property
    def known_facts(self) -> Facts | None:
        """Its facts, where they are read."""
        facts: Facts | None = self.__dict__.get("facts")
        return facts

    @property
    def spec(self) -> BoardSpec:
        """The board, by its name and as far as its facts are read.

        Here alone it is decided what is emulated: a container of ours, or a board that only its
        facts show to be emulated, as one of a labgrid farm may be.
        """
        facts = self.known_facts
        emulated = self.is_container or bool(facts and facts.shows_emulation)
        cores = facts.cores if facts else None
        return BoardSpec(name=self.name, target=self.target, emulated=emulated, cores=cores)

    @property
    def session(self) -> Session:
        """The open session; raises piyard's error if it cannot be opened."""
        if self._session is None:
            with self._suggesting_names():
                self._session = self._session_stack.enter_context(open_session(self.login()))
        return self._session

    def require_name(self) -> None:
        """Raise ``NoSuchHost`` for an address outside the inventory that does not resolve."""
        if not (self.is_container or self._selected.listed):
            with self._suggesting_names():
                require_resolvable(self.login())

    @contextmanager
    def _suggesting_names(self) -> Iterator[None]:
        """Add the nearest name of the inventory: an unknown host may be a mistyped board."""
        try:
            yield
        except NoSuchHost as error:
            what = f"{error.what}{self._selected.hint}"
            raise NoSuchHost(what, evidence=error.evidence, remedy=error.remedy) from None

    @cached_property
    def facts(self) -> Facts:
        """The board's facts, read once."""
        facts = read_facts(self.session)
        self.require_architecture(facts)
        return facts

    def require_architecture(self, facts: Facts) -> None:
        """Raise ``WrongBoard`` for a machine of another architecture than its target's."""
        arch = self.target.arch if self.target_known else "aarch64"
        if not self.is_container and facts.machine != arch:
            raise _wrong_architecture(self.name, facts, arch)

    def reconnect(self) -> Session:
        """A new session after the old one was lost; the board may have a new address by now."""
        self.close_session()
        return self.session

    def transport(self) -> Transport:
        """That of the session that is open now; ``ConnectionError`` while there is none."""
        session = self._session
        if session is None:
            raise ConnectionError(f"{self.name}: no session is open")
        return session.transport()

    def close_session(self) -> None:
        """Close the session, but keep the place of a farm."""
        self._session = None
        with suppress(OSError):
            self._session_stack.close()
        if self.is_container:
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
            self._login = self._login_stack.enter_context(self._open_login())
        return self._login

    @contextmanager
    def _open_login(self) -> Iterator[Login]:
        entry = self.entry
        if entry.source == "labgrid":
            with acquire_place(entry, wait_s=self.lease.wait_s) as place:
                at = Address(host=place.address, user=entry.user or place.user, port=place.port)
                yield _login_at(self.name, entry, at)
        elif self.is_container:
            yield start_emulated(entry.host, self.target).login
        else:
            yield _login_at(self.name, entry, entry.address)


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
