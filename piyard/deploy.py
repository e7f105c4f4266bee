"""Releases → a board: one conversation over one channel, and only what is missing travels.

The board says its facts and which blobs it lacks; the desktop checks that the board can run what
comes, and answers with one compressed stream. Each blob is hashed there before it gets its name, a
release appears by one rename, and ``current`` moves by another, after the stream's end has come.
A cut at any point leaves the board as it was, with more verified blobs than before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from piyard import facts as facts_
from piyard import lease as leases
from piyard import say, ssh, stream
from piyard.errors import BoardCommandFailed, HostUnreachable, PiyardError
from piyard.facts import Facts
from piyard.lease import Lease, Waiting
from piyard.release import HOME, File, Release
from piyard.ssh import Session, Talk

LIMIT_S = 6 * 3600
"""For all that one conversation sends, however slow the link."""
SILENCE_S = 120
"""A board that hashes a large blob is silent for at most this long."""

Packing = Literal["zstd", "gzip", "plain"]
Check = Callable[[Facts, int], None]
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


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The board's answer to a manifest."""

    facts: Facts
    missing: frozenset[str]
    """sha256 of the blobs it lacks."""
    packing: Packing
    """The best compression that it can unpack."""


def deploy(
    session: Session,
    releases: Sequence[Release],
    lease: Lease,
    *,
    keep: bool = False,
    check: Check = lambda _facts, _bytes: None,
    rehash: bool = False,
    link_limit: int = 0,
) -> Deployed:
    """Put the releases on the board; the last one becomes ``current``.

    ``keep`` keeps the lease for what comes next; ``rehash`` hashes every blob there again;
    ``link_limit`` is in bytes a second. Raises ``BoardDiskFull`` before sending what cannot fit,
    ``BoardBusy``, and what ``check`` raises.
    """
    argv = _argv(releases, lease, keep=keep, rehash=rehash)
    waiting = Waiting(session.name, lease)
    while True:
        with session.start(argv, limit_s=LIMIT_S, silence_s=SILENCE_S) as talk:
            offer = _offer(talk, session, argv, waiting)
            if offer:
                return _answer(talk, session, releases, offer, check, link_limit)


def _argv(releases: Sequence[Release], lease: Lease, *, keep: bool, rehash: bool) -> list[str]:
    after, check = "keep" if keep else "drop", "all" if rehash else "changed"
    manifest = [
        word
        for release in releases
        for word in (release.id, release.title, str(len(release.files)), *release.digests)
    ]
    options = (lease.token, str(lease.seconds), after, lease.owner, check)
    return ssh.script_argv("deploy", HOME, *options, *manifest)


def _offer(talk: Talk, session: Session, argv: Sequence[str], waiting: Waiting) -> Offer | None:
    """The board's answer up to ``ready``; None after waiting for another holder of the board."""
    lines: list[str] = []
    while (line := talk.line()) != "ready":
        if line is None:
            raise session.failure(argv, talk.end())
        leases.refuse(session.name, line)
        if line.startswith("busy "):
            waiting.on(line)
            return None
        lines.append(line)
    missing = frozenset(s.removeprefix("missing ") for s in lines if s.startswith("missing "))
    return Offer(facts=facts_.parse("\n".join(lines)), missing=missing, packing=_packing(lines))


def _packing(lines: Sequence[str]) -> Packing:
    return "zstd" if "zstd" in lines else "gzip" if "gzip" in lines else "plain"


def _answer(
    talk: Talk,
    session: Session,
    releases: Sequence[Release],
    offer: Offer,
    check: Check,
    link_limit: int,
) -> Deployed:
    files = {file.sha256: file for release in releases for file in release.files}
    # The largest is hashed there while the others arrive.
    missing = sorted((f for f in files.values() if f.sha256 in offer.missing), key=_size)
    content = sum(file.size for file in missing)
    _require_room(session, offer.facts, content)
    check(offer.facts, content)
    sent = _send(talk, session, missing, offer, link_limit) if missing else _keep(talk)
    _require_released(talk, session)
    saved = sum(file.size for file in files.values()) - content
    return Deployed(facts=offer.facts, sent=sent, content=content, saved=saved)


def _size(file: File) -> int:
    return -file.size


def _require_room(session: Session, facts: Facts, needed: int) -> None:
    free = 1024 * (facts.free_disk_kb or 0)
    if facts.free_disk_kb is not None and needed > free:
        raise ssh.disk_full(session.name, f"{needed:,} bytes are needed, {free:,} are free")


def _keep(talk: Talk) -> int:
    talk.send(b"keep\n")
    return 0


def _send(
    talk: Talk, session: Session, files: Sequence[File], offer: Offer, link_limit: int
) -> int:
    total = sum(file.size for file in files)
    talk.send(f"send {offer.packing}\n".encode())
    packed = _packed(files, offer.packing, link_limit)
    sent = 0
    with (
        say.step(f"send {len(files)} files to {session.name}", unit="bytes") as progress,
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
    files: Sequence[File], packing: Packing, link_limit: int
) -> Iterator[tuple[bytes, int]]:
    if packing == "plain":
        return stream.plain(files, link_limit=link_limit)
    return stream.blobs(files, zstd=packing == "zstd", link_limit=link_limit)


def _require_released(talk: Talk, session: Session) -> None:
    last_line = ""
    while (line := talk.line()) is not None and line != "released":
        last_line = line
    outcome = talk.end()
    if line is None:
        raise _not_released(session, last_line, outcome)


def _not_released(session: Session, last_line: str, outcome: ssh.Outcome) -> PiyardError:
    retry = "try again: complete files are not sent again"
    if outcome.code == ssh.NOT_TOLD:
        return HostUnreachable(
            f"{session.name}: the connection was lost during the deploy", remedy=retry
        )
    if last_line.startswith("wrong "):
        return BoardCommandFailed(
            f"{session.name}: a file arrived damaged", evidence=last_line, remedy=retry
        )
    return session.failure(["deploy"], outcome)
