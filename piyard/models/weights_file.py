"""The files of weights that a model accepts, and the digests that first downloads had."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from piyard.core import paths
from piyard.core.config import Config
from piyard.core.errors import WrongInput

Digest = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
Prefix = Annotated[str, Meta(pattern="^([0-9a-f]{8,63})?$")]


class Weights(Config):
    """One file of weights that is accepted."""

    source: str
    """Whose file it is, for the manifest."""
    licence: str
    dataset: str
    """What it was trained on."""
    url: str = ""
    """Empty: the file is only taken from PIYARD_MIRROR."""
    sha256: Digest = ""
    sha256_prefix: Prefix = ""
    """The first digits, where no more is published; the manifest records all of them.

    Where a publisher gives no digest at all, the one of the first download counts:
    see ``recorded_digest``.
    """
    file: Annotated[str, Meta(pattern="^[^/]*$")] = ""
    """What it is called, where the end of ``url`` does not say."""

    def __post_init__(self) -> None:
        if (self.sha256 and self.sha256_prefix) or not (self.published_digest or self.url):
            raise ValueError("give one of `sha256` and `sha256_prefix`, or a `url` at least")

    @property
    def name(self) -> str:
        """What the file is called in the cache."""
        return self.file or self.url.rpartition("/")[2] or f"{self.digest[:8]}.pth"

    @property
    def published_digest(self) -> str:
        """The sha256, or what is published of it."""
        return self.sha256 or self.sha256_prefix

    @property
    def digest(self) -> str:
        """The sha256, or what is known of it; empty for some files before their first download."""
        return self.published_digest or recorded_digest(self.url)

    def is_file(self, sha256: str) -> bool:
        """Whether a file of that digest is this one."""
        return bool(self.digest) and sha256.startswith(self.digest)


DIGESTS_FILE = paths.ROOT / "models" / "recorded.txt"


def recorded_digest(url: str) -> str:
    """The sha256 the address once had; empty before the first download."""
    return _read_digests().get(url, "")


def record_digest(url: str, sha256: str) -> None:
    """Remember what was downloaded; ``WrongInput`` where the file cannot be written."""
    try:
        with DIGESTS_FILE.open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if not recorded_digest(url):
                stream.write(f"{sha256}  {url}\n")
    except OSError as error:
        raise WrongInput(
            f"{DIGESTS_FILE} cannot be written: {error.strerror}",
            remedy=f"write the weights' digest into the model's YAML: sha256: {sha256}",
        ) from None


def digests_file_name() -> Path:
    """Where they are, as a person in the checkout would write it."""
    return (
        DIGESTS_FILE.relative_to(paths.ROOT)
        if DIGESTS_FILE.is_relative_to(paths.ROOT)
        else DIGESTS_FILE
    )


def _read_digests() -> dict[str, str]:
    text = DIGESTS_FILE.read_text(encoding="utf-8") if DIGESTS_FILE.is_file() else ""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {url: sha256 for sha256, url in pairs}
