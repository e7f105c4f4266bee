"""Pictures from the web: bounded, checked to be pictures, kept under a harmless name."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from piyard import paths, whole
from piyard.download import BACK_OFF_S, CONNECT_S, STALL_S
from piyard.errors import DownloadFailed

if TYPE_CHECKING:
    from requests import Response

LIMIT = 50_000_000
"""Bytes; no camera makes a larger JPEG."""
TRIES = 3
LIMIT_S = 120.0
"""For all of it, however slowly it comes."""
FORMATS = {"JPEG": ".jpg", "PNG": ".png"}
_BLOCK = 1 << 16


class _Again(Exception):
    """An attempt that failed for a reason that may be temporary."""


def is_url(text: str) -> bool:
    """Whether it is a URL rather than a path."""
    return text.lower().startswith(("http://", "https://"))


def picture(url: str) -> Path:
    """The picture at that address, as a file in the cache. Raises ``DownloadFailed``."""
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(BACK_OFF_S * 2 ** (attempt - 1))
        try:
            return _kept(_received(url), url)
        except _Again as error:
            reason = str(error)
    raise _failed(url, f"{reason}; tried {TRIES} times")


def plain_name(url: str) -> str:
    """The last part of an address without special characters and suffix."""
    last = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")
    stem = last[0] or last[2]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60] or "picture"


def _received(url: str) -> bytes:
    import requests

    try:
        with requests.get(url, stream=True, timeout=(CONNECT_S, STALL_S)) as response:
            _require_well(response, url)
            return _body(response, url)
    except requests.Timeout:
        raise _Again(f"no data from the server for {STALL_S:g} s") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise _failed(url, str(error)) from None
    except requests.RequestException as error:
        cause = re.search(r"\[Errno -?\d+\] ([^')]+)", str(error))
        raise _Again(f"the server cannot be reached: {cause[1] if cause else error}") from None


def _require_well(response: Response, url: str) -> None:
    status = response.status_code
    if status >= 500 or status in (408, 429):
        raise _Again(f"the server answers {status} {response.reason}")
    if status != 200:
        raise _failed(url, f"the server answers {status} {response.reason}")
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LIMIT:
        raise _too_large(url)


def _body(response: Response, url: str) -> bytes:
    body, deadline = bytearray(), time.monotonic() + LIMIT_S
    for block in response.iter_content(_BLOCK):
        body += block
        if len(body) > LIMIT:
            raise _too_large(url)
        if time.monotonic() > deadline:
            raise _failed(url, f"not complete after {LIMIT_S:g} s")
    return bytes(body)


def _kept(body: bytes, url: str) -> Path:
    ending = _ending(body, url)
    folder = paths.cache() / "inputs" / hashlib.sha256(body).hexdigest()[:16]
    final = folder / f"{plain_name(url)}{ending}"
    with whole.draft(final) as draft:
        draft.write_bytes(body)
    return final


def _ending(body: bytes, url: str) -> str:
    """By the content, whatever the address says; all of it must decode."""
    import io

    from PIL import Image

    try:
        with Image.open(io.BytesIO(body)) as opened:
            kind = opened.format or "?"
            opened.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _failed(url, f"the content is not a picture: {error}") from None
    if kind not in FORMATS:
        raise _failed(url, f"it is a {kind}; only JPEG and PNG are accepted")
    return FORMATS[kind]


def _too_large(url: str) -> DownloadFailed:
    return _failed(url, f"it is larger than {LIMIT / 1e6:.0f} MB")


def _failed(url: str, why: str) -> DownloadFailed:
    return DownloadFailed(
        f"{url} cannot be shown", evidence=why, remedy="check the address, or give a file"
    )
