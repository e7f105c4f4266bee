"""Releases to a board: one conversation over one channel, and only what is missing travels.

The board sends its facts and which blobs it lacks; the desktop checks that the board can run what
comes, and answers with one compressed stream. Each blob is hashed there before it gets its name,
a release appears by one rename, and the link current moves by another, after the stream's end has
come. A cut at any point leaves the board as it was, with more verified blobs than before.

"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from piyard.board.facts import Facts, parse_facts, require_exec
from piyard.board.lease import Lease, LeaseWait, require_lock_written
from piyard.board.release import HOME, Release, ReleaseFile, compressed_stream, plain_stream
from piyard.board.ssh.commands import CommandOutcome, RunningCommand, script_argv
from piyard.board.ssh.errors import disk_full
from piyard.board.ssh.session import NO_EXIT_CODE, Session
from piyard.build.builder import BuildManifest
from piyard.core import console
from piyard.core.errors import (
    BoardCommandFailed,
    HostUnreachable,
    PiyardError,
    WrongBoard,
    WrongInput,
)

DEPLOY_LIMIT_S = 6 * 3600
"""For all that one conversation sends, however slow the link."""
HASHING_LIMIT_S = 120
"""A board that hashes a large blob is silent for at most this long."""

Packing = Literal["zstd", "gzip", "plain"]
DeployCheck = Callable[[Facts, int], None]
"""Raises when a board with these facts cannot run the release; the number is bytes to send."""


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a deploy: the board's facts, and the bytes sent."""

    facts: Facts
    sent: int
    """Bytes sent, compressed."""
    content: int
    """Bytes of the blobs sent, before compression."""
    saved: int
    """Bytes of the blobs that the board already had."""


class BoardOffer(msgspec.Struct, frozen=True, kw_only=True):
    """The board's answer to a manifest."""

    facts: Facts
    missing: frozenset[str]
    """sha256 of the blobs it lacks."""
    packing: Packing
    """The best compression that it can unpack."""


def deploy_releases(
    session: Session,
    releases: Sequence[Release],
    lease: Lease,
    *,
    keep: bool = False,
    check: DeployCheck = lambda _facts, _bytes: None,
    rehash: bool = False,
    link_limit: int = 0,
) -> Deployed:
    """Put the releases on the board; the last one becomes ``current``.

    ``keep`` keeps the lease for what comes next; ``rehash`` hashes every blob there again;
    ``link_limit`` is in bytes a second. Raises ``BoardDiskFull`` before sending what cannot fit,
    ``BoardBusy``, and what ``check`` raises.
    """
    argv = _deploy_argv(releases, lease, keep=keep, rehash=rehash)
    waiting = LeaseWait(session.name, lease)
    while True:
        with session.start(argv, limit_s=DEPLOY_LIMIT_S, silence_s=HASHING_LIMIT_S) as talk:
            offer = _read_offer(talk, session, argv, waiting)
            if offer:
                return _send_missing(talk, session, releases, offer, check, link_limit)


def _deploy_argv(
    releases: Sequence[Release], lease: Lease, *, keep: bool, rehash: bool
) -> list[str]:
    after, check = "keep" if keep else "drop", "all" if rehash else "changed"
    manifest = [
        word
        for release in releases
        for word in (release.id, release.title, str(len(release.files)), *release.digests)
    ]
    options = (lease.token, str(lease.seconds), after, lease.owner, check)
    return script_argv("deploy", HOME, *options, *manifest)


def _read_offer(
    talk: RunningCommand, session: Session, argv: Sequence[str], waiting: LeaseWait
) -> BoardOffer | None:
    """The board's answer up to ``ready``; None after waiting for another holder of the board."""
    lines: list[str] = []
    while (line := talk.line()) != "ready":
        if line is None:
            raise session.failure(argv, talk.end())
        require_lock_written(session.name, line)
        if line.startswith("busy "):
            waiting.on(line)
            return None
        lines.append(line)
    missing = frozenset(s.removeprefix("missing ") for s in lines if s.startswith("missing "))
    return BoardOffer(facts=parse_facts("\n".join(lines)), missing=missing, packing=_packing(lines))


def _packing(lines: Sequence[str]) -> Packing:
    return "zstd" if "zstd" in lines else "gzip" if "gzip" in lines else "plain"


def _send_missing(
    talk: RunningCommand,
    session: Session,
    releases: Sequence[Release],
    offer: BoardOffer,
    check: DeployCheck,
    link_limit: int,
) -> Deployed:
    files = {file.sha256: file for release in releases for file in release.files}
    # The largest is hashed there while the others arrive.
    missing = sorted((f for f in files.values() if f.sha256 in offer.missing), key=_largest_first)
    content = sum(file.size for file in missing)
    _require_room(session, offer.facts, content)
    check(offer.facts, content)
    sent = _send(talk, session, missing, offer, link_limit) if missing else _end_input(talk)
    _require_released(talk, session)
    saved = sum(file.size for file in files.values()) - content
    return Deployed(facts=offer.facts, sent=sent, content=content, saved=saved)


def _largest_first(file: ReleaseFile) -> int:
    return -file.size


def _require_room(session: Session, facts: Facts, needed: int) -> None:
    free = 1024 * (facts.free_disk_kb or 0)
    if facts.free_disk_kb is not None and needed > free:
        raise disk_full(session.name, f"{needed:,} bytes are needed, {free:,} are free")


def _end_input(talk: RunningCommand) -> int:
    talk.send(b"keep\n")
    return 0


