"""Pictures of every kind that a decoder meets, as the bytes of their files."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ADAPTIVE = Image.Palette.ADAPTIVE
ORIENTATIONS = range(1, 9)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def smooth(width: int, height: int) -> Image.Image:
    return noise(9, 7).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int, order: str) -> bytes:
    """An EXIF block that says the orientation and nothing else; order is ">" or "<"."""
    mark = b"MM" if order == ">" else b"II"
    entry = (0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, *entry, 0)


def turned(orientation: int, order: str = ">") -> bytes:
    return encode(smooth(31, 17), "JPEG", exif=exif(orientation, order))


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_head(width: int, height: int, bits: int, colour: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)


def png16(pixels: NDArray[np.uint16], colour: int) -> bytes:
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels.reshape(height, -1))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return png_head(width, height, 16, colour) + body


WIDE = np.random.default_rng(3).integers(0, 65536, (12, 9, 3), np.uint16)
PALETTE = encode(smooth(40, 30).convert("P", palette=ADAPTIVE, colors=13), "PNG")
FOUR = smooth(40, 30).convert("P", palette=ADAPTIVE, colors=4)

JPEGS = {
    "444": encode(smooth(67, 45), "JPEG", quality=90, subsampling=0),
    "422": encode(smooth(67, 45), "JPEG", quality=90, subsampling=1),
    "420": encode(smooth(67, 45), "JPEG", quality=75, subsampling=2),
    "progressive": encode(smooth(67, 45), "JPEG", progressive=True),
    "grey": encode(smooth(67, 45).convert("L"), "JPEG"),
    "cmyk": encode(smooth(67, 45).convert("CMYK"), "JPEG"),
    "one pixel": encode(noise(1, 1), "JPEG"),
    "noise": encode(noise(33, 65), "JPEG", quality=30),
    "restarts": encode(noise(80, 60), "JPEG", restart_marker_rows=1),
    "turned, little-endian": turned(6, "<"),
    **{f"turned {orientation}": turned(orientation) for orientation in ORIENTATIONS},
}
PNGS = {
    "rgb": encode(noise(40, 30), "PNG"),
    "grey": encode(noise(40, 30).convert("L"), "PNG"),
    "black and white": encode(noise(41, 30).convert("1"), "PNG"),
    "grey and alpha": encode(with_alpha(noise(40, 30)).convert("LA"), "PNG"),
    "alpha": encode(with_alpha(noise(40, 30)), "PNG"),
    "palette": PALETTE,
    "palette of two bits": encode(FOUR, "PNG", bits=2),
    "palette, transparent": encode(Image.open(io.BytesIO(PALETTE)), "PNG", transparency=2),
    "colour key": encode(noise(40, 30), "PNG", transparency=(1, 2, 3)),
    "turned": encode(noise(40, 30), "PNG", exif=exif(6, ">")),
    "16 bits": png16(WIDE, 2),
}
GREY16 = png16(WIDE[..., 0], 0)

_HALF = {name: data[: len(data) // 2] for name, data in (JPEGS | PNGS).items()}
_FLIPPED = bytearray(PNGS["rgb"])
_FLIPPED[900] ^= 1


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """The same data, declared to be a picture of that size."""
    start = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) + 5
    return jpeg[:start] + struct.pack(">HH", height, width) + jpeg[start + 4 :]


def with_scans(jpeg: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan comes ``count`` times."""
    at = jpeg.rindex(b"\xff\xda")
    return jpeg[:at] + jpeg[at:-2] * count + jpeg[-2:]


BROKEN = {
    "empty": b"",
    "text": b"hello, I am no image",
    "the first bytes of a JPEG": b"\xff\xd8\xff",
    "half a JPEG": _HALF["noise"],
    "half a progressive JPEG": _HALF["progressive"],
    "a JPEG without its end": JPEGS["420"][:-40],
    "half a PNG": _HALF["rgb"],
    "the first bytes of a PNG": PNGS["rgb"][:20],
    "a PNG with a flipped bit": bytes(_FLIPPED),
    "a PNG of 400 megapixels": png_head(20000, 20000, 8, 2) + chunk(b"IDAT", b"") * 2,
    "a JPEG of 3600 megapixels": resized(JPEGS["444"], 60000, 60000),
    "a small JPEG of 64 megapixels": resized(JPEGS["420"], 8000, 8000),
    "a small progressive JPEG of 64 megapixels": resized(JPEGS["progressive"], 8000, 8000),
    "a small PNG of 64 megapixels": png_head(8000, 8000, 8, 2) + chunk(b"IDAT", b"") * 2,
    "a PNG whose second chunk claims 2 GB": PNGS["rgb"][:33]
    + b"\x7e\0\0\x1aeXIf"
    + PNGS["rgb"][33:],
    "a JPEG of 2000 scans": with_scans(JPEGS["progressive"], 2000),
}
