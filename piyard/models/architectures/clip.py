"""Pairs of encoders that put pictures and texts into one space: CLIP, TinyCLIP and SigLIP.

Tensors are named as OpenAI's checkpoints name them (``clip_names.py`` renames those of Hugging
Face), and every module has the batch in front: pnnx takes the first axis for the batch, and
a net that swaps it away becomes NaN without a word.

The text encoder takes embedded tokens, (tokens, width) with their positions added, since a table of
50,000 rows is looked up and not computed. Its answer is that for the last token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from piyard.language.clip_tokens import MASKED
from piyard.models.architectures.clip_blocks import (
    Attention,
    GeluKind,
    Mlp,
    TowerConfig,
    Transformer,
    attend,
)
from piyard.models.architectures.clip_names import rename_tensors
from piyard.models.architectures.clip_resnet import ResNetEncoder


class ImageConfig(NamedTuple):
    """An encoder of pictures."""

    tower: TowerConfig
    side: int
    """Of the input, in pixels."""
    patch: int


class TextConfig(NamedTuple):
    """An encoder of texts."""

    tower: TowerConfig
    vocabulary: int
    context: int
    """The most tokens."""


class ClipConfig(NamedTuple):
    """Both encoders; ``image`` is None where it is ResNet-50."""

    embed: int
    """Length of an embedding."""
    image: ImageConfig | None
    text: TextConfig
    is_siglip: bool = False
    """Without a token for the class, without a mask, and each pair judged for itself."""


def _clip_text(width: int, heads: int, layers: int, gelu: GeluKind = "quick") -> TextConfig:
    tower = TowerConfig(width=width, layers=layers, heads=heads, gelu=gelu)
    return TextConfig(tower=tower, vocabulary=49408, context=77)


def _vit(  # the figures of a table
    width: int, layers: int, heads: int, patch: int, gelu: GeluKind = "quick", eps: float = 1e-5
) -> ImageConfig:
    tower = TowerConfig(width=width, layers=layers, heads=heads, gelu=gelu, eps=eps)
    return ImageConfig(tower=tower, side=224, patch=patch)


CONFIGS: dict[str, ClipConfig] = {
    "clip-vit-b32": ClipConfig(512, _vit(768, 12, 12, 32), _clip_text(512, 8, 12)),
    "openclip-vit-b32": ClipConfig(
        512, _vit(768, 12, 12, 32, "erf"), _clip_text(512, 8, 12, "erf")
    ),
    "clip-rn50": ClipConfig(1024, None, _clip_text(512, 8, 12)),
    "tinyclip-vit-8m-16-text-3m": ClipConfig(
        512, _vit(256, 10, 4, 16, "erf"), _clip_text(256, 4, 3, "erf")
    ),
    "siglip-base-patch16-224": ClipConfig(
        768,
        _vit(768, 12, 12, 16, "tanh", 1e-6),
        TextConfig(TowerConfig(768, 12, 12, "tanh", 1e-6), vocabulary=32000, context=64),
        is_siglip=True,
    ),
}
"""Network → its figures: OpenAI's, open_clip's and Hugging Face's config files."""


def build_clip(name: str) -> ClipNetwork:
    """The network of that name."""
    return ClipNetwork(CONFIGS[name])


class VisionTransformer(nn.Module):
    """Picture → embedding, by the token of the class."""

    def __init__(self, config: ImageConfig, embed: int) -> None:
        super().__init__()
        width, side = config.tower.width, config.side // config.patch
        self.config = config
        self.conv1 = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(side * side + 1, width))
        self.ln_pre = nn.LayerNorm(width, eps=config.tower.eps)
        self.transformer = Transformer(config.tower)
        self.ln_post = nn.LayerNorm(width, eps=config.tower.eps)
        self.proj = nn.Parameter(torch.zeros(width, embed))

    def draw(self, generator: torch.Generator) -> None:
        """Positions and the projection."""
        for values in (self.class_embedding, self.positional_embedding):
            nn.init.normal_(values, std=0.5, generator=generator)
        nn.init.normal_(self.proj, std=self.proj.shape[0] ** -0.5, generator=generator)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, side, side) → (batch, embed)."""
        x = self.conv1(pictures).flatten(2).transpose(1, 2)
        # The class comes first: its row is padded, and its token added with the positions.
        first = functional.pad(self.class_embedding[None], (0, 0, 0, x.shape[1]))
        x = self.ln_pre(functional.pad(x, (0, 0, 1, 0)) + (self.positional_embedding + first))
        x = self.ln_post(self.transformer(x)[:, 0])
        return functional.linear(x, self.proj.t())


class PoolingHead(nn.Module):
    """SigLIP's: a learnt probe looks at all patches."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.zeros(1, 1, config.width))
        self.attention = Attention(config.width, config.heads)
        self.layernorm = nn.LayerNorm(config.width, eps=config.eps)
        self.mlp = Mlp(config)

    def draw(self, generator: torch.Generator) -> None:
        """The probe."""
        nn.init.normal_(self.probe, generator=generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width) → (batch, width)."""
        at, width = self.attention, self.attention.width
        weight, bias = at.in_proj_weight, at.in_proj_bias
        query = functional.linear(self.probe, weight[:width], bias[:width])
        k, v = functional.linear(x, weight[width:], bias[width:]).chunk(2, dim=-1)
        if len(x) > 1:  # a net has one picture, and the probe is a constant there
            query = query.expand(len(x), -1, -1)
        seen = at.out_proj(attend(query, k, v, at.heads))
        pooled: torch.Tensor = (seen + self.mlp(self.layernorm(seen)))[:, 0]
        return pooled


class SiglipVision(nn.Module):
    """Picture → embedding, by a pooling head."""

    def __init__(self, config: ImageConfig) -> None:
        super().__init__()
        width, side = config.tower.width, config.side // config.patch
        self.config = config
        self.conv1 = nn.Conv2d(3, width, config.patch, stride=config.patch)
        self.positional_embedding = nn.Parameter(torch.zeros(side * side, width))
        self.transformer = Transformer(config.tower)
        self.ln_post = nn.LayerNorm(width, eps=config.tower.eps)
        self.head = PoolingHead(config.tower)

    def draw(self, generator: torch.Generator) -> None:
        """Positions."""
        nn.init.normal_(self.positional_embedding, std=0.5, generator=generator)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, side, side) → (batch, width)."""
        x = self.conv1(pictures).flatten(2).transpose(1, 2)
        x = self.transformer(x + self.positional_embedding)
        embedded: torch.Tensor = self.head(self.ln_post(x))
        return embedded


