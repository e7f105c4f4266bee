"""What stands before a decoder that is asked about pictures: SmolVLM's encoder and connector.

SigLIP encodes a square picture patch by patch; the connector joins squares of patches (Shi et al.
2016, "pixel shuffle", backwards) and projects each to one row of embeddings, as if it were a token.
A picture is one square, the whole of it: it is not cut into tiles beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from piyard.core.config import Config
from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject, JsonValues
from piyard.vision.schema import Stretch

PICTURE_FAMILIES = ("idefics3", "smolvlm")
"""Hugging Face's ``model_type`` of the two names that SmolVLM has."""
PROCESSOR_FILE = "preprocessor_config.json"
PICTURE_BEGIN, PICTURE_TOKEN, PICTURE_END = (
    "<fake_token_around_image><global-img>",
    "<image>",
    "<fake_token_around_image>",
)
"""What a prompt has where a picture is: the second one once for each of its rows."""

Side = Annotated[int, Meta(ge=1, le=4096)]
Width = Annotated[int, Meta(ge=1, le=1 << 16)]
Layers = Annotated[int, Meta(ge=1, le=256)]


class PictureConfig(Config):
    """The sizes of the encoder and of the connector, and what a picture is made into."""

    side: Side
    """Of the square that is encoded, in pixels."""
    patch: Side
    """Of a patch, in pixels."""
    width: Width
    """Features of a patch."""
    layers: Layers
    heads: Layers
    feed_forward: Width
    shuffle: Annotated[int, Meta(ge=1, le=64)]
    """Patches along a side of those that the connector joins."""
    token: Annotated[int, Meta(ge=0, le=1 << 24)]
    """The id of ``PICTURE_TOKEN``."""
    preprocess: Stretch
    norm_eps: Annotated[float, Meta(gt=0, le=1)] = 1e-6

    def __post_init__(self) -> None:
        if self.side % self.patch or self.patches % self.shuffle:
            raise ValueError(
                f"{self.side} pixels are not a whole number of {self.shuffle} x {self.shuffle} "
                f"patches of {self.patch}"
            )
        if self.width % self.heads:
            raise ValueError(f"{self.width} features are not a whole number for each of the heads")

    @property
    def patches(self) -> int:
        """Along a side."""
        return self.side // self.patch

    @property
    def rows(self) -> int:
        """Of embeddings that a picture becomes."""
        return (self.patches // self.shuffle) ** 2

    @property
    def joined(self) -> int:
        """Features that the connector makes a row of."""
        return self.width * self.shuffle**2

    def params(self, hidden: int) -> int:
        """Parameters of encoder and connector, whose rows have that width."""
        attention = 4 * self.width * (self.width + 1)
        feed_forward = 2 * self.width * self.feed_forward + self.feed_forward + self.width
        block = attention + feed_forward + 4 * self.width
        begin = self.width * (3 * self.patch**2 + 1 + self.patches**2)
        return self.layers * block + begin + 2 * self.width + self.joined * hidden

    @property
    def text(self) -> str:
        """A prompt's where the picture is."""
        return PICTURE_BEGIN + PICTURE_TOKEN * self.rows + PICTURE_END

    @property
    def input(self) -> tuple[int, int, int]:
        """Of the encoder: channels, rows, columns."""
        return 3, self.side, self.side


def text_values(values: JsonValues, file: Path) -> JsonObject:
    """What of a ``config.json`` describes the decoder. Raises ``WrongInput``."""
    text = values.get("text_config")
    if not isinstance(text, dict):
        raise _refuse(file, "it has no `text_config`")
    return text | {"tie_word_embeddings": values.get("tie_word_embeddings", False)}


def read_picture_config(values: JsonValues, processor: JsonValues, file: Path) -> PictureConfig:
    """The same of the encoder, with a ``preprocessor_config.json`` beside. Raises ``WrongInput``.

    Where a key is missing, it is what transformers' Idefics3VisionConfig takes.
    """
    vision = values.get("vision_config")
    if not isinstance(vision, dict):
        raise _refuse(file, "it has no `vision_config`")
    activation = vision.get("hidden_act", "gelu_pytorch_tanh")
    if activation != "gelu_pytorch_tanh":
        raise _refuse(file, f"`hidden_act` {activation!r} of its encoder is not GELU by tanh")
    side = vision.get("image_size", 224)
    fields = {
        "side": side,
        "patch": vision.get("patch_size", 32),
        "width": vision.get("hidden_size", 1152),
        "layers": vision.get("num_hidden_layers", 12),
        "heads": vision.get("num_attention_heads", 16),
        "feed_forward": vision.get("intermediate_size", 3072),
        "norm_eps": vision.get("layer_norm_eps", 1e-6),
        "shuffle": values.get("scale_factor", 2),
        "token": values.get("image_token_id"),
        "preprocess": _read_processor(processor, side, file.with_name(PROCESSOR_FILE)),
    }
    try:
        return msgspec.convert(fields, PictureConfig)
    except msgspec.ValidationError as error:
        raise _refuse(file, f"its encoder of pictures: {error}") from None


RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers."""
TILES = 4
"""Times the square that a picture is first resized to, where the processor does not say it."""


def _read_processor(processor: JsonValues, side: Any, file: Path) -> JsonObject:
    """As transformers' Idefics3ImageProcessor takes one whole picture."""
    number = processor.get("resample", 1)
    if number not in RESAMPLES:
        raise _refuse(file, f"`resample` {number!r}: piyard has {', '.join(RESAMPLES.values())}")
    whole = _longest(processor.get("max_image_size"))
    if whole not in {None, side}:
        raise _refuse(file, f"`max_image_size` {whole} is not the encoder's {side}")
    fallback = TILES * side if isinstance(side, int) else None
    means, deviations = (processor.get(key, [0.5] * 3) for key in ("image_mean", "image_std"))
    try:
        return {
            "fit": "stretch",
            "order": "rgb",
            "mean": [255 * float(mean) for mean in means],
            "norm": [1 / (255 * float(deviation)) for deviation in deviations],
            "resample": RESAMPLES[number],
            "longest": _longest(processor.get("size")) or fallback,
        }
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise _refuse(file, f"`image_mean` and `image_std`: {error}") from None


def _longest(size: Any) -> Any:
    return size.get("longest_edge") if isinstance(size, dict) else None


def _refuse(file: Path, why: str) -> WrongInput:
    return WrongInput(f"{file}: {why}", remedy="piyard converts SmolVLM's and Idefics3's shape")
