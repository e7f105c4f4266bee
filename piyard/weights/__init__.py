"""Which weights a model gets, and putting them into its network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import digest, download, mirror, recorded, say
from piyard.errors import ConversionFailed, DownloadFailed
from piyard.model import Model, Weights
from piyard.weights import checkpoint, random_weights

if TYPE_CHECKING:
    import torch

RECORDED = "recorded on first download"
SHORT = 8


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted file, known by its full sha256; without one, random weights."""

    file: Weights | None = None
    sha256: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the values."""
        if self.file:
            return {"kind": "file", "sha256": self.sha256}
        return {"kind": "random", "seed": random_weights.SEED}

    @property
    def short(self) -> str:
        """What a model's YAML calls them: the first digits of the sha256, or ``random``."""
        return self.sha256[:SHORT] or "random"

    @property
    def description(self) -> dict[str, Any]:
        """The identity, with source, licence and data set for people."""
        if not self.file:
            return self.identity
        file = self.file
        about = {"source": file.source, "licence": file.licence, "dataset": file.dataset}
        return self.identity | about | {"url": file.url} | _how_known(file)


RANDOM = Chosen()


def _how_known(file: Weights) -> dict[str, Any]:
    return {} if file.published_digest else {"sha256_is": RECORDED}


def choose(model: Model) -> Chosen:
    """The first accepted file that is here, else the first that can be downloaded."""
    for file in model.weights:
        if file.digest and (sha256 := download.known(file.digest)):
            return Chosen(file=file, sha256=sha256)
    file = next((file for file in model.weights if file.url), model.weights[0])
    return Chosen(file=file, sha256=file.sha256 or digest.of_file(_fetch(file)))


def fetch(chosen: Chosen) -> None:
    """Make sure the chosen file is here, so that nothing slow starts without it.

    Raises ``DownloadFailed``.
    """
    if chosen.file:
        _fetch(chosen.file)


def fill(network: torch.nn.Module, chosen: Chosen) -> None:
    """Put the chosen weights into the network.

    Raises ``DownloadFailed``, and ``ConversionFailed`` when names or shapes differ.
    """
    if not chosen.file:
        random_weights.randomise(network)
        return
    state = checkpoint.read(_fetch(chosen.file))
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ConversionFailed(
            f"the weights '{chosen.file.source}' do not fit the network",
            evidence="\n".join(str(error).splitlines()[:12]),
            remedy="correct `network` or `weights` in the model's YAML",
        ) from None


def _fetch(file: Weights) -> Path:
    if file.digest and (path := download.find(file.digest)):
        return path
    if file.url:
        say.note(f"{file.name}: {file.source}; licence {file.licence}")
    try:
        return _download(file)
    except DownloadFailed as error:
        digest_note = f" (sha256 {file.digest})" if file.digest else ""
        raise DownloadFailed(
            error.what if file.url else f"'{file.source}' has no public address",
            evidence=error.evidence if file.url else "",
            remedy=f"name a folder that holds the weights{digest_note} in {mirror.VARIABLE}, "
            "or use --random-weights: the right speed, meaningless answers",
        ) from None


def _download(file: Weights) -> Path:
    if file.digest:
        return download.fetch(file.url, sha256=file.digest, name=file.name)
    path = download.first(file.url, name=file.name)
    recorded.record(file.url, path.parent.name)
    say.note(f"{file.name}: sha256 {path.parent.name} {RECORDED}, in {recorded.shown()}")
    return path
