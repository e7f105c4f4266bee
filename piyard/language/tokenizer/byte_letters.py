"""GPT-2's letters for bytes: printable Latin-1 stands for itself, the others follow at U+0100."""

from __future__ import annotations

PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
LETTER_OF_BYTE = dict(zip(PRINTABLE, map(chr, PRINTABLE), strict=True)) | {
    byte: chr(0x100 + number) for number, byte in enumerate(OTHERS)
}
BYTE_OF_LETTER = {letter: byte for byte, letter in LETTER_OF_BYTE.items()}


def bytes_of(text: str) -> bytes | None:
    """The bytes that the letters stand for; None where one stands for none."""
    try:
        return bytes(map(BYTE_OF_LETTER.__getitem__, text))
    except KeyError:
        return None
