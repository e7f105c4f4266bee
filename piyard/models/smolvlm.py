"""SmolVLM's encoder of pictures with its connector, as torch computes it.

SigLIP's blocks without its pooling head, then squares of patches joined and projected to rows as
wide as a decoder's embeddings (Marafioti et al. 2025, "SmolVLM"). The blocks are those of
``clip_blocks``; their tensors come by Hugging Face's names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from piyard.models.architectures.clip_blocks import TowerConfig, Transformer
from piyard.models.architectures.clip_names import rename_tensors
from piyard.models.picture_tensors import CONNECTOR, picture_shapes
from piyard.models.transformer_files import read_finite

if TYPE_CHECKING:
    from piyard.language.pictures import PictureConfig
    from piyard.models.transformer_files import TensorSource


OURS, PROJECTION = "visual.", "projection.weight"


class PictureTower(nn.Module):
    """Picture → rows of embeddings, in the order in which a prompt has them."""

    def __init__(self, config: PictureConfig, hidden: int) -> None:
        super().__init__()
        self.config = config
        tower = TowerConfig(
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            gelu="tanh",
            eps=config.norm_eps,
            hidden=config.feed_forward,
        )
        self.conv1 = nn.Conv2d(3, config.width, config.patch, stride=config.patch)
        self.positional_embedding = nn.Parameter(torch.zeros(config.patches**2, config.width))
        self.transformer = Transformer(tower)
        self.ln_post = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.projection = nn.Linear(config.joined, hidden, bias=False)

    @property
    def places(self) -> torch.Tensor:
        """(patches, width): what is added to the patches of a whole square."""
        return self.positional_embedding[place_ids(self.config.patches)]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, side, side) → (batch, rows, hidden)."""
        x = self.conv1(pictures).flatten(2).transpose(1, 2) + self.places
        x = self.ln_post(self.transformer(x))
        rows: torch.Tensor = self.projection(join_patches(x, self.config.shuffle))
        return rows


def place_ids(patches: int) -> torch.Tensor:
    """The rows of the table of positions for a square of ``patches`` on a side.

    The original looks up where each patch lies as a fraction of the side, in float32: for some
    sides two neighbours get one position.
    """
    boundaries = torch.arange(1 / patches, 1.0, 1 / patches)
    fractions = torch.arange(patches, dtype=torch.float32) * (1.0 / torch.tensor(patches))
    at = torch.bucketize(fractions.clamp(max=1.0 - 1e-6), boundaries, right=True)
    return (at[:, None] * patches + at[None, :]).flatten()


def join_patches(x: torch.Tensor, shuffle: int) -> torch.Tensor:
    """(batch, patches, width) → (batch, rows, width · shuffle²), each row a square of patches."""
    batch, count, width = x.shape
    side = int(count**0.5) // shuffle
    squares = x.reshape(batch, side, shuffle, side, shuffle * width).transpose(2, 3)
    return squares.reshape(batch, side * side, shuffle * shuffle * width)


def load_picture_tower(source: TensorSource) -> PictureTower:
    """The encoder with these weights, in evaluation mode. Raises ``ConversionFailed``."""
    config: Any = source.config.pictures
    with torch.device("meta"):
        tower = PictureTower(config, source.config.hidden)
    names = picture_shapes(config, source.config.hidden)
    read = {name: torch.from_numpy(read_finite(source, name)) for name in names}
    state = {PROJECTION: read.pop(CONNECTOR)}
    renamed = rename_tensors({name.removeprefix("model."): read[name] for name in read})
    state |= {name.removeprefix(OURS): value for name, value in renamed.items()}
    tower.load_state_dict(state, assign=True)
    return tower.eval()
