"""An open connection to one board.

Commands are argv lists, quoted once here. Every command has a time limit that ends it on the board
too. Every failure becomes one clear error. A password is prompted for at the terminal if a host
accepts none of our keys, and never stored.
"""

from __future__ import annotations

import getpass
import logging
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from piyard.board.ssh import login
from piyard.board.ssh.address import resolver_name
from piyard.board.ssh.commands import CommandOutcome, RunningCommand, new_frame, script_argv
from piyard.board.ssh.errors import (
    LACKS,
    disk_full,
    no_session,
    not_begun,
    tools_missing,
    translate_errors,
)
from piyard.board.ssh.login import Hop, Login, connect_limit, list_hops, plan_route
from piyard.board.ssh.settings import ProxySocket, open_socket, resolve_host
from piyard.core.errors import (
    BoardCommandFailed,
    BoardTooSlow,
    HostUnreachable,
    PiyardError,
    WrongBoard,
)

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Channel, PKey, Transport


NO_SUCH_COMMAND = 127


def missing_tools(name: str, outcome: CommandOutcome) -> WrongBoard | None:
    """The error for a command that misses programs on the board; None if there are all."""
    if outcome.code != NO_SUCH_COMMAND:
        return None
    for line in outcome.err.splitlines():
        word, *rest = line.split()[:40] or [""]
        if word == LACKS and len(rest) > 1:
            return tools_missing(name, rest[1:], rest[0])
    return None


COMMAND_LIMIT_S = 60
KILL_GRACE_S = 5
SILENCE_S = 30
"""How long we wait for data beyond a command's time limit."""
TIMEOUT_CODES = (124, 137)
"""Exit codes of coreutils' timeout: terminated, or killed after the grace period."""
TERM_CODES = (143,)
"""BusyBox's timeout exits with the code of the command that TERM ended."""
SESSION_LIMIT_S = 10
SESSION_PAUSE_S = 0.2
NO_EXIT_CODE = -1


class Session:
    """An open connection to one board."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self.name = connection, name
        self.commands = 0
        """How many commands were run: each is one round trip of SSH."""

    def run(
        self, argv: Sequence[str], *, limit_s: int = COMMAND_LIMIT_S, check: bool = True
    ) -> CommandOutcome:
        """Run a command there; raises ``BoardCommandFailed`` if it fails.

        With ``check=False`` a failure is an outcome, but running out of time still raises.
        """
        began = time.monotonic()
        with self.start(argv, limit_s=limit_s) as command:
            command.end_input()
            outcome = command.end()
        duration_s = time.monotonic() - began
        self._require_run(argv, outcome)
        self._require_in_time(argv, outcome, limit_s, duration_s)
        if check and outcome.code:
            raise self.failure(argv, outcome)
        return outcome

    def script(self, name: str, *arguments: str, limit_s: int = COMMAND_LIMIT_S) -> CommandOutcome:
        """Run one of the scripts of board/scripts/; what varies comes in as ``$1``, ``$2``."""
        return self.run(script_argv(name, *arguments), limit_s=limit_s)

    @contextmanager
    def start(
        self, argv: Sequence[str], *, limit_s: int = COMMAND_LIMIT_S, silence_s: float = 0
    ) -> Iterator[RunningCommand]:
        """Start a command and use its streams; it has ended after the body."""
        frame = new_frame()
        self.commands += 1
        with translate_errors(self.name):
            channel = self._channel()
            try:
                channel.exec_command(frame.line(_with_limit(argv, limit_s)))
                within_s = limit_s + SILENCE_S
                yield RunningCommand(channel, silence_s or within_s, frame, within_s=within_s)
            finally:
                channel.close()

    def _channel(self) -> Channel:
        """A new session of the connection; a board may allow one at a time (``MaxSessions 1``).

        The former one counts until its processes have ended.
        """
        from paramiko import ChannelException

        began = time.monotonic()
        while True:
            try:
                with _closed_after(login.CONNECT_LIMIT_S, self._transport()) as transport:
                    return transport.open_session(timeout=login.CONNECT_LIMIT_S)
            except ChannelException as refused:
                if time.monotonic() > began + SESSION_LIMIT_S:
                    raise no_session(self.name, refused) from None
                time.sleep(SESSION_PAUSE_S)

    def failure(self, argv: Sequence[str], outcome: CommandOutcome) -> PiyardError:
        """The error for a command that ended badly."""
        if outcome.code == NO_EXIT_CODE:
            return HostUnreachable(
                f"{self.name}: the connection was lost before '{argv[0]}' ended",
                remedy="try again; is the board's power supply strong enough?",
            )
        if not outcome.begun:
            return not_begun(self.name, outcome.noise)
        if lacking := missing_tools(self.name, outcome):
            return lacking
        if "No space left on device" in outcome.err:
            return disk_full(self.name, outcome.err)
        if outcome.code in TIMEOUT_CODES:
            return BoardTooSlow(
                f"{self.name}: '{argv[0]}' was ended at its time limit",
                evidence=outcome.err[-2000:],
                remedy="try again; does the board hang, as with a worn SD card?",
            )
        return BoardCommandFailed(
            f"{self.name}: '{argv[0]}' failed (exit code {outcome.code})",
            evidence=(outcome.err or outcome.out)[-2000:],
            remedy="see the lines above",
        )

    def transport(self) -> Transport:
        """The connection itself, for a tunnel through it; ``ConnectionError`` if it is closed."""
        return self._transport()

    def _transport(self) -> Transport:
        transport: Transport | None = self._connection.client.get_transport()
        if transport is None or not transport.is_active():
            raise ConnectionError("the connection is closed")
        return transport

    def _require_run(self, argv: Sequence[str], outcome: CommandOutcome) -> None:
        """Raise if the command could not run at all, even with ``check=False``."""
        if not outcome.begun or missing_tools(self.name, outcome):
            raise self.failure(argv, outcome)

    def _require_in_time(
        self, argv: Sequence[str], outcome: CommandOutcome, limit_s: int, duration_s: float
    ) -> None:
        if outcome.code in TIMEOUT_CODES or (outcome.code in TERM_CODES and duration_s >= limit_s):
            raise BoardTooSlow(
                f"{self.name}: '{argv[0]}' was ended after {limit_s} s",
                evidence=outcome.err[-2000:],
                remedy="give it more time (--limit), or less to do: fewer loops or pictures",
            )


@contextmanager
def _closed_after(seconds: float, transport: Transport) -> Iterator[Transport]:
    """Close the connection if the body takes longer: Paramiko waits for answers for ever."""
    watchdog = threading.Timer(seconds, transport.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield transport
    finally:
        watchdog.cancel()


def _with_limit(argv: Sequence[str], limit_s: int) -> bytes:
    """The command as ``sh`` reads it, with its time limit; a board without ``timeout`` says so."""
    bounded = shlex.join(["timeout", "-k", str(KILL_GRACE_S), str(limit_s), *argv])
    report = f"printf '{LACKS} - timeout\\n' >&2; (exit {NO_SUCH_COMMAND})"
    return os.fsencode(f"if command -v timeout > /dev/null; then {bounded}; else {report}; fi")


@contextmanager
def open_session(login: Login) -> Iterator[Session]:
    """An open session, closed at the end; raises piyard's error if it cannot be opened."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("paramiko").propagate = False
    with ExitStack() as stack:
        *jumps, board = list_hops(login)
        before = _open_hops(jumps, stack)
        with translate_errors(board.title):
            _open_hop(board, before, stack)
            board.connection.client.get_transport().set_keepalive(15)
        yield Session(board.connection, login.title)


