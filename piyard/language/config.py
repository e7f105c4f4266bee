"""What a decoder-only transformer is built of: one struct, whichever file says so.

Read from Hugging Face's ``config.json`` here, from a GGUF file's metadata in ``gguf_config``, from
llama2.c's header in ``models/llama2c``. Llama, SmolLM2, Qwen2, Qwen2.5 and Qwen3 are of one shape:
RMSNorm, grouped queries with rotary positions, a gated feed-forward with SiLU. Whatever else a
file asks for is refused by name, because leaving it out would compute something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from piyard.core.config import Config
from piyard.core.errors import WrongInput, did_you_mean
from piyard.core.parsing import JsonObject, JsonValues
from piyard.language.pictures import (
    PICTURE_FAMILIES,
    PROCESSOR_FILE,
    PictureConfig,
    read_picture_config,
    text_values,
)

CONFIG_FILE = "config.json"
MAX_CONFIG_BYTES = 1_000_000

Width = Annotated[int, Meta(ge=1, le=1 << 20)]
Layers = Annotated[int, Meta(ge=1, le=1024)]
Heads = Annotated[int, Meta(ge=1, le=1024)]
Positions = Annotated[int, Meta(ge=1, le=1 << 24)]
Positive = Annotated[float, Meta(gt=0, le=1e12)]
TokenId = Annotated[int, Meta(ge=0, le=1 << 24)]


class TransformerConfig(Config):
    """The sizes of a decoder and the choices its block leaves open."""

    family: str
    """Hugging Face's ``model_type``: ``llama``, ``qwen2`` or ``qwen3``."""
    vocabulary: Width
    hidden: Width
    """Features of a token between blocks."""
    layers: Layers
    heads: Heads
    kv_heads: Heads
    head_dim: Annotated[int, Meta(ge=2, le=4096)]
    feed_forward: Width
    """Features between the two halves of the feed-forward."""
    context: Positions
    """Positions it was trained for."""
    norm_eps: Positive = 1e-6
    rope_theta: Positive = 10_000.0
    rope_factors: tuple[Positive, ...] = ()
    """What each of the ``head_dim / 2`` rotary frequencies is divided by; none: 1."""
    qkv_bias: bool = False
    qk_norm: bool = False
    """Whether each head's query and key are normalised before they are turned."""
    tied: bool = False
    """Whether the embedding is the output matrix too."""
    bos: TokenId | None = None
    eos: tuple[TokenId, ...] = ()
    """Tokens that end an answer."""
    pictures: PictureConfig | None = None
    """What encodes pictures for it, if anything does."""

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} keys evenly")
        if self.head_dim % 2:
            raise ValueError(f"a head of {self.head_dim} features cannot be turned in pairs")
        if len(self.rope_factors) not in {0, self.head_dim // 2}:
            raise ValueError(
                f"{len(self.rope_factors)} rotary factors for {self.head_dim // 2} frequencies"
            )
        if self.pictures and self.pictures.token >= self.vocabulary:
            raise ValueError(f"the picture's token {self.pictures.token} of {self.vocabulary}")

    @property
    def query_width(self) -> int:
        """Features of all queries of a token."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Features of all keys of a token, and of all its values."""
        return self.kv_heads * self.head_dim

    @property
    def block_params(self) -> int:
        """Parameters of one block."""
        attention = self.hidden * (2 * self.query_width + 2 * self.kv_width)
        biases = (self.query_width + 2 * self.kv_width) * self.qkv_bias
        norms = 2 * self.hidden + 2 * self.head_dim * self.qk_norm
        return attention + biases + norms + 3 * self.hidden * self.feed_forward

    @property
    def params(self) -> int:
        """Parameters of all of it; a tied embedding counts once."""
        tables = (1 if self.tied else 2) * self.vocabulary * self.hidden
        seen = self.pictures.params(self.hidden) if self.pictures else 0
        return self.layers * self.block_params + tables + self.hidden + seen

    def rope_frequencies(self) -> list[float]:
        """Radians a position by which each pair of features is turned, ``head_dim / 2`` of them.

        ``theta ** (-2 i / d)``, as in Su et al. 2021, "RoFormer", over the factors.
        """
        half = self.head_dim // 2
        factors = self.rope_factors or (1.0,) * half
        return [self.rope_theta ** (-i / half) / factors[i] for i in range(half)]


def llama3_factors(
    theta: float, half: int, *, factor: float, low: float, high: float, original: int
) -> tuple[float, ...]:
    """The factors of Llama 3.1 for ``half`` frequencies.

    Waves longer than ``original / low`` positions are stretched by ``factor``, those shorter than
    ``original / high`` stay, and between the two the frequency is interpolated (Hugging Face's
    ``rope_type: llama3``).
    """
    factors = []
    for i in range(half):
        turns = original * theta ** (-i / half) / (2 * math.pi)
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1 / ((1 - smooth) / factor + smooth))
    return tuple(factors)


