"""Files known by their sha256: from the cache, from ``PIYARD_MIRROR``, else from the network.

``<cache>/downloads/<sha256>/<name>`` appears by one rename, only when its bytes have that digest.
An interrupted download resumes where it stopped, if the server supports that.
"""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from piyard import digest, lock, mirror, paths, say
from piyard.errors import DownloadFailed

if TYPE_CHECKING:
    from requests import Response

Url = str | Callable[[], str]

CONNECT_S = 15.0
STALL_S = 30.0
"""How long the server may send nothing before the attempt counts as failed."""
TRIES = 4
BACK_OFF_S = 1.0
"""The wait before the second attempt; it doubles with each one."""

PAGES = (b"<!doctype", b"<html")
"""How an HTML page begins."""

_BLOCK = 1 << 18
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


class _Again(Exception):
    """An attempt failed for a reason that may pass."""


def fetch(url: Url, *, sha256: str, name: str) -> Path:
    """The file with this digest; ``name`` is what it is called in the cache.

    ``sha256`` is all 64 hex digits, or the first 8 or more where no more is published.
    A callable ``url`` is called only when cache and mirror do not have the file.
    Raises ``DownloadFailed``.
    """
    _check(sha256, name)
    if path := find(sha256):
        return path
    with _locked(sha256):
        return _cached(sha256) or _download(url() if callable(url) else url, sha256, name)


def first(url: str, *, name: str) -> Path:
    """A file whose digest is not known yet; its folder is named by the digest it has.

    Always from the network: cache and mirror know files by their digests only. An HTML page in
    place of the file is an error. Raises ``DownloadFailed``.
    """
    _check("0" * 64, name)
    with _locked(digest.of_value(url)):
        _part("", url, name).unlink(missing_ok=True)
        path = _download(url, "", name)
    with path.open("rb") as stream:
        is_page = stream.read(9).lower().startswith(PAGES)
    if is_page:
        path.unlink()
        raise _failed(f"{url} sent a web page instead of the file", "", "")
    return path


def find(sha256: str) -> Path | None:
    """The file from cache or mirror, its digest verified; None when neither has it."""
    return _cached(sha256) or mirror.find(sha256)


def known(sha256: str) -> str | None:
    """The full digest of a file that cache or mirror list; its bytes are not read."""
    cached = (path.parent.name for path in _entries(sha256))
    mirrored = (full for full, path in mirror.claims(sha256) if path.is_file())
    return next(cached, None) or next(mirrored, None)


def folder() -> Path:
    """Where downloads are kept."""
    return paths.cache() / "downloads"


def _check(sha256: str, name: str) -> None:
    if not _DIGEST.fullmatch(sha256):
        raise ValueError(f"not a sha256, nor its first 8 or more digits: {sha256!r}")
    if name in {"", "..", "."} or Path(name).name != name:
        raise ValueError(f"not a plain file name: {name!r}")


def _entries(sha256: str) -> list[Path]:
    return sorted(path for path in folder().glob(f"{sha256}*/*") if path.is_file())


def _cached(sha256: str) -> Path | None:
    for path in _entries(sha256):
        if digest.of_file(path) == path.parent.name:
            return path
        path.unlink(missing_ok=True)
    return None


def _download(url: str, sha256: str, name: str) -> Path:
    part = _part(sha256, url, name)
    part.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    with say.step(f"download {name}", unit="bytes") as step:
        for attempt in range(TRIES):
            if attempt:
                time.sleep(BACK_OFF_S * 2 ** (attempt - 1))
            try:
                resumed = _receive(url, part, step)
                return _keep(part, url, sha256, name, resumed=resumed)
            except _Again as error:
                reason = str(error)
                step.update(0, None, f"{reason}; attempt {attempt + 1} of {TRIES}")
        raise _failed(f"{url} cannot be downloaded", f"{reason}; tried {TRIES} times", sha256)


def _part(sha256: str, url: str, name: str) -> Path:
    return folder() / ".part" / f"{sha256 or digest.of_value(url)}-{name}"


def _receive(url: str, part: Path, step: say.Step) -> bool:
    """Download into ``part``; True when it began with bytes of an earlier attempt."""
    import requests

    try:
        offset = part.stat().st_size if part.is_file() else 0
        with _get(url, offset) as response:
            start = _start(response, offset, part)
            _append(response, part, start, step)
            return start > 0
    except OSError as error:  # requests' own errors are OSErrors too
        if isinstance(error, requests.RequestException):
            raise _no_answer(url, error) from None
        raise _cannot_write(part, error) from None


def _get(url: str, offset: int) -> Response:
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    return requests.get(url, headers=headers, stream=True, timeout=(CONNECT_S, STALL_S))


def _start(response: Response, offset: int, part: Path) -> int:
    """The offset at which the body begins; raises for any other status than 200 and 206."""
    status = response.status_code
    if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return offset
    if status in (206, 416):
        part.unlink(missing_ok=True)
        raise _Again("the server does not resume at the requested offset")
    if status >= 500 or status in (408, 429):
        raise _Again(f"the server answers {status} {response.reason}")
    if status != 200:
        raise _failed(f"{response.url} answers {status} {response.reason}", "", "")
    return 0


def _append(response: Response, part: Path, start: int, step: say.Step) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    if shutil.disk_usage(part.parent).free < (total or 0) - start:
        raise OSError(errno.ENOSPC, "No space left on device")
    with part.open("ab" if start else "wb") as stream:
        done = start
        for block in response.iter_content(_BLOCK):
            done += stream.write(block)
            step.update(done, total)
    if total is not None and done < total:
        raise _Again(f"the server stopped after {done} of {total} bytes")


def _keep(part: Path, url: str, sha256: str, name: str, *, resumed: bool) -> Path:
    actual = digest.of_file(part)
    if not actual.startswith(sha256):
        part.unlink()
        if resumed:
            raise _Again("the resumed file has another sha256")
        raise _failed(f"{url} is not the file that was pinned", f"its sha256 is {actual}", sha256)
    final = folder() / actual / name
    final.parent.mkdir(parents=True, exist_ok=True)
    return part.replace(final)


def _no_answer(url: str, error: Exception) -> Exception:
    import requests

    hopeless = (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL)
    if isinstance(error, (*hopeless, requests.exceptions.MissingSchema)):
        return _failed(f"{url} is not a valid URL", str(error), "")
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return _Again(f"no data from the server for {STALL_S:g} s")
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return _Again("the connection was closed too early")
    if "Name or service not known" in str(error):
        return _failed(f"{url} cannot be downloaded", "its host name cannot be resolved", "")
    cause = re.search(r"\[Errno -?\d+\] ([^')]+)", str(error))
    return _Again(f"the server cannot be reached: {cause[1] if cause else error}")


def _cannot_write(part: Path, error: OSError) -> DownloadFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DownloadFailed(
        f"no room for {part.name}" if full else f"{part} cannot be written",
        evidence=str(error),
        remedy=f"free some space under {folder()}, or move it with XDG_CACHE_HOME",
    )


def _failed(what: str, why: str, sha256: str) -> DownloadFailed:
    which = f" (sha256 {sha256})" if sha256 else ""
    return DownloadFailed(
        what,
        evidence=why,
        remedy=f"check the network, or name a folder that holds the file{which} "
        f"in {mirror.VARIABLE}",
    )


def _locked(sha256: str) -> AbstractContextManager[None]:
    """One download per digest: a second process waits, then finds the file."""
    return lock.held(folder() / ".locks" / sha256)
