"""A GGUF file's metadata as a ``TransformerConfig``, and its tensors by Hugging Face's names."""

from __future__ import annotations

from typing import Any

from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject, JsonValues
from piyard.language.config import (
    FAMILIES,
    TransformerConfig,
    build_config,
    unknown_family,
)
from piyard.language.gguf_file import GgufFile

FACTORS_TENSOR = "rope_freqs.weight"
"""What each rotary frequency is divided by; llama.cpp's converter writes Llama 3.1's so."""
FORBIDDEN_KEYS = {
    "expert_count": "mixtures of experts",
    "attention.sliding_window": "a sliding window",
    "attn_logit_softcapping": "capped attention",
    "final_logit_softcapping": "capped logits",
}
TENSOR_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Within ``blk.N`` and within ``model.layers.N``."""


SIZE_KEYS = (
    *("embedding_length", "block_count", "attention.head_count", "feed_forward_length"),
    "context_length",
)
"""Without which no decoder can be built."""


def gguf_config(file: GgufFile) -> TransformerConfig:
    """The decoder that the file holds. Raises ``WrongInput`` for what piyard does not compute."""
    family = file.metadata.get("general.architecture")
    if family not in FAMILIES:
        raise _refuse(file, f"architecture {unknown_family(family)}")
    values = _architecture_values(file.metadata, f"{family}.")
    if missing := [key for key in SIZE_KEYS if values.get(key) is None]:
        raise _refuse(file, f"its metadata lacks `{family}.{missing[0]}`")
    for key, what in FORBIDDEN_KEYS.items():
        if values.get(key):
            raise _refuse(file, f"`{family}.{key}` asks for {what}, which piyard does not compute")
    heads, hidden = values.get("attention.head_count"), values.get("embedding_length")
    share = hidden // heads if isinstance(heads, int) and isinstance(hidden, int) and heads else 0
    head_dim = values.get("attention.key_length", share)
    if values.get("rope.dimension_count", head_dim) != head_dim:
        raise _refuse(file, "its heads are turned in part, which piyard does not compute")
    fields = {
        "family": family,
        "vocabulary": _row_count(file, "token_embd.weight"),
        "hidden": hidden,
        "layers": values.get("block_count"),
        "heads": heads,
        "kv_heads": values.get("attention.head_count_kv", heads),
        "head_dim": head_dim,
        "feed_forward": values.get("feed_forward_length"),
        "norm_eps": _shortest(values.get("attention.layer_norm_rms_epsilon", 1e-6)),
        "rope_theta": _shortest(values.get("rope.freq_base", 10_000.0)),
        "rope_factors": _rope_factors(file, values, head_dim),
        "qkv_bias": "blk.0.attn_q.bias" in file.tensors,
        "qk_norm": "blk.0.attn_q_norm.weight" in file.tensors,
        "tied": "output.weight" not in file.tensors,
        "context": values.get("context_length"),
        "bos": file.metadata.get("tokenizer.ggml.bos_token_id"),
        "eos": _ending_tokens(file.metadata),
    }
    return build_config(fields, file.path)


def huggingface_name(name: str) -> str:
    """What Hugging Face calls a tensor of a GGUF file; empty for one that no network has."""
    stem, _, kind = name.rpartition(".")
    if stem in TENSOR_NAMES:
        return f"{TENSOR_NAMES[stem]}.{kind}"
    block, _, part = stem.removeprefix("blk.").partition(".")
    if stem.startswith("blk.") and block.isdecimal() and part in BLOCK_NAMES:
        return f"model.layers.{int(block)}.{BLOCK_NAMES[part]}.{kind}"
    return ""


def _architecture_values(metadata: JsonValues, prefix: str) -> JsonObject:
    return {
        key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)
    }


def _shortest(value: Any) -> Any:
    """1e-05, where a float32 of it would show as 9.999999747378752e-06."""
    import numpy as np

    return float(str(np.float32(value))) if isinstance(value, float) else value


def _row_count(file: GgufFile, name: str) -> int | None:
    return file.tensors[name].shape[0] if name in file.tensors else None


def _rope_factors(file: GgufFile, values: JsonValues, head_dim: Any) -> tuple[float, ...]:
    kind = values.get("rope.scaling.type", "none")
    if FACTORS_TENSOR in file.tensors:
        return tuple(map(float, file.read(FACTORS_TENSOR).reshape(-1)))
    if kind == "none":
        return ()
    factor = values.get("rope.scaling.factor")
    if kind == "linear" and isinstance(factor, float) and isinstance(head_dim, int):
        return (factor,) * (head_dim // 2)
    raise _refuse(file, f"rotary scaling {kind!r}: piyard computes none, linear and llama3")


def _ending_tokens(metadata: JsonValues) -> list[Any]:
    """The end of the text, and of a turn where the file tells the two apart."""
    keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    return list(dict.fromkeys(metadata[key] for key in keys if key in metadata))


def _refuse(file: GgufFile, why: str) -> WrongInput:
    return WrongInput(
        f"{file.path}: {why}",
        remedy="piyard converts Llama, SmolLM2, Qwen2, Qwen2.5 and Qwen3 decoders",
    )
