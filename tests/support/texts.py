# ruff: noqa: RUF001 - letters that look like others are what is tested
"""Lines that tokenizers may cut in different places: many scripts, emoji, control characters."""

from __future__ import annotations

import random

SENTENCES = (
    "The quick brown fox doesn't jump over 12,345 lazy dogs; it's 3.14159 o'clock, I'LL say!",
    "Der Fuchs sprang über die Straße, größer als je zuvor: ÄÖÜ äöü ß ẞ.",
    "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë.",
    "Привет, мир! Съешь же ещё этих мягких французских булок.",
    "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία. ΟΔΥΣΣΕΎΣ ὀδυσσεύς",
    "こんにちは世界。カタカナとひらがな、漢字１２３ｶﾀｶﾅ。",
    "你好，世界！今天的天气很好，我们去公园吧。",
    "안녕하세요 세계! 각 힣 ㄱㅏㄱ",
    "שלום עולם! מה שלומך היום?",
    "مرحبا بالعالم! كيف حالك اليوم؟ ١٢٣٤٥",
    "नमस्ते दुनिया! आप कैसे हैं? १२३",
    "สวัสดีชาวโลก วันนี้อากาศดีมาก",
    "Xin chào thế giới! Tiếng Việt có nhiều dấu.",
    "İstanbul'da ığdır ŞÇĞ — Kelvin K, long ſ, ﬁ ligature, ǆ Ǆ ǅ",
    "def f(x):\n\tif x  >  10:\n        return x**2   # comment\n\n\n",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] << 3; }\r\n\r\n  \r\n",
    '{"key": [1, 2.5e-10, true, null], "path": "C:\\\\temp\\\\x"}',
    "👍🏽 👨‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ 🏴‍☠️ 😀😃😄",
    "a\u0301e\u0300o\u0302\u0323 \u1e0b\u0323 q\u0307\u0323 Å Å ﷺ ½ ⅓ ² ₃ Ⅻ ①",
    "   leading, trailing   and   inner   blanks   ",
    "\t\ttabs\tand\nnewlines\n\n\nand\r\nreturns\r",
    "\x01\x02\x1b[31mred\x1b[0m\x7f\x80\x85\x9f\u00a0\u00ad\u200b\u200d\u2028\u2029\ufeff\ufffd",
    "https://example.org/a-b_c?d=%20e&f=1#g user@example.org 192.168.0.1 2026-11-30T10:37:15Z",
    "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'ſ don’t we'Ve",
    "<|im_start|>user\nHi<|im_end|>\n<s> </s> <unk> <|endoftext|> <bos> [INST] <|eot_id|> <0x41>",
    "▁under▁score ▁▁ _ __ Ġ Ċ ġ ▁",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠮷野家 𝟘𝟙𝟚 \U000e0001\U0010ffff",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "--------------------========================******************",
)
BROKEN = (
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\x80",
    b"\xf5a",
)
RANGES = (
    *((0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700)),
    *((0x900, 0xE00), (0x1100, 0x1200), (0x1E00, 0x2100), (0x2100, 0x2C00), (0x3000, 0x3100)),
    *((0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xF900, 0x10000), (0x1F000, 0x1FB00), (0x1, 0xD800)),
    *((0xE000, 0x110000), (0x1, 0x20)),
)


def random_lines(count: int, seed: int = 1) -> list[bytes]:
    """Without NUL; some are not UTF-8."""
    source = random.Random(seed)
    return [_random_line(source) for _ in range(count)]


def _random_line(source: random.Random) -> bytes:
    parts = [_random_part(source) for _ in range(source.choice((1, 1, 2, 4, 8)))]
    return b"".join(parts).replace(b"\0", b"\x01")


def _random_part(source: random.Random) -> bytes:
    kind = source.random()
    if kind < 0.45:
        sentence = source.choice(SENTENCES)
        begin = source.randrange(len(sentence))
        return sentence[begin : begin + source.randrange(1, 60)].encode()
    if kind < 0.55:
        return source.choice((b" ", b"  ", b"\n", b"\t", b" \n ", b"\r\n", "\u3000".encode()))
    if kind < 0.6:
        return source.choice(BROKEN)
    if kind < 0.7:
        return _letters(source, (0, 0x110000)).encode()
    return _letters(source, source.choice(RANGES)).encode()


def _letters(source: random.Random, bounds: tuple[int, int]) -> str:
    codes = [source.randrange(*bounds) for _ in range(source.randrange(1, 12))]
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)
