"""A Board: one reachable machine, real or emulated, and its Target; and the line to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

import msgspec

from piyard import emulator, facts, ssh, target
from piyard import lease as leases
from piyard.address import Address
from piyard.errors import NoSuchHost, WrongBoard, WrongInput, nearest
from piyard.facts import Facts
from piyard.fleet import choose, inventory
from piyard.fleet.inventory import Entry
from piyard.job import Host
from piyard.ssh import Login, Session
from piyard.target import Target


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A board we can log in to."""

    name: str
    """What the user called it: a name of the inventory, a host, or ``emulated:<target>``."""
    target_name: str
    emulated: bool

    @property
    def target(self) -> Target:
        """The kind of board it is."""
        return target.load(self.target_name)

    @property
    def hardware(self) -> str:
        """The Hardware column: an emulated board never passes for a Pi."""
        if not self.emulated:
            return self.target.title
        how = "container" if emulator.runs_natively(self.target) else "emulated"
        return f"{self.target.title} ({how})"


class Line:
    """The way to one board: opened when first used, opened again when it was lost."""

    def __init__(
        self,
        name: str,
        target_name: str = "",
        *,
        wait_s: float = leases.WAIT_S,
        entry: Entry | None = None,
    ) -> None:
        self.name = name
        self.entry = entry or choose.entry_of(name)
        self.emulated = emulator.is_emulated(self.entry.host)
        self.lease = leases.new(f"on {name}", wait_s=wait_s)
        self.holds = False
        """Whether the lease is ours until we let go of it."""
        self._named_target = target_name or self.entry.target
        self._stack, self._way = ExitStack(), ExitStack()
        self._login: Login | None = None
        self._session: Session | None = None

    @cached_property
    def target_name(self) -> str:
        """The board's target; asks the board when nobody named it."""
        if self.emulated:
            return emulator.target_of(self.entry.host)
        return self._named_target or _target_of(self.name, self.facts)

    @property
    def knows_target(self) -> bool:
        """Whether the target can be told without asking the board."""
        return self.emulated or bool(self._named_target)

    @property
    def board(self) -> Board:
        """The board at the other end."""
        return Board(name=self.name, target_name=self.target_name, emulated=self.emulated)

    @property
    def planned(self) -> Host:
        """The board as planning sees it: what is known by now, without asking it."""
        told: Facts | None = self.__dict__.get("facts")
        emulated = self.emulated or bool(told and told.shows_emulation)
        cores = told.cores if told else None
        return Host(target=self.target_name, emulated=emulated, cores=cores)

    def board_with(self, told: Facts) -> Board:
        """The board, emulated also when only its facts show it: a farm may hold such ones."""
        emulated = self.emulated or told.shows_emulation
        return msgspec.structs.replace(self.board, emulated=emulated)

    @property
    def session(self) -> Session:
        """The open session; raises the error for whatever stands in the way."""
        if self._session is None:
            with self._named():
                self._session = self._stack.enter_context(ssh.connect(self.login()))
        return self._session

    def require_name(self) -> None:
        """Raise ``NoSuchHost`` for an address, not of the inventory, that nothing resolves."""
        if not (self.emulated or inventory.find(self.name)):
            with self._named():
                ssh.require_name(self.login())

    @contextmanager
    def _named(self) -> Iterator[None]:
        """A host that is unknown may be a board whose name was mistyped."""
        try:
            yield
        except NoSuchHost as error:
            meant = "" if inventory.find(self.name) else nearest(self.name, inventory.load())
            raise NoSuchHost(
                f"{error.what}{meant}", evidence=error.evidence, remedy=error.remedy
            ) from None

    @cached_property
    def facts(self) -> Facts:
        """What the board said of itself when it was first asked."""
        told = facts.read(self.session)
        self.require_architecture(told)
        return told

    def require_architecture(self, told: Facts) -> None:
        """Raise ``WrongBoard`` for a machine that is not what its target is."""
        arch = target.load(self._named_target).arch if self._named_target else "aarch64"
        if not self.emulated and told.machine != arch:
            raise _wrong_architecture(self.name, told, arch)

    def again(self) -> Session:
        """A new session after the old one was lost; the board may have another address by now."""
        self.hang_up()
        return self.session

    def hang_up(self) -> None:
        """Close the session, not the way to the board."""
        self._session = None
        with suppress(OSError):
            self._stack.close()
        if self.emulated:
            self._login = None

    def close(self) -> None:
        """Let go of the board."""
        try:
            if self.holds and self._session:
                leases.let_go(self._session, self.lease)
        finally:
            self.holds = False
            self.hang_up()
            self._way.close()

    def login(self) -> Login:
        """How to get in; a board of a farm is acquired for it until the line is closed."""
        if self._login is None:
            self._login = self._way.enter_context(_login(self.name, self.entry, self.lease.wait_s))
        return self._login


@contextmanager
def open_board(host: str, target_name: str = "") -> Iterator[Line]:
    """Log in to a host, learn what it is, and refuse it if nothing we build runs there.

    Raises ``WrongBoard`` for a machine that is not the target's architecture, and ``WrongInput``
    when neither the board nor ``target_name`` tells the target.
    """
    line = Line(host, target_name)
    try:
        line.require_architecture(line.facts)
        target.load(line.target_name)
        yield line
    finally:
        line.close()


@contextmanager
def _login(name: str, entry: Entry, wait_s: float) -> Iterator[Login]:
    if entry.source == "labgrid":
        from piyard.fleet import labgrid

        with labgrid.acquired(entry, wait_s=wait_s) as got:
            at = Address(host=got.address, user=entry.user or got.user, port=got.port)
            yield _to(name, entry, at)
    elif emulator.is_emulated(entry.host):
        yield emulator.up(entry.host).login
    else:
        yield _to(name, entry, entry.address)


def _to(name: str, entry: Entry, at: Address) -> Login:
    return Login(address=at, name=name, key=entry.key_file, jump=entry.jump_address)


def _target_of(name: str, told: Facts) -> str:
    found = target.of_model(told.model or "")
    if not found:
        raise WrongInput(
            f"{name} says it is '{told.model or 'nothing known'}', which no target lists",
            remedy=f"say what it is: --target {'|'.join(target.names())}",
        )
    return found


def _wrong_architecture(name: str, told: Facts, arch: str) -> WrongBoard:
    what = f"{name} is {told.machine}, and piyard builds for {arch}"
    if told.machine.startswith(("arm", "i")):
        return WrongBoard(what, remedy="install the 64-bit Raspberry Pi OS on it")
    fitting = [each for each in target.names() if target.load(each).arch == told.machine]
    if fitting:
        return WrongBoard(what, remedy=f"say what it is: --target {'|'.join(fitting)}")
    return WrongBoard(what, remedy="name a 64-bit Raspberry Pi, or emulated:rpi5")
