"""The tensors of an encoder of pictures before a decoder, by Hugging Face's names of SmolVLM."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.language.pictures import PictureConfig

    Shape = tuple[int, ...]


VISION_PREFIX = "model.vision_model."
CONNECTOR = "model.connector.modality_projection.proj.weight"


def picture_shapes(config: PictureConfig, hidden: int) -> dict[str, Shape]:
    """Name → shape; the connector's rows have ``hidden`` values."""
    width, begin = config.width, f"{VISION_PREFIX}embeddings."
    shapes: dict[str, Shape] = {
        f"{begin}patch_embedding.weight": (width, 3, config.patch, config.patch),
        f"{begin}patch_embedding.bias": (width,),
        f"{begin}position_embedding.weight": (config.patches**2, width),
    }
    for layer in range(config.layers):
        names = _block_shapes(config).items()
        shapes |= {f"{VISION_PREFIX}encoder.layers.{layer}.{name}": shape for name, shape in names}
    shapes |= _pair(f"{VISION_PREFIX}post_layernorm", (width,), width)
    return shapes | {CONNECTOR: (hidden, config.joined)}


def _block_shapes(config: PictureConfig) -> dict[str, Shape]:
    width, inner = config.width, config.feed_forward
    shapes: dict[str, Shape] = {}
    for norm in ("layer_norm1", "layer_norm2"):
        shapes |= _pair(norm, (width,), width)
    for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes |= _pair(f"self_attn.{part}", (width, width), width)
    return (
        shapes | _pair("mlp.fc1", (inner, width), inner) | _pair("mlp.fc2", (width, inner), width)
    )


def _pair(name: str, shape: Shape, bias: int) -> dict[str, Shape]:
    return {f"{name}.weight": shape, f"{name}.bias": (bias,)}
