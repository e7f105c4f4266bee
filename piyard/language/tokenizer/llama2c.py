"""The vocabulary of llama2.c (github.com/karpathy/llama2.c, tokenizer.py and run.c).

Little-endian: the bytes of the longest token (int32); for each token a score (float32), how many
bytes it has (int32), and these. Tokens 1 and 2 begin and end a text; 3 to 258 stand for a byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from piyard.core.errors import ConversionFailed
from piyard.language.tokenizer.gguf import BLANK, CONTROL, UNKNOWN, tokenizer_json

HEAD, ENTRY = struct.Struct("<i"), struct.Struct("<fi")
NORMAL, BYTE = 1, 6
FIRST_TOKENS = ("<unk>", "<s>", "</s>")
BYTES = range(3, 259)


def llama2c_json(data: bytes, name: str) -> bytes:
    """The ``tokenizer.json`` that means the same. Raises ``ConversionFailed`` for a broken file."""
    try:
        entries = list(_read_entries(data))
    except (struct.error, UnicodeDecodeError):
        entries = []
    if len(entries) <= BYTES.stop:
        raise ConversionFailed(
            f"{name} is not a readable vocabulary of llama2.c", remedy="copy or download it again"
        )
    tokens = [*FIRST_TOKENS, *(text.replace(" ", BLANK) for text, _ in entries[3:])]
    kinds = [UNKNOWN, CONTROL, CONTROL, *(BYTE for _ in BYTES)]
    metadata = {
        "model": "llama",
        "tokens": tokens,
        "scores": [score for _, score in entries],
        "token_type": kinds + [NORMAL] * (len(tokens) - len(kinds)),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unknown_token_id": 0,
    }
    return tokenizer_json({f"tokenizer.ggml.{key}": value for key, value in metadata.items()}, name)


def _read_entries(data: bytes) -> Iterator[tuple[str, float]]:
    at = HEAD.size
    while at < len(data):
        score, length = ENTRY.unpack_from(data, at)
        at += ENTRY.size + length
        text = data[at - length : at]
        if length < 0 or len(text) < length:
            raise struct.error
        yield text.decode(), score
