"""Text files of users, in the encoding that a byte order mark or their bytes show."""

from __future__ import annotations

import codecs
from pathlib import Path

from piyard.errors import WrongInput

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; UTF-32's begin as UTF-16's do, and come first."""
GUESSES = {"GBK": "gb18030", "Big5": "big5", "Shift_JIS": "cp932", "EUC-KR": "cp949"}
"""Encodings that bytes alone do not tell apart: the user is shown each reading."""
WESTERN = {"CP1252": "cp1252"}
SHOWN = 60
"""Characters of a line in an error."""


def read(path: Path) -> str:
    """The text without its byte order mark, in UTF-8, UTF-16 or UTF-32.

    Raises ``WrongInput`` for any other encoding, and for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongInput(f"{path} cannot be read: {error.strerror}") from None
    body, encoding = _encoding(data)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(path, body, encoding, error.start) from None
    if "\0" in text:
        raise WrongInput(f"{path} holds NUL bytes: is it a text file?", remedy="save it as UTF-8")
    return text


def _encoding(data: bytes) -> tuple[bytes, str]:
    """The bytes after the mark, and the encoding; without a mark, zeros tell UTF-16 from UTF-8."""
    for mark, name in MARKS:
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
    readings = _readings(data, line)
    first = next(iter(readings), "ENCODING")
    return WrongInput(
        f"{path}:{number}: byte 0x{data[at]:02x} is not UTF-8",
        evidence="\n".join(f"as {name} the line reads: {text}" for name, text in readings.items()),
        remedy=f"save it as UTF-8: iconv -f {first} -t UTF-8 {path.name} > utf8-{path.name}",
    )


def _readings(data: bytes, line: bytes) -> dict[str, str]:
    """The line in each encoding that decodes the whole file."""
    readings = {}
    for name, codec in (GUESSES | WESTERN).items():
        try:
            data.decode(codec)
            text = line.decode(codec).strip()
        except UnicodeDecodeError:
            continue
        if text.replace("\t", " ").isprintable():
            readings[name] = text[:SHOWN]
    return readings