def read_huggingface_config(path: Path) -> TransformerConfig:
    """The ``config.json`` of a folder, or that file. Raises ``WrongInput``."""
    file = path / CONFIG_FILE if path.is_dir() else path
    values = read_json(file)
    if values.get("model_type") not in PICTURE_FAMILIES:
        return huggingface_config(values, file)
    beside = file.with_name(PROCESSOR_FILE)
    pictures = read_picture_config(values, read_json(beside) if beside.is_file() else {}, file)
    fields = msgspec.structs.asdict(huggingface_config(text_values(values, file), file))
    return build_config(fields | {"pictures": msgspec.to_builtins(pictures)}, file)


def read_json(file: Path, limit: int = MAX_CONFIG_BYTES) -> JsonObject:
    """An object of a JSON file of at most so many bytes. Raises ``WrongInput``."""
    try:
        with file.open("rb") as stream:
            text = stream.read(limit + 1)
    except OSError as error:
        raise WrongInput(f"{file} cannot be read: {error.strerror}") from None
    if len(text) > limit:
        raise WrongInput(f"{file} is longer than {limit:,} bytes")
    try:
        return msgspec.json.decode(text, type=JsonObject)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WrongInput(f"{file} is no JSON object: {error}") from None


FAMILIES = ("llama", "qwen2", "qwen3")
GEMMA = "norms of 1 + w, some of them behind attention and feed-forward, and a gate with GELU"
OTHER_BLOCKS = {
    "gemma": "norms of 1 + w, and a gate with GELU",
    "gemma2": f"{GEMMA}, capped logits and sliding windows",
    "gemma3": f"{GEMMA}, sliding windows and two rotary bases",
    "gemma3_text": f"{GEMMA}, sliding windows and two rotary bases",
    "phi3": "queries, keys and values in one matrix",
    "gpt2": "learned positions and LayerNorm",
}
"""Families that people have, and what their blocks need that piyard's have not."""
FORBIDDEN_KEYS = {
    "num_local_experts": "mixtures of experts",
    "num_experts": "mixtures of experts",
    "kv_lora_rank": "latent attention",
    "partial_rotary_factor": "heads that are turned in part",
    "attn_logit_softcapping": "capped attention",
    "final_logit_softcapping": "capped logits",
    "vision_config": "pictures",
    "quantization_config": "weights quantised by others in safetensors",
}
"""Keys of a config.json that change what is computed, and what they stand for."""
HARMLESS_VALUES: tuple[Any, ...] = (None, False, 0, 1, 1.0, {}, [])


