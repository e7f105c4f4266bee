"""Tiny language models, and the files others would have written of them, byte by byte."""

import json
import struct
from pathlib import Path

import msgspec
import numpy as np

from piyard.language.config import TransformerConfig
from piyard.language.pictures import PictureConfig
from piyard.models.synthetic import random_tensor
from piyard.models.transformer_files import TEXT_PREFIX, all_shapes
from piyard.vision.schema import Stretch

TINY = TransformerConfig(
    family="llama",
    vocabulary=96,
    hidden=32,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=8,
    feed_forward=64,
    context=128,
    norm_eps=1e-5,
    tied=True,
    bos=1,
    eos=(2,),
)


TINY_PICTURES = PictureConfig(
    side=48,
    patch=8,
    width=32,
    layers=2,
    heads=4,
    feed_forward=64,
    shuffle=2,
    token=90,
    preprocess=Stretch(
        order="rgb", mean=(127.5,) * 3, norm=(1 / 127.5,) * 3, resample="lanczos", longest=192
    ),
)


def variant(**changes):
    return msgspec.structs.replace(TINY, **changes)


def tiny_weights(config=TINY):
    """Norms around 1, matrices small enough that nothing explodes; the same everywhere."""
    weights = {}
    for seed, (name, shape) in enumerate(all_shapes(config).items(), 11):
        values = random_tensor(shape, seed)
        weights[name] = 1 + values / 4 if len(shape) == 1 and "bias" not in name else values / 3
    return weights


def huggingface_json(config=TINY, **other):
    if config.pictures:
        return picture_json(config) | other
    keys = {
        "model_type": config.family,
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.feed_forward,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tied,
        "max_position_embeddings": config.context,
        "bos_token_id": config.bos,
        "eos_token_id": list(config.eos),
        "hidden_act": "silu",
    }
    return keys | other


def picture_json(config):
    """As Idefics3ForConditionalGeneration has it."""
    pictures = config.pictures
    return {
        "model_type": "idefics3",
        "image_token_id": pictures.token,
        "scale_factor": pictures.shuffle,
        "tie_word_embeddings": config.tied,
        "text_config": huggingface_json(msgspec.structs.replace(config, pictures=None)),
        "vision_config": {
            "model_type": "idefics3_vision",
            "image_size": pictures.side,
            "patch_size": pictures.patch,
            "hidden_size": pictures.width,
            "num_hidden_layers": pictures.layers,
            "num_attention_heads": pictures.heads,
            "intermediate_size": pictures.feed_forward,
        },
    }


def stored_name(name, config):
    """A decoder's tensors have another prefix where an encoder of pictures is beside."""
    if not config.pictures or name.startswith(("model.vision", "model.connector", "lm_head")):
        return name
    return TEXT_PREFIX + name.removeprefix("model.")


def write_safetensors(path, tensors):
    entries, content = {}, b""
    for name, values in tensors.items():
        raw = np.asarray(values, "<f4").tobytes()
        entries[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [len(content), len(content) + len(raw)],
        }
        content += raw
    text = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def write_folder(folder, config=TINY, weights=None, *, shards=1, **other):
    """As ``save_pretrained`` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(huggingface_json(config, **other)))
    weights = tiny_weights(config) if weights is None else weights
    weights = {stored_name(name, config): values for name, values in weights.items()}
    if shards == 1:
        write_safetensors(folder / "model.safetensors", weights)
        return folder
    names = list(weights)
    placed = {name: f"model-{number % shards}.safetensors" for number, name in enumerate(names)}
    for file in set(placed.values()):
        held = {name: weights[name] for name in names if placed[name] == file}
        write_safetensors(folder / file, held)
    index = json.dumps({"metadata": {}, "weight_map": placed})
    (folder / "model.safetensors.index.json").write_text(index)
    return folder


GGUF_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
GGUF_TABLES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def gguf_name(name):
    if name in GGUF_TABLES:
        return GGUF_TABLES[name]
    _, _, layer, part = name.split(".", 3)
    stem, _, kind = part.rpartition(".")
    return f"blk.{layer}.{GGUF_PARTS[stem]}.{kind}"


def paired(values, heads):
    """Halves of each head as neighbouring pairs, as llama.cpp's converter permutes Llama's."""
    rest = values.shape[1:]
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *rest)
    return halves.swapaxes(1, 2).reshape(values.shape)


def gguf_tensors(config=TINY, weights=None):
    heads = {"q_proj": config.heads, "k_proj": config.kv_heads}
    tensors = {}
    for name, values in (weights or tiny_weights(config)).items():
        part = name.split(".")[-2]
        turned = config.family == "llama" and part in heads
        tensors[gguf_name(name)] = paired(values, heads[part]) if turned else values
    return tensors


def gguf_metadata(config=TINY):
    name = config.family
    return {
        "general.architecture": name,
        f"{name}.block_count": config.layers,
        f"{name}.context_length": config.context,
        f"{name}.embedding_length": config.hidden,
        f"{name}.feed_forward_length": config.feed_forward,
        f"{name}.attention.head_count": config.heads,
        f"{name}.attention.head_count_kv": config.kv_heads,
        f"{name}.attention.key_length": config.head_dim,
        f"{name}.attention.layer_norm_rms_epsilon": config.norm_eps,
        f"{name}.rope.freq_base": config.rope_theta,
        "tokenizer.ggml.bos_token_id": config.bos,
        "tokenizer.ggml.eos_token_id": config.eos[0],
    }


def _gguf_text(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _gguf_value(value):
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _gguf_text(value)
    items = b"".join(map(_gguf_text, value))
    return struct.pack("<IIQ", 9, 8, len(value)) + items


def gguf_bytes(metadata, tensors, *, version=3, alignment=32):
    """A file with tensors of float32, or ``(type, shape, bytes)``."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _gguf_text(key) + _gguf_value(value)
    content = b""
    for name, values in tensors.items():
        raw = values if isinstance(values, tuple) else (0, values.shape, values.tobytes())
        code, shape, stored = raw
        content += bytes(-len(content) % alignment)
        sides = b"".join(struct.pack("<Q", side) for side in reversed(shape))
        head += _gguf_text(name) + struct.pack("<I", len(shape)) + sides
        head += struct.pack("<IQ", code, len(content))
        content += stored
    return head + bytes(-len(head) % alignment) + content


def write_gguf(path, config=TINY, weights=None):
    path.write_bytes(gguf_bytes(gguf_metadata(config), gguf_tensors(config, weights)))
    return path


def write_llama2c(path, config=TINY, weights=None):
    """llama2.c's version 0."""
    weights = weights or tiny_weights(config)
    sizes = (config.hidden, config.feed_forward, config.layers, config.heads, config.kv_heads)
    sign = 1 if config.tied else -1
    content = struct.pack("<7i", *sizes, sign * config.vocabulary, config.context)
    order = [
        *("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        *("self_attn.o_proj", "post_attention_layernorm"),
        *("mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"),
    ]
    heads = {"self_attn.q_proj": config.heads, "self_attn.k_proj": config.kv_heads}
    content += weights["model.embed_tokens.weight"].tobytes()
    for part in order:
        for layer in range(config.layers):
            values = weights[f"model.layers.{layer}.{part}.weight"]
            content += (paired(values, heads[part]) if part in heads else values).tobytes()
    content += weights["model.norm.weight"].tobytes()
    content += bytes(4 * config.context * config.head_dim)
    content += b"" if config.tied else weights["lm_head.weight"].tobytes()
    Path(path).write_bytes(content)
    return path
