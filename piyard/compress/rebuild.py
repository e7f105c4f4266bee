"""Making a variant again from its manifest alone, and comparing the bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from piyard.compress.method import Step
from piyard.compress.methods import find_method
from piyard.compress.pictures import CompressionData, DataPlace, read_compression_data
from piyard.compress.recipe import VariantManifest, identify_parent, read_variant_manifest
from piyard.compress.variant import check_step
from piyard.core.errors import WrongInput
from piyard.core.files import scratch_folder, sha256_of_file
from piyard.core.store import key_of, read_files
from piyard.models.definition import Model
from piyard.models.lineage import load_parent

SCRATCH_PREFIX = "piyard-rebuild-"


class RebuiltFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a variant: its digest in the manifest, and when it was made again."""

    name: str
    sha256: str
    rebuilt: str

    @property
    def state(self) -> Literal["the same bytes", "DIFFERENT"]:
        """For people."""
        return "the same bytes" if self.sha256 == self.rebuilt else "DIFFERENT"


def rebuild_variant(model: Model, place: DataPlace | None) -> list[RebuiltFile]:
    """Make it again in a scratch folder; ``place`` where its data is not where it was.

    Raises ``WrongInput`` where parent or data are others, and what the method raises.
    """
    folder, manifest = read_variant_manifest(model)
    parent = load_parent(model)
    _require_same_parent(manifest, parent)
    method = find_method(manifest.method)
    data = _read_same_data(manifest, parent, place)
    with scratch_folder(SCRATCH_PREFIX) as scratch:
        at = scratch / "files"
        at.mkdir()
        step = Step(
            name=model.name,
            parent=parent,
            method=method.name,
            settings=msgspec.convert(manifest.settings, method.settings_type),
            data=data,
            seed=manifest.seed,
            target=manifest.target,
            checkpoints=scratch / "checkpoints",
        )
        check_step(step)
        method.make(step, at)
        return list(_compare_files(folder, at))


def _compare_files(folder: Path, at: Path) -> list[RebuiltFile]:
    kept = read_files(folder)
    return [
        RebuiltFile(
            name=name,
            sha256=file.sha256,
            rebuilt=sha256_of_file(at / name) if (at / name).is_file() else "",
        )
        for name, file in kept.items()
    ]


def _require_same_parent(manifest: VariantManifest, parent: Model) -> None:
    if key_of(identify_parent(parent)) != key_of(manifest.parent):
        raise WrongInput(
            f"'{parent.name}' is not what it was when the variant was made of it",
            remedy="make the variant again, under another --name",
        )


def _read_same_data(
    manifest: VariantManifest, parent: Model, place: DataPlace | None
) -> CompressionData | None:
    if manifest.data is None:
        return None
    chosen = place or manifest.place
    if chosen is None:
        raise WrongInput("the manifest does not say where the data was", remedy="name it: --data")
    data = read_compression_data(chosen, parent)
    if data.identity != manifest.data:
        raise WrongInput(
            f"{chosen.path} holds other pictures or another truth than the variant was made with",
            remedy="name the data it was made with: --data",
        )
    return data