def huggingface_config(values: JsonValues, file: Path) -> TransformerConfig:
    """The same from the file's content. Raises ``WrongInput``."""
    family = values.get("model_type")
    if family not in FAMILIES:
        raise _refuse(file, f"`model_type` {unknown_family(family)}")
    for key, what in FORBIDDEN_KEYS.items():
        if values.get(key) not in HARMLESS_VALUES:
            raise _refuse(file, f"`{key}` asks for {what}, which piyard does not compute")
    _require_plain_block(values, file)
    heads, hidden = values.get("num_attention_heads"), values.get("hidden_size")
    fields = {
        "family": family,
        "vocabulary": values.get("vocab_size"),
        "hidden": hidden,
        "layers": values.get("num_hidden_layers"),
        "heads": heads,
        "kv_heads": values.get("num_key_value_heads") or heads,
        "head_dim": values.get("head_dim") or _share(hidden, heads),
        "feed_forward": values.get("intermediate_size"),
        "norm_eps": values.get("rms_norm_eps", 1e-6),
        "qkv_bias": family == "qwen2" or bool(values.get("attention_bias")),
        "qk_norm": family == "qwen3",
        "tied": bool(values.get("tie_word_embeddings", False)),
        "context": values.get("max_position_embeddings"),
        "bos": values.get("bos_token_id"),
        "eos": _list_tokens(values.get("eos_token_id")),
    }
    return build_config(fields | _rope_fields(values, fields, file), file)


def unknown_family(family: Any) -> str:
    """A family that piyard does not build: why not, or which one may be meant."""
    if why := OTHER_BLOCKS.get(str(family)):
        return f"{family!r} is none that piyard builds: its blocks have {why}"
    return f"{family!r} is none that piyard builds{did_you_mean(str(family), FAMILIES)}"


def build_config(fields: JsonValues, file: Path) -> TransformerConfig:
    """The struct of these values. Raises ``WrongInput`` that names the file and the value."""
    try:
        return msgspec.convert(dict(fields), TransformerConfig)
    except msgspec.ValidationError as error:
        raise _refuse(file, str(error)) from None


def _require_plain_block(values: JsonValues, file: Path) -> None:
    activation = values.get("hidden_act", "silu")
    if activation not in {"silu", "swish"}:
        raise _refuse(file, f"`hidden_act` {activation!r}: piyard computes SiLU only")
    if values.get("use_sliding_window") or "sliding_attention" in (values.get("layer_types") or ()):
        raise _refuse(file, "it attends to a sliding window, which piyard does not compute")
    if values.get("mlp_bias"):
        raise _refuse(file, "`mlp_bias`: piyard computes a feed-forward without biases only")
    if values.get("attention_bias") and values["model_type"] == "llama":
        # Llama's flag puts a bias on the output projection too, which Qwen2's has not.
        raise _refuse(file, "`attention_bias` of a Llama: piyard computes it without biases only")


def _share(hidden: Any, heads: Any) -> int | None:
    fits = isinstance(hidden, int) and isinstance(heads, int) and heads > 0
    return hidden // heads if fits else None


def _list_tokens(value: Any) -> Any:
    if value is None:
        return ()
    return value if isinstance(value, list) else [value]


def _rope_fields(values: JsonValues, fields: JsonValues, file: Path) -> JsonObject:
    """Theta and the factors: transformers 5 writes ``rope_parameters``, older ones two keys."""
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise _refuse(file, "`rope_scaling` is not an object")
    theta = rope.get("rope_theta") or values.get("rope_theta") or 10_000.0
    kind = rope.get("rope_type") or rope.get("type") or "default"
    half = (fields["head_dim"] or 0) // 2
    if kind == "default":
        return {"rope_theta": theta, "rope_factors": ()}
    try:
        if kind == "linear":
            return {"rope_theta": theta, "rope_factors": (float(rope["factor"]),) * half}
        if kind == "llama3":
            factors = llama3_factors(
                float(theta),
                half,
                factor=float(rope["factor"]),
                low=float(rope["low_freq_factor"]),
                high=float(rope["high_freq_factor"]),
                original=int(rope["original_max_position_embeddings"]),
            )
            return {"rope_theta": theta, "rope_factors": factors}
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise _refuse(file, f"`rope_scaling` of type {kind} is not whole: {error}") from None
    raise _refuse(file, f"`rope_scaling` {kind!r}: piyard computes default, linear and llama3")


def _refuse(file: Path, why: str) -> WrongInput:
    return WrongInput(
        f"{file}: {why}",
        remedy="piyard converts Llama, SmolLM2, Qwen2, Qwen2.5 and Qwen3 decoders, and SmolVLM",
    )
