"""Files of weights: which one a model gets, and loading it into its network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from piyard.core import console, download
from piyard.core.download import fetch_unpinned, find_file
from piyard.core.errors import ConversionFailed, DownloadFailed
from piyard.core.files import sha256_of_file
from piyard.core.mirror import MIRROR_VARIABLE
from piyard.core.store import WeightsInfo
from piyard.models import synthetic
from piyard.models.checkpoint import name_state, open_checkpoint
from piyard.models.checkpoint_file import StubClass
from piyard.models.edits import Edit, apply_edits, fit_shapes
from piyard.models.module_objects import adopt_norms
from piyard.models.script_archive import is_script_archive, read_script_tensors
from piyard.models.synthetic import WEIGHTS_SEED
from piyard.models.tensor_file import TensorFile
from piyard.models.weights_file import Weights, digests_file_name, record_digest

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]


RECORDED_NOTE = "recorded on first download"
SHORT_DIGITS = 8


class ChosenWeights(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted file, known by its full sha256; without one, random weights."""

    file: Weights | None = None
    sha256: str = ""

    @property
    def identity(self) -> WeightsInfo:
        """What decides the values."""
        if self.file:
            return WeightsInfo(kind="file", sha256=self.sha256)
        return WeightsInfo(kind="random", seed=WEIGHTS_SEED)

    @property
    def short(self) -> str:
        """What a model's YAML calls them: the first digits of the sha256, or ``random``."""
        return self.sha256[:SHORT_DIGITS] or "random"

    @property
    def description(self) -> WeightsInfo:
        """The identity, with source, licence and data set for people."""
        file = self.file
        if not file:
            return self.identity
        return msgspec.structs.replace(
            self.identity,
            source=file.source,
            licence=file.licence,
            dataset=file.dataset,
            url=file.url,
            sha256_is="" if file.published_digest else RECORDED_NOTE,
        )


RANDOM_WEIGHTS = ChosenWeights()


class WeighedModel(Protocol):
    """Whatever its YAML says the accepted files of."""

    @property
    def weights(self) -> Sequence[Weights]:
        """The official one first."""


def choose_weights(model: WeighedModel) -> ChosenWeights:
    """The first accepted file that is here, else the first that can be downloaded."""
    for file in model.weights:
        if file.digest and (sha256 := download.known_sha256(file.digest)):
            return ChosenWeights(file=file, sha256=sha256)
    file = next((file for file in model.weights if file.url), model.weights[0])
    return ChosenWeights(file=file, sha256=file.sha256 or sha256_of_file(_fetch_file(file)))


def fetch_weights(chosen: ChosenWeights) -> None:
    """Make sure the chosen file is here, so that nothing slow starts without it.

    Raises ``DownloadFailed``.
    """
    if chosen.file:
        _fetch_file(chosen.file)


def load_weights(network: torch.nn.Module, chosen: ChosenWeights) -> None:
    """Put the chosen weights into the network.

    Raises ``DownloadFailed``, and ``ConversionFailed`` when names or shapes differ.
    """
    if not chosen.file:
        synthetic.randomise(network)
        return
    path = _fetch_file(chosen.file)
    objects: dict[str, StubClass] = {}
    if is_script_archive(path):
        tensors = read_script_tensors(path)
    else:
        tensors, _, _, objects = open_checkpoint(path)
    rename: Any = getattr(network, "rename", lambda state: state)
    state = name_state(rename(tensors), network.state_dict().keys())
    try:
        network.load_state_dict(_with_versions(state, network), strict=True)
    except RuntimeError as error:
        raise ConversionFailed(
            f"the weights '{chosen.file.source}' do not fit the network",
            evidence="\n".join(str(error).splitlines()[:12]),
            remedy="correct `network` or `weights` in the model's YAML",
        ) from None
    adopt_norms(network, objects)


def _with_versions(state: Tensors, network: torch.nn.Module) -> Tensors:
    """The tensors, with the versions of the modules they are of, as ``state_dict`` notes them.

    Modules such as torchvision's MNASNet do not load without. A file of tensors has none; shapes
    that another version has are refused as any others.
    """
    versioned: Any = OrderedDict(state)
    versioned._metadata = getattr(network.state_dict(), "_metadata", {})  # noqa: SLF001  # torch's own name of it
    return cast("Tensors", versioned)


def fit_variant(network: torch.nn.Module, edits: Sequence[Edit], chosen: ChosenWeights) -> None:
    """Change a parent's network into the one that a variant's file is of.

    Raises ``DownloadFailed`` and ``ConversionFailed``.
    """
    apply_edits(network, edits)
    if chosen.file:
        fit_shapes(network, TensorFile(_fetch_file(chosen.file)).shapes)


def _fetch_file(file: Weights) -> Path:
    if file.digest and (path := find_file(file.digest)):
        return path
    if file.url:
        console.info(f"{file.name}: {file.source}; licence {file.licence}")
    try:
        return _download_file(file)
    except DownloadFailed as error:
        digest_note = f" (sha256 {file.digest})" if file.digest else ""
        raise DownloadFailed(
            error.what if file.url else f"'{file.source}' has no public address",
            evidence=error.evidence if file.url else "",
            remedy=f"name a folder that holds the weights{digest_note} in {MIRROR_VARIABLE}, "
            "or use --random-weights: the right speed, meaningless answers",
        ) from None


def _download_file(file: Weights) -> Path:
    if file.digest:
        return download.fetch(file.url, sha256=file.digest, name=file.name)
    path = fetch_unpinned(file.url, name=file.name)
    record_digest(file.url, path.parent.name)
    console.info(
        f"{file.name}: sha256 {path.parent.name} {RECORDED_NOTE}, in {digests_file_name()}"
    )
    return path
