"""The encoder of texts beside one of pictures: its net, its table of tokens, its tokenizer.

The net (stem ``text``) takes embedded tokens, (tokens, width) with their positions added, and what
is added to attention's scores, unless each text is filled up; the last row of its output is the
text's embedding. The rows come from ``text.tokens``: a head of 64 bytes (``piyardEm``, then
version, vocabulary, context and width, 32 bits each, little-endian), a row of fp16 for each token,
and one for each position.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.lowering import ProgramWriter
from piyard.convert.param import TEXT_STEM
from piyard.convert.reference import ReferenceModel, ReferenceSize, TorchReference
from piyard.core.errors import ConversionFailed
from piyard.language.clip_tokens import MASKED, encode_text, fill_prompt
from piyard.language.clip_vocabulary import load_tokenizer
from piyard.models.definition import Model
from piyard.models.synthetic import random_tensor
from piyard.vision.schema import TextConfig

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


TABLE_FILE, TOKENIZER_FILE, FLAT_TOKENIZER_FILE = "text.tokens", "tokenizer.json", "tokenizer.bin"
TABLE_MARK, TABLE_VERSION = b"piyardEm", 1
TABLE_HEAD = 64
TEXT_FILES = (TABLE_FILE, FLAT_TOKENIZER_FILE)
"""What boards get beside the nets."""
SENTENCES_KIND = "sentences"
"""A kind of input: what they mean beside pictures is compared too."""
PROOF_LABELS = (
    *("dog", "cat", "bird", "snake", "fish", "insect", "car", "ship", "church", "piano"),
    *("bottle", "flower", "mountain", "loaf of bread", "person riding a horse", "red square"),
)
SHORT, LONG = 12, 20
"""Tokens that the net is lowered with: texts have any number."""
NOISE_SEEDS = (21, 22)


class TextFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What makes of cosines what the activation takes: ``scale`` times, plus ``bias``."""

    scale: float
    bias: float


class TextReference(TorchReference, frozen=True, kw_only=True):
    """The encoder of texts, and what is beside it."""

    network: Any
    """``clip.TextEncoder``."""
    whole: Any
    """``clip.ClipNetwork``."""
    config: TextConfig
    tokenizer: str
    """A tokenizer.json."""

    @property
    def figures(self) -> TextFigures:
        """As the weights have them."""
        bias = self.whole.logit_bias
        return TextFigures(
            scale=exp(float(self.whole.logit_scale)), bias=0.0 if bias is None else float(bias)
        )

    def table(self) -> tuple[Floats, Floats]:
        """Rows of tokens and of positions, as fp16 keeps them."""
        import numpy as np

        rows = self.whole.token_embedding.weight, self.whole.positional_embedding
        tokens, positions = (each.detach().numpy().astype(np.float16) for each in rows)
        if not (np.isfinite(tokens).all() and np.isfinite(positions).all()):
            raise ConversionFailed(
                "the embeddings of tokens are not finite in fp16",
                remedy="its weights hold NaN, or values beyond 65504: take another file",
            )
        return tokens.astype(np.float32), positions.astype(np.float32)

    def feed(self) -> dict[str, list[tuple[Floats, ...]]]:
        """What the net is proved on: sentences, and noise."""
        tokenizer = load_tokenizer(self.tokenizer, TOKENIZER_FILE)
        tokens, positions = self.table()
        texts = [fill_prompt(self.config.prompt, label) for label in PROOF_LABELS]
        ids = [encode_text(tokenizer, self.config, text) for text in texts]
        width = tokens.shape[1]
        noise = [random_tensor((self._count(LONG), width), seed) for seed in NOISE_SEEDS]
        return {
            SENTENCES_KIND: [text_inputs(tokens, positions, each, self.config) for each in ids],
            "noise": [with_mask(each, self.config) for each in noise],
        }

    def size(self) -> ReferenceSize | None:
        """The table of tokens counts too, which nothing is multiplied with."""
        size = TorchReference.size(self)
        rows = self.whole.token_embedding.weight, self.whole.positional_embedding
        return size and {**size, "params": size["params"] + sum(each.numel() for each in rows)}

    def save(self, at: Path) -> None:
        """The table and the tokenizer."""
        from piyard.language.tokenizer.compiling import compile_tokenizer

        tokens, positions = self.table()
        write_table(at / TABLE_FILE, tokens, positions)
        (at / TOKENIZER_FILE).write_text(self.tokenizer, encoding="utf-8")
        flat = compile_tokenizer(self.tokenizer.encode(), TOKENIZER_FILE)
        (at / FLAT_TOKENIZER_FILE).write_bytes(flat)

    def _count(self, tokens: int) -> int:
        return self.config.context if self.config.filled else min(tokens, self.config.context)


