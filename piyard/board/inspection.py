"""Boards under inspection: a new one for the inventory, one's fitness for piyard, its host key."""

from __future__ import annotations

import datetime as dt
import math
import re
import time
from collections.abc import Collection, Sequence

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts, megabytes, require_exec
from piyard.board.fleet.inventory import (
    EMULATED_PREFIX,
    BoardEntry,
    check_board_name,
    is_emulated,
    load_inventory,
    parse_entry,
)
from piyard.board.fleet.selection import SelectedBoard, unlisted_board
from piyard.board.lease import restore_governor
from piyard.board.release import HOME
from piyard.board.ssh import hostkeys
from piyard.board.ssh.config import parse_address
from piyard.board.ssh.errors import LACKS, install_command
from piyard.board.ssh.hostkeys import pin_host_key, user_pins_other_key
from piyard.board.ssh.session import read_host_key
from piyard.core import console
from piyard.core.errors import (
    PROGRAM,
    HostKeyChanged,
    PiyardError,
    WrongBoard,
    WrongInput,
    unknown_name,
)
from piyard.core.target import target_names


class NewBoardOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says of a new board; an empty value is unset."""

    host: str
    name: str = ""
    target: str = ""
    tags: tuple[str, ...] = ()
    key: str = ""
    jump: str = ""
    sudo: bool = False
    price: str = ""
    price_date: str = ""
    notes: str = ""


class NewBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A board to be added to the inventory."""

    name: str
    entry: BoardEntry
    summary: str
    """For the user: model, system and target."""


def probe_new_board(options: NewBoardOptions) -> NewBoard:
    """Connect to the host and make the entry for the board found there."""
    if not options.host:
        raise WrongInput("no --host", remedy="name the board: --host pi5.local")
    entry = _new_entry(options)
    name = options.name or _default_name(options.host)
    check_board_name(name, "--name")
    inventory = load_inventory()
    _require_new(name, inventory)
    board = unlisted_board(options.host, entry, inventory)
    connection = BoardConnection(board, options.target)
    try:
        connection.require_architecture(connection.facts)
        target_name = connection.target.name
        summary = _describe(options.host, connection.facts, target_name)
    finally:
        connection.close()
    entry = msgspec.structs.replace(entry, target=target_name)
    return NewBoard(name=name, entry=entry, summary=summary)


def _require_new(name: str, inventory: Collection[str]) -> None:
    if name in inventory:
        raise WrongInput(
            f"there is a board '{name}' already",
            remedy=f"choose another --name, or first: {PROGRAM} fleet.remove {name}",
        )


def _new_entry(options: NewBoardOptions) -> BoardEntry:
    if options.target and options.target not in target_names():
        raise unknown_name("target", options.target, target_names())
    keys: dict[str, object] = {
        **_host_keys(options.host),
        "target": options.target,
        "tags": list(options.tags),
        "key": options.key,
        "jump": options.jump,
        "sudo": options.sudo,
        "price": _parse_price(options.price),
        "price_date": _parse_date(options.price_date),
        "notes": options.notes,
    }
    keys = {key: value for key, value in keys.items() if value not in ("", None, [])}
    return parse_entry(options.name or options.host, keys, "fleet.add")


def _host_keys(host: str) -> dict[str, object]:
    if is_emulated(host):
        return {"host": host}
    parsed = parse_address(host)
    return {"host": parsed.host, "user": parsed.user, "port": parsed.port}


def _default_name(host: str) -> str:
    """``pi5`` for ``pi@pi5.local``; an IP address stays whole."""
    if is_emulated(host):
        return host.removeprefix(EMULATED_PREFIX).replace("/", "-")
    bare = parse_address(host).host
    return bare if re.fullmatch(r"[\d.:a-fA-F]+", bare) and "." in bare else bare.split(".")[0]


def _parse_price(text: str) -> float | None:
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0):
        raise WrongInput(f"--price takes dollars, not '{text}'", remedy="for example --price 80")
    return price


