"""The tensors of published CLIP checkpoints under the names of ``architectures.clip``.

OpenAI's and open_clip's have those names. Hugging Face's (``text_model.…``, ``vision_model.…``)
keep query, key and value apart, and projections the other way round.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]


NOTES = frozenset({"input_resolution", "context_length", "vocab_size"})
"""Numbers that OpenAI's archives keep among the tensors."""
HUGGING_FACE = ("text_model.", "vision_model.")
LAYER = re.compile(r"(text|vision)_model\.encoder\.layers\.(\d+)\.(.+)")
LAYER_PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
PLAIN = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "text_model.head.bias": "text_projection_bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.patch_embedding.bias": "visual.conv1.bias",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
}
TURNED = {
    "text_projection.weight": "text_projection",
    "text_model.head.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
}
"""Matrices (outputs, inputs) → ours (inputs, outputs)."""
HEAD_PARTS = {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


def rename_tensors(state: State) -> State:
    """The tensors under our names; those of a file that has them already stay."""
    own = {name: value for name, value in state.items() if name not in NOTES}
    if not any(name.startswith(HUGGING_FACE) for name in own):
        return own
    renamed: State = {}
    for name, value in own.items():
        if name.endswith("position_ids"):
            continue
        if name in TURNED:
            renamed[TURNED[name]] = value.t().contiguous()
        else:
            renamed[_rename(name)] = value
    scalars = {name: renamed[name].reshape(()) for name in SCALARS if name in renamed}
    return _join_projections(renamed) | scalars


SCALARS = ("logit_scale", "logit_bias")


def _rename(name: str) -> str:
    if name in PLAIN:
        return PLAIN[name]
    if match := LAYER.fullmatch(name):
        tower, number, part = match.groups()
        prefix = "" if tower == "text" else "visual."
        return f"{prefix}transformer.resblocks.{number}.{_replace_start(part, LAYER_PARTS)}"
    if name.startswith("vision_model.head."):
        part = name.removeprefix("vision_model.head.")
        return f"visual.head.{_replace_start(part, HEAD_PARTS)}"
    return name


def _replace_start(part: str, by_start: dict[str, str]) -> str:
    for start, ours in by_start.items():
        if part.startswith(f"{start}."):
            return f"{ours}{part.removeprefix(start)}"
    return part


PROJECTION = re.compile(r"(.+\.)self_attn\.([qkv])_proj\.(weight|bias)")


def _join_projections(state: State) -> State:
    """Query, key and value in one tensor, in that order."""
    import torch

    parts: dict[str, dict[str, torch.Tensor]] = {}
    joined: State = {}
    for name, value in state.items():
        if match := PROJECTION.fullmatch(name):
            block, letter, kind = match.groups()
            parts.setdefault(f"{block}attn.in_proj_{kind}", {})[letter] = value
        else:
            joined[name] = value
    for name, by_letter in parts.items():
        if len(by_letter) == len("qkv"):
            joined[name] = torch.cat([by_letter[letter] for letter in "qkv"])
    return joined