def require_resolvable(login: Login) -> None:
    """Raise ``NoSuchHost`` for a name that does not resolve; with jump hosts, the first one's."""
    title, nearest = plan_route(login)[0]
    with translate_errors(title):
        if not nearest.proxy:
            resolve_host(nearest)


def read_host_key(login: Login) -> tuple[str, PKey]:
    """The board's name in known_hosts and its host key, which is not trusted by that."""
    import paramiko

    with ExitStack() as stack:
        *jumps, board = list_hops(login)
        before = _open_hops(jumps, stack)
        with translate_errors(board.title):
            sock = stack.enter_context(closing(_socket_to(board, before)))
            transport = stack.enter_context(closing(paramiko.Transport(sock)))
            transport.start_client(timeout=connect_limit(board.settings))
            key = transport.get_remote_server_key()
    return board.settings.names[1], key


def _open_hops(hops: Sequence[Hop], stack: ExitStack) -> Hop | None:
    """Log in to one host after the other; the last one."""
    before: Hop | None = None
    for hop in hops:
        with translate_errors(hop.title):
            _open_hop(hop, before, stack)
        before = hop
    return before


def _socket_to(hop: Hop, before: Hop | None) -> Any:
    """The connection to the host's sshd: a channel of the hop before it, or a socket."""
    import paramiko

    limit_s = connect_limit(hop.settings)
    if before is None:
        return open_socket(hop.settings, limit_s)
    transport = before.connection.client.get_transport()
    there = (resolver_name(hop.settings.host), hop.settings.port)
    try:
        return transport.open_channel("direct-tcpip", there, ("", 0), timeout=limit_s)
    except paramiko.ChannelException as error:
        raise ConnectionError(f"{before.title} cannot reach it: {error}") from None


def _open_hop(hop: Hop, before: Hop | None, stack: ExitStack) -> None:
    """Log in to a host by key, or by a password if no key is accepted."""
    import paramiko

    sock = stack.enter_context(closing(_socket_to(hop, before)))
    hop.connection.connect_kwargs["sock"] = sock
    stack.callback(_close_hop, hop.connection)
    try:
        hop.connection.open()
    except paramiko.AuthenticationException:
        transport = hop.connection.client.get_transport()
        if not try_password(transport, hop.connection.user, hop.title):
            raise
        hop.connection.transport = transport
    except (paramiko.SSHException, EOFError, OSError) as error:
        if not isinstance(sock, ProxySocket) or isinstance(error, paramiko.BadHostKeyException):
            raise
        sock.close()
        if not sock.complaint:
            raise
        raise ConnectionError(f"its ProxyCommand failed: {sock.complaint}") from None


def _close_hop(connection: Connection) -> None:
    connection.close()
    connection.client.close()


_prompt_lock = threading.Lock()


def try_password(transport: Transport | None, user: str, title: str) -> bool:
    """Whether the host accepts a password from the terminal; False without a terminal."""
    import paramiko

    if transport is None or not transport.is_active() or not sys.stdin.isatty():
        return False
    if "password" not in _accepted_methods(transport, user):
        return False
    with _prompt_lock:
        secret = getpass.getpass(f"password of {user} on {title}: ")
    try:
        transport.auth_password(user, secret)
    except paramiko.SSHException:
        return False
    return transport.is_authenticated()


def _accepted_methods(transport: Transport, user: str) -> list[str]:
    """The authentication methods that the host offers."""
    import paramiko

    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except paramiko.SSHException:
        return []
    return []
