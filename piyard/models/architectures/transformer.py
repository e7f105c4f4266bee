"""A decoder-only transformer in torch, with the parameter names of Hugging Face's Llama.

RMSNorm (Zhang and Sennrich 2019), grouped queries (Ainslie et al. 2023) with rotary positions (Su
et al. 2021) over two halves of a head, a feed-forward gated with SiLU (Shazeer 2020); Qwen2 adds
biases of queries, keys and values, Qwen3 a norm of each head instead. A block takes mask, cosines
and sines as inputs: so pnnx converts it for any number of tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from piyard.language.config import TransformerConfig

Tensor = torch.Tensor


class RmsNorm(nn.Module):
    """``x / sqrt(mean(x²) + eps) * weight`` over the last axis."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → the same."""
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class KeyValues:
    """Keys and values of the tokens so far, (1, kv heads, tokens, head)."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens."""
        return 0 if self.keys is None else self.keys.shape[2]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All of them, with those of new tokens."""
        self.keys = keys if self.keys is None else torch.cat([self.keys, keys], dim=2)
        self.values = values if self.values is None else torch.cat([self.values, values], dim=2)
        return self.keys, self.values


class SelfAttention(nn.Module):
    """Each token looks at those that the mask allows."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.head_dim = config.head_dim
        bias = config.qkv_bias
        self.q_proj = nn.Linear(config.hidden, config.query_width, bias=bias)
        self.k_proj = nn.Linear(config.hidden, config.kv_width, bias=bias)
        self.v_proj = nn.Linear(config.hidden, config.kv_width, bias=bias)
        self.o_proj = nn.Linear(config.query_width, config.hidden, bias=False)
        norm = config.qk_norm
        self.q_norm = RmsNorm(config.head_dim, config.norm_eps) if norm else nn.Identity()
        self.k_norm = RmsNorm(config.head_dim, config.norm_eps) if norm else nn.Identity()

    def forward(
        self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor, cache: KeyValues | None = None
    ) -> Tensor:
        """x (1, T, hidden), mask (T, S) to add, cos and sin (T, head) → (1, T, hidden)."""
        tokens = x.shape[1]
        queries = self.q_norm(self.q_proj(x).reshape(1, tokens, self.heads, self.head_dim))
        keys = self.k_norm(self.k_proj(x).reshape(1, tokens, self.kv_heads, self.head_dim))
        values = self.v_proj(x).reshape(1, tokens, self.kv_heads, self.head_dim).transpose(1, 2)
        queries = turn_pairs(queries.transpose(1, 2), cos, sin)
        keys = turn_pairs(keys.transpose(1, 2), cos, sin)
        if cache is not None:
            keys, values = cache.append(keys, values)
        attended = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, enable_gqa=True
        )
        joined = attended.transpose(1, 2).reshape(1, tokens, self.heads * self.head_dim)
        projected: Tensor = self.o_proj(joined)
        return projected


class FeedForward(nn.Module):
    """``down(SiLU(gate(x)) * up(x))``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.feed_forward, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.feed_forward, bias=False)
        self.down_proj = nn.Linear(config.feed_forward, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, hidden) → the same."""
        down: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return down


class DecoderBlock(nn.Module):
    """Attention and feed-forward, each added to what goes in."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden, config.norm_eps)
        self.self_attn = SelfAttention(config)
        self.post_attention_layernorm = RmsNorm(config.hidden, config.norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor, cache: KeyValues | None = None
    ) -> Tensor:
        """As ``SelfAttention``'s."""
        x = x + self.self_attn(self.input_layernorm(x), mask, cos, sin, cache)
        added: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return added


class Transformer(nn.Module):
    """Embedding, blocks and the last norm: Hugging Face's ``model``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = RmsNorm(config.hidden, config.norm_eps)


class Decoder(nn.Module):
    """Token ids → logits of the next token at each place."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Transformer(config)
        self.lm_head = nn.Linear(config.hidden, config.vocabulary, bias=False)
        if config.tied:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, ids: Tensor, caches: list[KeyValues] | None = None) -> Tensor:
        """ids (T) → (T, vocabulary); with caches, of the tokens behind those they hold."""
        return self.run_rows(self.model.embed_tokens(ids), caches)

    def run_rows(self, rows: Tensor, caches: list[KeyValues] | None = None) -> Tensor:
        """The same of embeddings (T, hidden), of which some may be a picture's."""
        begin = caches[0].length if caches else 0
        x = rows[None]
        mask, cos, sin = block_inputs(self.config, rows.shape[0], begin)
        for index, block in enumerate(self.model.layers):
            x = block(x, mask, cos, sin, caches[index] if caches else None)
        logits: Tensor = self.lm_head(self.model.norm(x))
        return logits[0]

    def new_caches(self) -> list[KeyValues]:
        """Empty ones, for each block."""
        return [KeyValues() for _ in range(self.config.layers)]


def turn_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: features i and i + d/2 of each head are turned by the token's angle."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def block_inputs(
    config: TransformerConfig, tokens: int, begin: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask (T, begin + T), cosines and sines (T, head) of tokens at places from ``begin``."""
    frequencies = torch.tensor(config.rope_frequencies(), dtype=torch.float32)
    places = torch.arange(begin, begin + tokens, dtype=torch.float32)
    angles = torch.outer(places, frequencies).repeat(1, 2)
    behind = torch.full((tokens, begin + tokens), -torch.inf).triu(begin + 1)
    return behind, angles.cos(), angles.sin()
