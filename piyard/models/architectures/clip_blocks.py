"""Blocks of transformers that see a whole picture or text, batch first.

Tensors are named as OpenAI's CLIP names them.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

GeluKind = Literal["quick", "erf", "tanh"]


class TowerConfig(NamedTuple):
    """A transformer."""

    width: int
    layers: int
    heads: int
    gelu: GeluKind = "quick"
    eps: float = 1e-5
    hidden: int = 0
    """Width within the feed-forward part; four times ``width`` where it is 0."""


class Attention(nn.Module):
    """Every token looks at those that the mask allows; names as torch's MultiheadAttention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def draw(self, generator: torch.Generator) -> None:
        """Weights under which no place looks at a single other one (see ``synthetic``)."""
        nn.init.normal_(self.in_proj_weight, std=self.width**-0.5, generator=generator)
        nn.init.normal_(self.in_proj_bias, std=0.02, generator=generator)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, tokens, width), and what is added to (tokens, tokens) scores, → the same."""
        q, k, v = functional.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        seen: torch.Tensor = self.out_proj(attend(q, k, v, self.heads, mask))
        return seen


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Scaled dot products of (batch, tokens, width), by heads."""
    split: Any = torch.unflatten  # torch has no type for it
    by_head = [split(each, -1, (heads, -1)).transpose(1, 2) for each in (q, k, v)]
    seen = functional.scaled_dot_product_attention(by_head[0], by_head[1], by_head[2], mask)
    return seen.transpose(1, 2).flatten(2)


class Mlp(nn.Module):
    """The feed-forward part."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        hidden = config.hidden or 4 * config.width
        self.gelu = config.gelu
        self.c_fc = nn.Linear(config.width, hidden)
        self.c_proj = nn.Linear(hidden, config.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, width) → the same."""
        y: torch.Tensor = self.c_proj(activate(self.c_fc(x), self.gelu))
        return y


def activate(x: torch.Tensor, kind: GeluKind) -> torch.Tensor:
    """GELU: exact, by tanh, or by a sigmoid as OpenAI's networks have it."""
    if kind == "quick":
        return x * torch.sigmoid(1.702 * x)
    return functional.gelu(x, approximate="tanh" if kind == "tanh" else "none")


class Block(nn.Module):
    """Attention and feed-forward, each behind its normalisation and beside what went in."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=config.eps)
        self.attn = Attention(config.width, config.heads)
        self.ln_2 = nn.LayerNorm(config.width, eps=config.eps)
        self.mlp = Mlp(config)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, tokens, width) → the same."""
        x = x + self.attn(self.ln_1(x), mask)
        y: torch.Tensor = x + self.mlp(self.ln_2(x))
        return y


class Transformer(nn.Module):
    """Blocks one after another."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, tokens, width) → the same."""
        for block in self.resblocks:
            x = block(x, mask)
        return x