class TextEncoder(nn.Module):
    """Embedded tokens → an embedding at each; the last one's is the text's."""

    def __init__(self, network: ClipNetwork) -> None:
        super().__init__()
        self.transformer, self.ln_final = network.transformer, network.ln_final
        self.projection = network.text_projection
        self.bias = network.text_projection_bias

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, tokens, width), and what is added to scores, → (batch, tokens, embed)."""
        x = self.ln_final(self.transformer(x, mask))
        return functional.linear(x, self.projection.t(), self.bias)


class ClipNetwork(nn.Module):
    """Both encoders."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        text = config.text
        self.visual = _build_visual(config)
        self.token_embedding = nn.Embedding(text.vocabulary, text.tower.width)
        self.positional_embedding = nn.Parameter(torch.zeros(text.context, text.tower.width))
        self.transformer = Transformer(text.tower)
        self.ln_final = nn.LayerNorm(text.tower.width, eps=text.tower.eps)
        self.text_projection = nn.Parameter(torch.zeros(text.tower.width, config.embed))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        bias = nn.Parameter(torch.zeros(config.embed)) if config.is_siglip else None
        self.text_projection_bias = bias
        self.logit_bias = nn.Parameter(torch.tensor(-10.0)) if config.is_siglip else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a picture."""
        side = self.config.image.side if self.config.image else 224
        return 3, side, side

    def rename(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A checkpoint's tensors under the names here."""
        return rename_tensors(state)

    def draw(self, generator: torch.Generator) -> None:
        """What is no layer's; the scale stays as training begins with it."""
        nn.init.normal_(self.token_embedding.weight, std=0.5, generator=generator)
        nn.init.normal_(self.positional_embedding, std=0.1, generator=generator)
        width = self.config.text.tower.width
        nn.init.normal_(self.text_projection, std=width**-0.5, generator=generator)

    @property
    def text_encoder(self) -> TextEncoder:
        """The same modules, as they are converted."""
        return TextEncoder(self).eval()

    @property
    def has_mask(self) -> bool:
        """Whether a token sees only those before it."""
        return not self.config.is_siglip

    def embed_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, tokens) of ids → (batch, tokens, width), with positions."""
        embedded: torch.Tensor = self.token_embedding(tokens)
        return embedded + self.positional_embedding[: tokens.shape[1]]

    def encode_text(self, tokens: Sequence[int]) -> torch.Tensor:
        """(embed): of a text that ends with its last token."""
        x = self.embed_tokens(torch.tensor([list(tokens)]))
        masks = [causal_mask(len(tokens))] if self.has_mask else []
        embedded: torch.Tensor = self.text_encoder(x, *masks)[0, -1]
        return embedded

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, side, side) → (batch, embed)."""
        embedded: torch.Tensor = self.visual(pictures)
        return embedded

    def fit(self, pictures: torch.Tensor) -> None:
        """Compute all there is, so that random weights can be fitted to what they meet."""
        self.visual(pictures)
        context, vocabulary = self.config.text.context, self.config.text.vocabulary
        tokens = (torch.arange(4 * context) * 7919 % vocabulary).reshape(4, context)
        x = self.embed_tokens(tokens)
        masks = [causal_mask(context).to(x.dtype)] if self.has_mask else []
        self.text_encoder(x, *masks)


def causal_mask(tokens: int) -> torch.Tensor:
    """(1, tokens, tokens) added to scores: a token sees itself and those before it."""
    return torch.full((1, tokens, tokens), MASKED).triu(1)


def _build_visual(config: ClipConfig) -> Any:
    if config.image is None:
        return ResNetEncoder(config.embed)
    if config.is_siglip:
        return SiglipVision(config.image)
    return VisionTransformer(config.image, config.embed)