def _parse_date(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise WrongInput(
            f"--price-date takes a date, not '{text}'", remedy="for example 2026-01-31"
        ) from None


def _describe(host: str, facts: Facts, target_name: str) -> str:
    memory = f"{(facts.memory_kb or 0) / 1024 / 1024:.1f} GB"
    return (
        f"{host} is {facts.model or 'a board of unknown model'}: {facts.os}, "
        f"{facts.machine}, {facts.cores} cores, {memory}, pages of {facts.page_size} bytes "
        f"→ {target_name}"
    )


FINDING_COLUMNS = ("Board", "Checked", "State", "Found", "What to do")
NOISE_SHOWN = 60
"""Characters of what start-up files print."""
MIN_FREE_KB = 500 * 1024
MAX_CLOCK_ERROR_S = 300


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at on a board."""

    board: str
    what: str
    ok: bool
    detail: str
    remedy: str = ""


def examine_board(connection: BoardConnection) -> list[Finding]:
    """All findings about a board; one that cannot be reached has one."""
    try:
        facts = connection.facts
        return [
            _check_login(connection, facts),
            *_check_programs(connection, facts),
            _check_disk(connection, facts),
            _check_clock(connection, facts),
            *_check_throttling(connection, facts),
            *_check_governor(connection),
        ]
    except PiyardError as error:
        evidence = error.evidence.splitlines()
        detail = f"{error.what}{f' ({evidence[-1]})' if evidence else ''}"
        return [_finding(connection, "login", detail, ok=False, remedy=error.remedy)]
    finally:
        connection.close()


def finding_row(finding: Finding) -> list[str]:
    """A row in the order of ``COLUMNS``."""
    state = "ok" if finding.ok else "WRONG"
    return [finding.board, finding.what, state, finding.detail, finding.remedy]


def _check_login(connection: BoardConnection, facts: Facts) -> Finding:
    model = facts.model or "unknown model"
    what = f"{model}, {facts.os}, {facts.machine} → {connection.target.name}"
    return _finding(connection, "login", what, ok=True)


def _check_programs(connection: BoardConnection, facts: Facts) -> list[Finding]:
    """What a board needs for a deploy and a run, tried there."""
    outcome = connection.session.script("probe", HOME)
    lines = outcome.out.splitlines()
    return [
        *_check_shell(connection, outcome.noise),
        _check_tools(connection, lines),
        _check_exec(connection, facts, lines),
    ]


def _check_shell(connection: BoardConnection, noise: str) -> list[Finding]:
    if not noise.strip():
        return []
    first = noise.split("\n", maxsplit=1)[0].strip()[:NOISE_SHOWN]
    detail = f"its start-up files print {first!r} before each command, which is passed over"
    return [_finding(connection, "login shell", detail, ok=True)]


def _check_tools(connection: BoardConnection, lines: Sequence[str]) -> Finding:
    lacking = next((words.split() for words in lines if words.startswith(f"{LACKS} ")), [])
    missing = lacking[2:]
    return _finding(
        connection,
        "tools",
        f"no {', '.join(missing)}, or not as needed" if missing else "all there",
        ok=not missing,
        remedy=install_command(missing, lacking[1]) if missing else "",
    )


def _check_exec(connection: BoardConnection, facts: Facts, lines: Sequence[str]) -> Finding:
    """Whether a program can be put there and started."""
    what = "programs"
    if "readonly" in lines:
        remedy = "is the disk mounted read-only (a worn card?), or full? dmesg on the board tells"
        return _finding(connection, what, f"~/{HOME} cannot be written", ok=False, remedy=remedy)
    if "noexec" not in lines:
        return _finding(connection, what, "can be started", ok=True)
    try:
        require_exec(connection.name, facts)
    except WrongBoard as error:
        return _finding(connection, what, error.what, ok=False, remedy=error.remedy)
    remedy = "is its disk mounted noexec, or are programs forbidden there?"
    detail = f"cannot be started from ~/{HOME}"
    return _finding(connection, what, detail, ok=False, remedy=remedy)


def _check_disk(connection: BoardConnection, facts: Facts) -> Finding:
    ok = facts.free_disk_kb is None or facts.free_disk_kb >= MIN_FREE_KB
    remedy = "" if ok else f"{PROGRAM} fleet.gc --host {connection.name}"
    return _finding(
        connection, "disk", f"{megabytes(facts.free_disk_kb)} MB free", ok=ok, remedy=remedy
    )


def _check_clock(connection: BoardConnection, facts: Facts) -> Finding:
    off = abs((facts.clock or 0) - time.time()) if facts.clock else 0.0
    ok = off < MAX_CLOCK_ERROR_S
    return _finding(
        connection,
        "clock",
        "right" if ok else f"off by {off / 3600:.1f} hours",
        ok=ok,
        remedy="" if ok else "piyard does not mind; apt and TLS do: sudo timedatectl set-ntp true",
    )


def _check_throttling(connection: BoardConnection, facts: Facts) -> list[Finding]:
    if facts.throttled is None:
        return []
    ok = facts.throttled in {"0x0", "0"}
    remedy = "" if ok else "a 5 V 5 A supply and a cooler; the word is since the last start"
    return [_finding(connection, "power and heat", facts.throttled, ok=ok, remedy=remedy)]


def _check_governor(connection: BoardConnection) -> list[Finding]:
    """What a killed run left changed is put back by asking."""
    done = restore_governor(connection.session)
    if not done:
        return []
    put_back = done == "restored"
    detail = "put back, as a killed run had changed it" if put_back else "as a killed run left it"
    remedy = "" if put_back else "let sudo write scaling_governor without a password, or reboot"
    return [_finding(connection, "governor", detail, ok=put_back, remedy=remedy)]


def _finding(
    connection: BoardConnection, what: str, detail: str, *, ok: bool, remedy: str = ""
) -> Finding:
    return Finding(board=connection.name, what=what, ok=ok, detail=detail, remedy=remedy)


def trust_host_key(board: SelectedBoard, fingerprint: str, *, dry_run: bool) -> None:
    """Pin the host key; with a ``fingerprint``, any other key is refused."""
    connection, name = BoardConnection(board), board.name
    if connection.is_container:
        raise WrongInput(
            f"{name} is emulated: its host key is the one that piyard gave it",
            remedy="fleet.trust is for real boards",
        )
    try:
        host, key = read_host_key(connection.login())
    finally:
        connection.close()
    shown = hostkeys.fingerprint(key.asbytes())
    if fingerprint and fingerprint != shown:
        raise HostKeyChanged(
            f"{name} shows another key than the one you trust",
            evidence=f"expected {fingerprint}\nshown    {shown}",
            remedy="look at the board itself: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub",
        )
    if dry_run:
        print(f"pin {key.get_name()} {shown} for {host}")
        return
    former = pin_host_key(host, key)
    instead = f", instead of {', '.join(former)}" if former and former != [shown] else ""
    print(f"{name}: {key.get_name()} {shown} is pinned for {host}{instead}")
    if user_pins_other_key(host, key):
        console.info(
            f"~/.ssh/known_hosts holds another key for it, which is yours to remove:\n"
            f"  ssh-keygen -R '{host}'"
        )
