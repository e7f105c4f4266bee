"""SmolVLM's encoder of pictures and its connector in nnrun's own layers.

    in0 → patches, places, blocks (``encoders``) → LayerNorm → squares of patches side by side
        → LinearQ (projection) → out0: rows of embeddings

The proof on this machine is ``encoder_twin``: it reads the files that boards get.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from piyard.convert.difference import compare_outputs
from piyard.convert.language.encoder_twin import load_twin
from piyard.convert.language.encoders import FUSED_ENDINGS, FusedNet
from piyard.convert.language.formats import Bits
from piyard.core.mirror import mirror_folder
from piyard.models.synthetic import drawn_pictures
from piyard.vision.pictures import list_pictures, read_picture
from piyard.vision.preprocess import prepare_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image

    from piyard.language.pictures import PictureConfig
    from piyard.models.smolvlm import PictureTower
    from piyard.vision.schema import Floats


PICTURE_STEM = "picture"
PICTURE_FILES = (f"{PICTURE_STEM}.{FUSED_ENDINGS[0]}", f"{PICTURE_STEM}.{FUSED_ENDINGS[1]}")
DRAWN = ("rings", "noise")
"""Pictures that are proved on where the mirror has none."""
PICTURES = 2
PROOF_FOLDER = Path("data", "coco_mini_val", "val2017")


class PictureFeatures(msgspec.Struct, frozen=True):
    """Rows of embeddings of each picture of the proof: the original's, and the twin's."""

    bits: Bits
    """Of the encoder's matrices."""
    original: list[Any]
    twin: list[Any]

    @property
    def cosine(self) -> float:
        """The least of any picture."""
        pairs = zip(self.original, self.twin, strict=True)
        return min(compare_outputs(before, after).cosine for before, after in pairs)


class ShownPicture(NamedTuple):
    """A window with a picture: its token's rows are those of the original, or of the twin."""

    window: Sequence[int]
    token: int
    original: Floats
    twin: Floats


def fuse_tower(tower: PictureTower, bits: Bits = 16) -> FusedNet:
    """The net of that encoder."""
    config, net = tower.config, FusedNet(bits)
    net.add("Input", [], ["in0"])
    places = net.constant("places", _array(tower.places))
    placed = net.add("BinaryOp", [_patches(net, tower), places], ["placed"], "0=0")
    x = net.blocks(placed, tower.transformer, causal=False)
    x = net.layer_norm("end", x, tower.ln_post)
    net.linear("out0", [_join_patches(net, x, config)], _array(tower.projection.weight))
    return net


def _patches(net: FusedNet, tower: PictureTower) -> str:
    config, filters = tower.config, tower.conv1
    bias = None if filters.bias is None else _array(filters.bias)
    return net.patch_rows(_array(filters.weight), bias, config.patches**2)


def _join_patches(net: FusedNet, below: str, config: PictureConfig) -> str:
    """As ``smolvlm.join_patches``: axes are, from the innermost on, w, h, d and c."""
    side, step = config.patches // config.shuffle, config.shuffle
    shape = f"0={step * config.width} 1={side} 11={step} 2={side}"
    squares = net.add("Reshape", [below], ["squares"], shape)
    turned = net.add("Permute", [squares], ["turned"], "0=2")
    return net.add("Reshape", [turned], ["joined"], f"0={config.joined} 1={side * side}")


def write_tower(tower: PictureTower, at: Path, trials: Mapping[Bits, float]) -> PictureFeatures:
    """The files, and what torch and they make of the proof's pictures.

    Of ``trials``, bits and the least cosine with them, the first that is kept, or the last.
    """
    pictures = proof_pictures()
    inputs = [_prepare(tower, each) for each in pictures]
    original = [encode_picture(tower, each) for each in pictures]

    def make(bits: Bits) -> PictureFeatures:
        fuse_tower(tower, bits).write(at, PICTURE_STEM)
        twin = load_twin(at, PICTURE_STEM)
        return PictureFeatures(bits, original, [twin(each)["out0"] for each in inputs])

    *others, last = trials
    for bits in others:
        features = make(bits)
        if features.cosine >= trials[bits]:
            return features
    return make(last)


def encode_picture(tower: PictureTower, picture: Image) -> Floats:
    """Its rows of embeddings, as torch computes them."""
    import torch

    rows: Floats = tower(torch.from_numpy(_prepare(tower, picture))[None])[0].numpy()
    return rows


def _prepare(tower: PictureTower, picture: Image) -> Floats:
    return prepare_picture(picture, tower.config.preprocess, tower.config.input[1:])


def proof_pictures() -> list[Image]:
    """Of the proof: photographs of the mirror where there are some, else drawn ones."""
    root = mirror_folder()
    folder = root / PROOF_FOLDER if root else None
    paths = list_pictures(folder).pictures if folder and folder.is_dir() else []
    if paths:
        return [read_picture(path) for path in paths[:PICTURES]]
    drawn = drawn_pictures()
    return [drawn[name] for name in DRAWN]


def _array(values: Any) -> Floats:
    array: Floats = values.detach().numpy()
    return np.ascontiguousarray(array)
