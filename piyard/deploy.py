"""Build + Conversion → a release on a board: only what is missing travels, all of it is checked.

On the board, below the login folder::

    .piyard/blobs/<sha256>      appears after its bytes were hashed there
           /releases/<id>/      hard links into blobs; appears by one rename
           /current             a link to the release deployed last
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from piyard import say, ssh, store
from piyard.ssh import Session

HOME = ".piyard"

# $1 folder; then pairs of sha256 and size. Prints the free KiB and every blob that is absent or
# not what its name says (a damaged blob is removed).
MISSING = r"""
umask 077; mkdir -p "$1/blobs" "$1/releases" "$1/runs" && cd "$1/blobs" || exit 1
shift
df -Pk . | awk 'NR == 2 { print "free " $4 }'
for sha; do
    if [ -f "$sha" ]; then
        [ "$(sha256sum < "$sha" | cut -d ' ' -f 1)" = "$sha" ] && continue
        rm -f "$sha"
    fi
    echo "missing $sha"
done
"""

# $1 folder, $2 sha256: the received part becomes a blob only if its bytes are right.
ACCEPT = r"""
cd "$1/blobs" || exit 1
got=$(sha256sum < "$2.part" | cut -d ' ' -f 1)
[ "$got" = "$2" ] || { rm -f "$2.part"; echo "received $got instead of $2" >&2; exit 1; }
chmod 500 "$2.part" && mv -f "$2.part" "$2"
"""

# $1 folder, $2 release id; then pairs of name and sha256. A release that exists is mended where a
# blob had to be sent again: its file is the damaged one still.
RELEASE = r"""
cd "$1" || exit 1
release=$2; shift 2
final="releases/$release"; into=$final
[ -d "$final" ] || { into="releases/.draft.$$"; rm -rf "$into"; mkdir "$into" || exit 1; }
while [ $# -gt 0 ]; do
    [ "$into/$1" -ef "blobs/$2" ] || ln -f "blobs/$2" "$into/$1" || exit 1
    shift 2
done
[ "$into" = "$final" ] || mv -T "$into" "$final" || exit 1
ln -s "$final" ".current.$$" && mv -T ".current.$$" current
"""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a release: its name there, and the local file it comes from."""

    name: str
    path: Path
    sha256: str
    size: int
    """Bytes."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in one folder on a board, named after its content."""

    files: list[File]

    @property
    def id(self) -> str:
        """The same files give the same id."""
        return store.key_of({file.name: file.sha256 for file in self.files})

    @property
    def folder(self) -> str:
        """Where it is on the board, relative to the login folder."""
        return f"{HOME}/releases/{self.id}"


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A release that is on a board, and what it took."""

    release: Release
    sent: int
    """Bytes that travelled."""
    saved: int
    """Bytes that were there already."""


def release_of(*folders: tuple[Path, Sequence[str]]) -> Release:
    """The release of these files of these artifacts, with the digests of their manifests."""
    files = [
        File(name=name, path=folder / name, sha256=f["sha256"], size=f["bytes"])
        for folder, names in folders
        for name in names
        for f in [store.manifest(folder)["files"][name]]
    ]
    return Release(files=files)


def deploy(session: Session, release: Release) -> Deployed:
    """Put the release on the board; raises ``BoardDiskFull`` before sending what cannot fit."""
    missing = _missing(session, release)
    sizes = {file.name: file.size for file in release.files}
    if missing:
        _send(session, missing)
    pairs = [part for file in release.files for part in (file.name, file.sha256)]
    session.script(RELEASE, HOME, release.id, *pairs)
    sent = sum(file.size for file in missing)
    return Deployed(release=release, sent=sent, saved=sum(sizes.values()) - sent)


def _missing(session: Session, release: Release) -> list[File]:
    lines = session.script(MISSING, HOME, *(file.sha256 for file in release.files)).out.split("\n")
    absent = {line.removeprefix("missing ") for line in lines if line.startswith("missing ")}
    wanted = [file for file in release.files if file.sha256 in absent]
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("free ")), 0)
    needed = sum(file.size for file in wanted)
    if needed > free:
        raise ssh.disk_full(session.name, f"{needed:,} bytes are needed, {free:,} are free")
    return wanted


def _send(session: Session, files: Sequence[File]) -> None:
    total = sum(file.size for file in files)
    before = 0
    with say.step(f"send {len(files)} files to {session.name}", unit="bytes") as progress:
        for file in files:
            follow = _follower(progress, before, total)
            session.put(file.path, f"{HOME}/blobs/{file.sha256}.part", follow)
            session.script(ACCEPT, HOME, file.sha256)
            before += file.size


def _follower(progress: say.Step, before: int, total: int) -> Callable[[int, int], None]:
    return lambda sent, _of_file: progress.update(before + sent, total)
