"""The tokens of a BPE model: their bytes, the table that finds them, and what merges with what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntFlag

import numpy as np

from piyard.language.tokenizer.byte_letters import LETTER_OF_BYTE, bytes_of
from piyard.language.tokenizer.decoding import Decoder
from piyard.language.tokenizer.definition import AddedToken, Bpe
from piyard.language.tokenizer.flat_file import FlatFile, Section
from piyard.language.tokenizer.hashing import hash_pairs, hash_texts, make_buckets

MAX_TOKENS = 1 << 22
MAX_TOKEN_BYTES = 1 << 12


class TokenFlag(IntFlag):
    """nnrun: runner/src/text/vocabulary.h."""

    PRESENT = 1
    SPECIAL = 2
    BYTE = 4
    """It stands for a byte."""
    ADDED = 8
    SINGLE_WORD = 16
    STRIPS_LEFT = 32
    STRIPS_RIGHT = 64


class UnknownVocabulary(ValueError):
    """What of the vocabulary cannot be."""


def check_ids(vocab: dict[str, int], added: Sequence[AddedToken]) -> int:
    """How many ids there are: the largest, and one."""
    ids = [*vocab.values(), *(token.id for token in added)]
    if not ids:
        raise UnknownVocabulary("it has no tokens")
    if min(ids) < 0 or max(ids) >= MAX_TOKENS:
        raise UnknownVocabulary(f"ids from {min(ids)} to {max(ids)}")
    if len(set(vocab.values())) != len(vocab):
        raise UnknownVocabulary("two tokens of one id")
    contents = dict(vocab)
    for token in added:
        if contents.setdefault(token.content, token.id) != token.id:
            raise UnknownVocabulary(f"the added token {token.content!r} has two ids")
    longest = max(contents, key=len)
    if len(longest.encode()) > MAX_TOKEN_BYTES:
        raise UnknownVocabulary(f"a token of {len(longest.encode())} bytes")
    return max(ids) + 1


def add_tokens(
    file: FlatFile,
    vocab: dict[str, int],
    added: Sequence[AddedToken],
    shown: dict[int, str],
    decoder: Decoder,
    *,
    is_byte_level: bool,
) -> int:
    """Every token's text, piece and flags, and the table of texts; gives the number of ids.

    ``shown``: what the decoder gets of added tokens, where that is not what they are called.
    """
    count = check_ids(vocab, added)
    texts, pieces, flags = [b""] * count, [b""] * count, np.zeros(count, np.uint8)
    numbers: list[int] = []
    for content, number in vocab.items():
        content_bytes = bytes_of(content) if is_byte_level else content.encode()
        texts[number] = content.encode() if content_bytes is None else content_bytes
        if content_bytes:
            numbers.append(number)
    contents = {number: content for content, number in vocab.items()}
    contents |= {token.id: token.content for token in added} | shown
    for number, content in contents.items():
        pieces[number], is_byte = decoder.piece(content)
        flags[number] = TokenFlag.PRESENT | (TokenFlag.BYTE if is_byte else 0)
    for token in added:
        texts[token.id] = texts[token.id] or token.content.encode()
        flags[token.id] |= _flags_of(token)
    file.add_texts(Section.TEXT_OFFSETS, Section.TEXT_BYTES, texts)
    file.add_texts(Section.PIECE_OFFSETS, Section.PIECE_BYTES, pieces)
    file.add(Section.TOKEN_FLAGS, flags)
    buckets, order = make_buckets(hash_texts([texts[number] for number in numbers]))
    file.add(Section.TOKEN_BUCKETS, buckets)
    file.add(Section.TOKEN_IDS, np.array(numbers, np.uint32)[order])
    return count


def _flags_of(token: AddedToken) -> int:
    named = {
        TokenFlag.ADDED: True,
        TokenFlag.SPECIAL: token.special,
        TokenFlag.SINGLE_WORD: token.single_word,
        TokenFlag.STRIPS_LEFT: token.lstrip,
        TokenFlag.STRIPS_RIGHT: token.rstrip,
    }
    return sum(int(flag) for flag, is_set in named.items() if is_set)


def add_merges(file: FlatFile, model: Bpe) -> None:
    """Rows of (left, right, rank, what both become); of two for a pair the last counts."""
    rows = np.array(list({row[:2]: row for row in _merge_rows(model)}.values()), np.uint32)
    rows = rows.reshape(-1, 4)
    buckets, order = make_buckets(hash_pairs(rows[:, 0], rows[:, 1]))
    file.add(Section.MERGE_BUCKETS, buckets)
    file.add(Section.MERGES, rows[order])


def _merge_rows(model: Bpe) -> Iterator[tuple[int, int, int, int]]:
    vocab, prefix = model.vocab, len(model.continuing_subword_prefix or "")
    for rank, merge in enumerate(model.merges):
        pair = tuple(merge.split(" ")) if isinstance(merge, str) else merge
        if len(pair) != 2:
            raise UnknownVocabulary(f"merge {rank + 1} is {merge!r}, not two tokens")
        left, right = pair
        for token in (left, right, left + right[prefix:]):
            if token not in vocab:
                raise UnknownVocabulary(f"merge {rank + 1} needs the token {token!r}")
        yield vocab[left], vocab[right], rank, vocab[left + right[prefix:]]


def add_symbols(file: FlatFile, model: Bpe, *, is_byte_level: bool) -> None:
    """What a text begins as.

    Of bytes: four tables of 256 ids + 1, for a byte in a word, at its end, at its start, and one
    that is all of it.
    """
    if is_byte_level:
        suffix, prefix = model.end_of_word_suffix or "", model.continuing_subword_prefix or ""
        file.add(
            Section.SYMBOLS,
            [
                model.vocab.get(first + LETTER_OF_BYTE[byte] + last, -1) + 1
                for first, last in ((prefix, ""), (prefix, suffix), ("", ""), ("", suffix))
                for byte in range(256)
            ],
        )
    if model.byte_fallback:
        file.add(
            Section.FALLBACK, [model.vocab.get(f"<0x{byte:02X}>", -1) + 1 for byte in range(256)]
        )