def text_reference(model: Model, whole: Any, tokenizer: str, write: ProgramWriter) -> TextReference:
    """The encoder of texts of that network. Raises ``ConversionFailed``."""
    config = _require_config(model)
    width = whole.config.text.tower.width
    counts = [config.context] if config.filled else [min(n, config.context) for n in (SHORT, LONG)]
    shapes: list[list[tuple[int, ...]]] = [
        [(count, width), *([] if config.filled else [(count, count)])] for count in counts
    ]
    return TextReference(
        network=whole.text_encoder,
        shapes=shapes[0],
        others=[] if config.filled else shapes[1],
        write=write,
        stem=TEXT_STEM,
        whole=whole,
        config=config,
        tokenizer=tokenizer,
    )


def text_inputs(
    tokens: Floats, positions: Floats, ids: Sequence[int], config: TextConfig
) -> tuple[Floats, ...]:
    """The net's inputs for these tokens, by a table's rows."""
    return with_mask(tokens[list(ids)] + positions[: len(ids)], config)


def with_mask(embedded: Floats, config: TextConfig) -> tuple[Floats, ...]:
    """The rows, and what keeps each token from those behind it."""
    import numpy as np

    if config.filled:
        return (embedded,)
    count = len(embedded)
    return embedded, np.triu(np.full((count, count), MASKED, np.float32), 1)


def find_text(nets: Mapping[str, ReferenceModel]) -> TextReference | None:
    """The encoder of texts among a model's nets."""
    net = nets.get(TEXT_STEM)
    return net if isinstance(net, TextReference) else None


def write_table(file: Path, tokens: Floats, positions: Floats) -> None:
    """The rows as fp16, behind a head."""
    sizes = (TABLE_VERSION, len(tokens), len(positions), tokens.shape[1])
    head = TABLE_MARK + struct.pack("<4I", *sizes)
    with file.open("wb") as stream:
        stream.write(head.ljust(TABLE_HEAD, b"\0"))
        for rows in (tokens, positions):
            stream.write(rows.astype("<f2").tobytes())


def read_table(file: Path) -> tuple[Floats, Floats]:
    """The rows of tokens and of positions, mapped; raises ``ConversionFailed`` for another file."""
    import numpy as np

    with file.open("rb") as stream:
        head = stream.read(TABLE_HEAD)
    version, vocabulary, context, width = struct.unpack_from("<4I", head.ljust(24, b"\0"), 8)
    rows = vocabulary + context
    whole = TABLE_HEAD + rows * width * 2
    if not head.startswith(TABLE_MARK) or version != TABLE_VERSION or file.stat().st_size != whole:
        raise ConversionFailed(f"{file.name} is not a table of tokens, or a part of one")
    values: Any = np.memmap(file, "<f2", "r", TABLE_HEAD, (rows, width))
    return values[:vocabulary], values[vocabulary:]


def _require_config(model: Model) -> TextConfig:
    if model.text is None:
        raise ConversionFailed(f"{model.title} has no `text`, which says how texts are encoded")
    return model.text
