"""Files known by their sha256: from the cache, from ``PIYARD_MIRROR``, else the network.

``<cache>/downloads/<sha256>/<name>`` appears by one rename, only when its bytes have that digest.
An interrupted download resumes where it stopped, if the server supports that.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.core import console, paths
from piyard.core.cancel import TemporaryError, with_retries
from piyard.core.console import Step
from piyard.core.errors import DownloadFailed
from piyard.core.files import sha256_of_file, sha256_of_value
from piyard.core.mirror import MIRROR_VARIABLE, find_in_mirror, mirror_claims
from piyard.core.store import file_lock

if TYPE_CHECKING:
    from requests import Response


Url = str | Callable[[], str]

CONNECT_S = 15.0
STALL_S = 30.0
"""How long the server may send nothing before the attempt counts as failed."""
ATTEMPTS = 4
BACK_OFF_S = 1.0
"""The wait before the second attempt; it doubles with each one."""

HTML_STARTS = (b"<!doctype", b"<html")
"""How an HTML page begins."""

_BLOCK = 1 << 18
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


def require_no_temporary_status(response: Response) -> None:
    """Raise ``TemporaryError`` where the server may answer otherwise a little later."""
    status = response.status_code
    if status >= 500 or status in (408, 429):
        raise TemporaryError(f"the server answers {status} {response.reason}")


def is_invalid_url(error: Exception) -> bool:
    """Whether no attempt can succeed, as the URL itself is at fault."""
    from requests import exceptions

    invalid = (exceptions.InvalidSchema, exceptions.InvalidURL, exceptions.MissingSchema)
    return isinstance(error, invalid)


def connection_problem(error: Exception) -> str:
    """What an error of requests says, in a few words."""
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no data from the server for {STALL_S:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was closed too early"
    cause = re.search(r"\[Errno -?\d+\] ([^')]+)", str(error))
    return f"the server cannot be reached: {cause[1] if cause else error}"


def fetch(url: Url, *, sha256: str, name: str) -> Path:
    """The file with this digest; ``name`` is what it is called in the cache.

    ``sha256`` is all 64 hex digits, or the first 8 or more where no more is published.
    A callable ``url`` is called only when cache and mirror do not have the file.
    Raises ``DownloadFailed``.
    """
    _check_names(sha256, name)
    if path := find_file(sha256):
        return path
    with _locked(sha256):
        return _cached(sha256) or _download(url() if callable(url) else url, sha256, name)


def fetch_unpinned(url: str, *, name: str) -> Path:
    """A file whose digest is not known yet; its folder is named by the digest it has.

    Always from the network: cache and mirror know files by their digests only. An HTML page in
    place of the file is an error. Raises ``DownloadFailed``.
    """
    _check_names("0" * 64, name)
    with _locked(sha256_of_value(url)):
        _part("", url, name).unlink(missing_ok=True)
        path = _download(url, "", name)
    with path.open("rb") as stream:
        is_page = stream.read(9).lower().startswith(HTML_STARTS)
    if is_page:
        path.unlink()
        raise _download_error(f"{url} sent a web page instead of the file", "", "")
    return path


def find_file(sha256: str) -> Path | None:
    """The file from cache or mirror, its digest verified; None when neither has it."""
    return _cached(sha256) or find_in_mirror(sha256)


def known_sha256(sha256: str) -> str | None:
    """The full digest of a file that cache or mirror list; its bytes are not read."""
    cached = (path.parent.name for path in _entries(sha256))
    mirrored = (full for full, path in mirror_claims(sha256) if path.is_file())
    return next(cached, None) or next(mirrored, None)


def downloads_folder() -> Path:
    """Where downloads are kept."""
    return paths.cache() / "downloads"


def _check_names(sha256: str, name: str) -> None:
    if not _DIGEST.fullmatch(sha256):
        raise ValueError(f"not a sha256, nor its first 8 or more digits: {sha256!r}")
    if name in {"", "..", "."} or Path(name).name != name:
        raise ValueError(f"not a plain file name: {name!r}")


def _entries(sha256: str) -> list[Path]:
    return sorted(path for path in downloads_folder().glob(f"{sha256}*/*") if path.is_file())


def _cached(sha256: str) -> Path | None:
    for path in _entries(sha256):
        if sha256_of_file(path) == path.parent.name:
            return path
        path.unlink(missing_ok=True)
    return None


def _download(url: str, sha256: str, name: str) -> Path:
    part = _part(sha256, url, name)
    part.parent.mkdir(parents=True, exist_ok=True)
    with console.step(f"download {name}", unit="bytes") as step:

        def attempt() -> Path:
            resumed = _receive(url, part, step)
            return _store_download(part, url, sha256, name, resumed=resumed)

        try:
            return with_retries(
                attempt, ATTEMPTS, BACK_OFF_S, lambda text: step.update(0, None, text)
            )
        except TemporaryError as error:
            raise _download_error(f"{url} cannot be downloaded", str(error), sha256) from None


def _part(sha256: str, url: str, name: str) -> Path:
    return downloads_folder() / ".part" / f"{sha256 or sha256_of_value(url)}-{name}"


def _receive(url: str, part: Path, step: Step) -> bool:
    """Download into ``part``; True when it began with bytes of an earlier attempt."""
    import requests

    try:
        offset = part.stat().st_size if part.is_file() else 0
        with _get(url, offset) as response:
            start = _body_offset(response, offset, part)
            _append(response, part, start, step)
            return start > 0
    except OSError as error:  # requests' own errors are OSErrors too
        if isinstance(error, requests.RequestException):
            raise _connection_error(url, error) from None
        raise _write_error(part, error) from None


def _get(url: str, offset: int) -> Response:
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    return requests.get(url, headers=headers, stream=True, timeout=(CONNECT_S, STALL_S))


def _body_offset(response: Response, offset: int, part: Path) -> int:
    """The offset at which the body begins; raises for any other status than 200 and 206."""
    status = response.status_code
    if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return offset
    if status in (206, 416):
        part.unlink(missing_ok=True)
        raise TemporaryError("the server does not resume at the requested offset")
    require_no_temporary_status(response)
    if status != 200:
        raise _download_error(f"{response.url} answers {status} {response.reason}", "", "")
    return 0


def _append(response: Response, part: Path, start: int, step: Step) -> None:
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
        raise TemporaryError(f"the server stopped after {done} of {total} bytes")


def _store_download(part: Path, url: str, sha256: str, name: str, *, resumed: bool) -> Path:
    actual = sha256_of_file(part)
    if not actual.startswith(sha256):
        part.unlink()
        if resumed:
            raise TemporaryError("the resumed file has another sha256")
        raise _download_error(
            f"{url} is not the file that was pinned", f"its sha256 is {actual}", sha256
        )
    final = downloads_folder() / actual / name
    final.parent.mkdir(parents=True, exist_ok=True)
    return part.replace(final)


def _connection_error(url: str, error: Exception) -> Exception:
    if is_invalid_url(error):
        return _download_error(f"{url} is not a valid URL", str(error), "")
    if "Name or service not known" in str(error):
        return _download_error(
            f"{url} cannot be downloaded", "its host name cannot be resolved", ""
        )
    return TemporaryError(connection_problem(error))


def _write_error(part: Path, error: OSError) -> DownloadFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DownloadFailed(
        f"no room for {part.name}" if full else f"{part} cannot be written",
        evidence=str(error),
        remedy=f"free some space under {downloads_folder()}, or move it with XDG_CACHE_HOME",
    )


def _download_error(what: str, why: str, sha256: str) -> DownloadFailed:
    which = f" (sha256 {sha256})" if sha256 else ""
    return DownloadFailed(
        what,
        evidence=why,
        remedy=f"check the network, or name a folder that holds the file{which} "
        f"in {MIRROR_VARIABLE}",
    )


def _locked(sha256: str) -> AbstractContextManager[None]:
    """One download per digest: a second process waits, then finds the file."""
    return file_lock(downloads_folder() / ".locks" / sha256)
