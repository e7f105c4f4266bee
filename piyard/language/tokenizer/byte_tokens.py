"""A tokenizer for a vocabulary that nobody trained: bytes are its first 256 tokens.

What has random weights can read a prompt with it; the tokens behind the bytes have their numbers as
texts, so that an answer shows what was chosen.
"""

from __future__ import annotations

from piyard.core.parsing import JsonValues
from piyard.language.tokenizer.byte_letters import LETTER_OF_BYTE

BYTES = 256


def byte_tokens(vocabulary: int) -> JsonValues:
    """As the metadata of a GGUF file has it; of at least ``BYTES`` tokens."""
    letters = [LETTER_OF_BYTE[byte] for byte in range(BYTES)]
    numbers = [f"<{number}>" for number in range(BYTES, vocabulary)]
    values = {"model": "gpt2", "pre": "gpt-2", "tokens": letters + numbers}
    return {f"tokenizer.ggml.{key}": value for key, value in values.items()}
