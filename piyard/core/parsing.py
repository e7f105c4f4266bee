"""What comes from elsewhere: numbers that a user types, text files, fields of stored files."""

from __future__ import annotations

import codecs
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from piyard.core.errors import WrongInput

Text = Annotated[str, Meta(max_length=10_000)]
Number = Annotated[float, Meta(ge=-1e15, le=1e15)]
Ms = Annotated[float, Meta(ge=0, le=1e12)]
"""Milliseconds, up to some thirty years."""
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=10**15)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Small = Annotated[int, Meta(ge=-(10**6), le=10**6)]
Threads = Annotated[int, Meta(ge=1, le=4096)]
Integer = Annotated[int, Meta(ge=-(10**15), le=10**15)]
Setting = Text | Integer | Number | bool | None
Sides = Annotated[list[Annotated[int, Meta(ge=0, le=10**7)]], Meta(max_length=8)]

JsonObject = dict[str, Any]
"""An object as a JSON, YAML or GGUF file holds it; each value is checked where it is read."""
JsonValues = Mapping[str, Any]
"""The same, only read."""

RATE_UNITS = {"k": 1000, "m": 1000_000}


def parse_int(name: str, text: str, *, least: int = 1) -> int | None:
    """A whole number of at least ``least``; None when the flag was not given."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise WrongInput(
            f"--{name} takes a whole number from {least}, not '{text}'",
            remedy=f"for example --{name} {max(least, 4)}",
        )
    return int(text)


def parse_seconds(name: str, text: str) -> float | None:
    """A positive number of seconds; None when the flag was not given."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise WrongInput(f"--{name} takes seconds, not '{text}'", remedy=f"for example --{name} 10")
    return number


def parse_rate(name: str, text: str) -> int | None:
    """Bytes a second, as ``500k`` or ``2M``; None when the flag was not given."""
    if not text:
        return None
    unit = RATE_UNITS.get(text[-1].lower(), 0)
    number = text[:-1] if unit else text
    if not (number.isascii() and number.isdigit() and int(number)):
        raise WrongInput(
            f"--{name} takes bytes a second, not '{text}'", remedy=f"for example --{name} 500k"
        )
    return int(number) * (unit or 1)


def parse_percent(name: str, text: str) -> float | None:
    """A percentage from 0, as ``5%`` or ``5``, as a fraction; None when the flag was not given."""
    if not text:
        return None
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise WrongInput(
            f"--{name} takes a percentage, not '{text}'", remedy=f"for example --{name} 5%"
        )
    return number / 100


BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; UTF-32's begin as UTF-16's do, and come first."""
ASIAN_ENCODINGS = {"GBK": "gb18030", "Big5": "big5", "Shift_JIS": "cp932", "EUC-KR": "cp949"}
"""Encodings that bytes alone do not tell apart: the user is shown each reading."""
WESTERN_ENCODINGS = {"CP1252": "cp1252"}
PREVIEW_LENGTH = 60
"""Characters of a line in an error."""


def read_text(path: Path) -> str:
    """The text without its byte order mark, in UTF-8, UTF-16 or UTF-32.

    Raises ``WrongInput`` for any other encoding, and for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
    body, encoding = _detect_encoding(data)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(path, body, encoding, error.start) from None
    if "\0" in text:
        raise WrongInput(f"{path} holds NUL bytes: is it a text file?", remedy="save it as UTF-8")
    return text


def _detect_encoding(data: bytes) -> tuple[bytes, str]:
    """The bytes after the mark, and the encoding; without a mark, zeros tell UTF-16 from UTF-8."""
    for mark, name in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :], name
    even, odd = data[::2].count(0), data[1::2].count(0)
    if len(data) % 2 or even == odd:
        return data, "utf-8"
    return data, "utf-16-le" if odd > even else "utf-16-be"


def _undecodable(path: Path, data: bytes, encoding: str, at: int) -> WrongInput:
    if encoding != "utf-8":
        return WrongInput(f"{path} is not valid {encoding.upper()}", remedy="save it as UTF-8")
    number = data[:at].count(b"\n") + 1
    line = data.split(b"\n")[number - 1]
    readings = _decode_previews(data, line)
    first = next(iter(readings), "ENCODING")
    return WrongInput(
        f"{path}:{number}: byte 0x{data[at]:02x} is not UTF-8",
        evidence="\n".join(f"as {name} the line reads: {text}" for name, text in readings.items()),
        remedy=f"save it as UTF-8: iconv -f {first} -t UTF-8 {path.name} > utf8-{path.name}",
    )


def _decode_previews(data: bytes, line: bytes) -> dict[str, str]:
    """The line in each encoding that decodes the whole file."""
    readings = {}
    for name, codec in (ASIAN_ENCODINGS | WESTERN_ENCODINGS).items():
        try:
            data.decode(codec)
            text = line.decode(codec).strip()
        except UnicodeDecodeError:
            continue
        if text.replace("\t", " ").isprintable():
            readings[name] = text[:PREVIEW_LENGTH]
    return readings
