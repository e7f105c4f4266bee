"""CLIP's tokenizer from the file that OpenAI publishes, as the ``tokenizers`` package describes it.

``bpe_simple_vocab_16e6.txt.gz`` has a line for each merge after its first line, best first; only as
many count as bring the vocabulary to 49,408: 256 bytes, the same at the end of a word, the merges,
and two tokens for the start and the end of a text (openai/CLIP, clip/simple_tokenizer.py).

Without merges a text is bytes: what random weights get where the file is not here.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import ConversionFailed
from piyard.core.parsing import JsonObject

if TYPE_CHECKING:
    from tokenizers import Tokenizer


VOCABULARY = 49408
END_OF_WORD = "</w>"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
MERGES = VOCABULARY - 2 * 256 - len(SPECIAL)
PRINTABLE = (range(ord("!"), ord("~") + 1), range(ord("¡"), ord("¬") + 1), range(0xAE, 0x100))
"""Bytes that stand for themselves; the others are shown as characters from U+0100 on."""
MOST_BYTES = 64 << 20
"""Of a tokenizer, unpacked: Gemma's is 33 MB."""
GZIP_BEGINNING = b"\x1f\x8b"
PATTERN = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def read_tokenizer_json(file: Path) -> str:
    """The ``tokenizer.json`` that the file is, or that its merges mean; may be packed by gzip.

    Raises ``ConversionFailed``.
    """
    content = _unpack(file)
    if content.lstrip()[:1] == b"{":
        return _require_text(content, file)
    lines = _require_text(content, file).splitlines()[1 : MERGES + 1]
    pairs = [tuple(line.split()) for line in lines]
    if len(pairs) < MERGES or any(len(pair) != 2 for pair in pairs):
        raise _not_a_tokenizer(file)
    return make_tokenizer_json([(left, right) for left, right in pairs])


def make_tokenizer_json(merges: list[tuple[str, str]]) -> str:
    """The tokenizer with these merges of CLIP's, best first."""
    letters = byte_letters()
    words = [*letters, *(letter + END_OF_WORD for letter in letters)]
    words += [left + right for left, right in merges]
    ids = {word: number for number, word in enumerate(words)}
    ids |= {word: VOCABULARY - 2 + number for number, word in enumerate(SPECIAL)}
    normalizers = [
        {"type": "NFC"},
        {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
        {"type": "Lowercase"},
    ]
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Removed", "invert": True}
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    description: JsonObject = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split, {**byte_level, "add_prefix_space": False}],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": SPECIAL[1],
            "continuing_subword_prefix": "",
            "end_of_word_suffix": END_OF_WORD,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": ids,
            "merges": merges,
        },
    }
    return msgspec.json.encode(description).decode()


def byte_letters() -> list[str]:
    """The characters that stand for bytes, in the order of their tokens."""
    shown = [code for codes in PRINTABLE for code in codes]
    return [*map(chr, shown), *(chr(256 + number) for number in range(256 - len(shown)))]


def load_tokenizer(description: str, name: str) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``; raises ``ConversionFailed``."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(description)
    except Exception as error:  # noqa: BLE001  # the package raises Exception itself
        raise ConversionFailed(
            f"{name} is not a tokenizer.json that the tokenizers package reads",
            evidence=str(error)[:300],
            remedy="take the file that belongs to the weights",
        ) from None


def _unpack(file: Path) -> bytes:
    content = file.read_bytes()
    if not content.startswith(GZIP_BEGINNING):
        return content
    try:
        with gzip.open(file) as stream:
            unpacked = stream.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise _not_a_tokenizer(file) from None
    if len(unpacked) > MOST_BYTES:
        raise _not_a_tokenizer(file)
    return unpacked


def _require_text(content: bytes, file: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_a_tokenizer(file) from None


def _not_a_tokenizer(file: Path) -> ConversionFailed:
    return ConversionFailed(
        f"{file.name} is neither a tokenizer.json nor CLIP's list of merges, or is damaged",
        remedy="copy or download it again",
    )