def _send(
    talk: RunningCommand,
    session: Session,
    files: Sequence[ReleaseFile],
    offer: BoardOffer,
    link_limit: int,
) -> int:
    total = sum(file.size for file in files)
    talk.send(f"send {offer.packing}\n".encode())
    packed = _packed(files, offer.packing, link_limit)
    sent = 0
    with (
        console.step(f"send {len(files)} files to {session.name}", unit="bytes") as progress,
        contextlib.suppress(
            OSError
        ),  # the reason of a board that closes the connection is read next
    ):
        for block, done in packed:
            talk.send(block)
            sent += len(block)
            progress.update(done, total)
        talk.end_input()
    return sent


def _packed(
    files: Sequence[ReleaseFile], packing: Packing, link_limit: int
) -> Iterator[tuple[bytes, int]]:
    if packing == "plain":
        return plain_stream(files, link_limit=link_limit)
    return compressed_stream(files, zstd=packing == "zstd", link_limit=link_limit)


def _require_released(talk: RunningCommand, session: Session) -> None:
    last_line = ""
    while (line := talk.line()) is not None and line != "released":
        last_line = line
    outcome = talk.end()
    if line is None:
        raise _not_released(session, last_line, outcome)


def _not_released(session: Session, last_line: str, outcome: CommandOutcome) -> PiyardError:
    retry = "try again: complete files are not sent again"
    if outcome.code == NO_EXIT_CODE:
        return HostUnreachable(
            f"{session.name}: the connection was lost during the deploy", remedy=retry
        )
    if last_line.startswith("wrong "):
        return BoardCommandFailed(
            f"{session.name}: a file arrived damaged", evidence=last_line, remedy=retry
        )
    return session.failure(["deploy"], outcome)


NEEDS_OF_MARCH = {
    "fp16": "asimdhp",
    "dotprod": "asimddp",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
}
"""What ``-march=…+x`` requires, as /proc/cpuinfo names it (Linux, arm64 hwcaps)."""
SPARE_MEMORY_KB = 32 * 1024


class BoardNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What a program and its model require of a board."""

    machine: str
    libraries: Sequence[str] = ()
    """Shared libraries; empty for a static program."""
    glibc: str | None = None
    """The oldest version that suffices."""
    page_alignment: int = 65536
    """Bytes; the board's pages may be as large."""
    features: frozenset[str] = frozenset()
    """CPU features as /proc/cpuinfo names them."""
    model_kb: int = 0
    """The weights, which stay in memory during a run."""


def needs_of(build: BuildManifest, model_bytes: int) -> BoardNeeds:
    """The needs of a build's nnrun and of a model of that size."""
    elf = build.elf
    return BoardNeeds(
        machine=elf.machine,
        libraries=elf.needed,
        glibc=elf.glibc,
        page_alignment=elf.page_alignment,
        features=features_of(build.cpu.required),
        model_kb=model_bytes // 1024,
    )


def features_of(march: str) -> frozenset[str]:
    """The CPU features that GCC's ``-march`` requires everywhere in the program."""
    named = march.split("+")[1:]
    return frozenset(NEEDS_OF_MARCH[name] for name in named if name in NEEDS_OF_MARCH)


def require_needs(name: str, facts: Facts, needs: BoardNeeds) -> None:
    """Raise ``WrongBoard`` or ``WrongInput`` for the first need that is not met."""
    _require_machine(name, facts, needs)
    require_exec(name, facts)
    _require_features(name, facts, needs)
    _require_pages(name, facts, needs)
    _require_libc(name, facts, needs)
    _require_memory(name, facts, needs)


def _require_machine(name: str, facts: Facts, needs: BoardNeeds) -> None:
    if facts.machine != needs.machine:
        bits = "install the 64-bit Raspberry Pi OS on it, or name another --target"
        raise WrongBoard(f"{name} is {facts.machine}, and this is for {needs.machine}", remedy=bits)


def _require_features(name: str, facts: Facts, needs: BoardNeeds) -> None:
    lacking = needs.features - set(facts.features.split()) if facts.features else frozenset()
    if lacking:
        raise WrongBoard(
            f"{name}'s CPU has no {', '.join(sorted(lacking))}, which the build requires",
            remedy="build for its own target, or remove -march from the target's options",
        )


def _require_pages(name: str, facts: Facts, needs: BoardNeeds) -> None:
    if facts.page_size and facts.page_size > needs.page_alignment:
        raise WrongBoard(
            f"{name} has pages of {facts.page_size} bytes; the program is aligned for "
            f"{needs.page_alignment}",
            remedy="link with -Wl,-z,max-page-size=65536, or boot the 4 KiB kernel "
            "(kernel=kernel8.img in config.txt)",
        )


def _require_libc(name: str, facts: Facts, needs: BoardNeeds) -> None:
    if not needs.libraries or not needs.glibc:
        return
    has = (facts.libc or "").removeprefix("glibc ")
    if not has or _version_numbers(has) < _version_numbers(needs.glibc):
        raise WrongBoard(
            f"{name} has {facts.libc or 'no glibc'}; the program needs GLIBC {needs.glibc} and "
            f"{', '.join(needs.libraries)}",
            remedy="upgrade the board's system, or link statically (-static in the toolchain file)",
        )


def _require_memory(name: str, facts: Facts, needs: BoardNeeds) -> None:
    needed = needs.model_kb + SPARE_MEMORY_KB
    if facts.available_kb is not None and needed > facts.available_kb:
        raise WrongInput(
            f"{name} has {facts.available_kb // 1024} MB of memory available; the model's weights "
            f"alone are {needs.model_kb // 1024} MB",
            remedy="stop what else runs there (a desktop session?), or take a smaller model",
        )


def _version_numbers(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]
