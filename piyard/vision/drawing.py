"""What is in a picture, drawn into it with nnrun's colours: boxes, masks, keypoints, a title.

nnrun draws on boards (runner/src/vision/draw.cpp); this is for a look on the desktop, and its
letters are Pillow's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard.vision.predictions import Frame, PredictedObject, RotatedBox, decode_mask
from piyard.vision.rotated import rotated_corners

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw


Colour = tuple[int, int, int]

FIRST_HUE, GOLDEN_TURN = 0.04, 0.6180339887498949
DARKEST, BRIGHTEST = 40, 245
TINT_SHARE = 0.45
MIN_KEYPOINT_SCORE = 0.3
BRIGHT_LUMA = 120
"""On a ground brighter than that letters are black."""
TITLE_GROUND: Colour = (20, 20, 20)


def distinct_colour(index: int) -> Colour:
    """The colour of that class or track: neighbours' hues are a golden section apart."""
    hue = (FIRST_HUE + index * GOLDEN_TURN) % 1
    red, green, blue = (_level(hue, peak) for peak in (0, 2, 4))
    return red, green, blue


def _level(hue: float, peak: int) -> int:
    """Of the primary colour whose own hue is ``peak`` sixths."""
    share = min(1.0, max(0.0, 2 - abs(math.remainder(hue * 6 - peak, 6))))
    return int(DARKEST + (BRIGHTEST - DARKEST) * share)


def readable_on(ground: Colour) -> Colour:
    """Black or white, by the luma of ITU-R BT.601."""
    red, green, blue = ground
    luma = (299 * red + 587 * green + 114 * blue) // 1000
    return (0, 0, 0) if luma > BRIGHT_LUMA else (255, 255, 255)


MAX_ENTRIES = 8
BACKGROUND = frozenset({"background", "__background__"})


def draw_regions(picture: Image, frame: Frame) -> Image:
    """A copy of the picture with its regions, but for the background, and their shares of it."""
    drawn = picture.copy()
    for each in frame.objects:
        if each.name not in BACKGROUND:
            drawn = _tint(drawn, each)
    pen, top = _pen(drawn), 0
    for each in frame.objects[:MAX_ENTRIES]:
        ground = TITLE_GROUND if each.name in BACKGROUND else _colour(each)
        words = f"{each.name} {100 * each.score:.1f} %"
        top = _draw_words(pen, words, (0, top), ground, below=True)
    return drawn


def draw_frame(picture: Image, frame: Frame) -> Image:
    """A copy of the picture with its objects, the best ones on top, or its best class."""
    drawn = picture.copy()
    for each in reversed(frame.objects):
        drawn = _tint(drawn, each)
    pen = _pen(drawn)
    width = max(2, round((picture.width + picture.height) / 560))
    for each in reversed(frame.objects):
        _draw_outline(pen, each, width)
        _draw_keypoints(pen, each, width)
    for each in reversed(frame.objects):
        _draw_words(pen, f"{each.name} {each.score:.2f}", _caption_place(each), _colour(each))
    if frame.top:
        best = frame.top[0]
        name = best.label if best.label is not None else str(best.index)
        _draw_words(pen, f"{name} {best.score:.2f}", (0, 0), TITLE_GROUND)
    return drawn


def _pen(picture: Image) -> ImageDraw:
    from PIL import ImageDraw

    return ImageDraw.Draw(picture)


def _colour(each: PredictedObject) -> Colour:
    return distinct_colour(each.id if each.id is not None else each.class_)


def _tint(picture: Image, each: PredictedObject) -> Image:
    from PIL import Image as Images

    if each.mask is None:
        return picture
    share = Images.fromarray(decode_mask(each.mask).astype("uint8") * int(255 * TINT_SHARE), "L")
    colour = Images.new("RGB", picture.size, _colour(each))
    return Images.composite(colour, picture, share)


def _draw_outline(pen: ImageDraw, each: PredictedObject, width: int) -> None:
    if each.rotated is None:
        pen.rectangle(each.box, outline=_colour(each), width=width)
    else:
        corners = _corners(each.rotated)
        pen.line([*corners, *corners[:2]], fill=_colour(each), width=width, joint="curve")


def _caption_place(each: PredictedObject) -> tuple[float, float]:
    """The frame's corner that its caption stands on: of a rotated one the highest."""
    if each.rotated is None:
        return each.box[:2]
    return min(_corners(each.rotated), key=lambda corner: corner[1])


def _corners(box: RotatedBox) -> list[tuple[float, float]]:
    import numpy as np

    (corners,) = rotated_corners(np.array([box], np.float64))
    return [(float(x), float(y)) for x, y in corners]


def _draw_keypoints(pen: ImageDraw, each: PredictedObject, width: int) -> None:
    radius = width * 1.1 + 0.3
    for number, (x, y, score) in enumerate(each.keypoints or ()):
        if score >= MIN_KEYPOINT_SCORE:
            around = (x - radius, y - radius, x + radius, y + radius)
            pen.ellipse(around, fill=distinct_colour(number), outline=TITLE_GROUND)


def _draw_words(
    pen: ImageDraw, words: str, at: Sequence[float], ground: Colour, *, below: bool = False
) -> int:
    """Above the place, or inside where the picture ends; returns where they end below."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=max(11, pen.im.size[0] // 40))
    plain = words.encode("latin-1", "replace").decode("latin-1")
    left, top, right, bottom = (round(each) for each in pen.textbbox((0, 0), plain, font=font))
    width, height = right - left + 4, bottom - top + 4
    x = max(0, min(round(at[0]), pen.im.size[0] - width))
    is_above = at[1] >= height and not below
    y = round(at[1]) - height if is_above else max(0, round(at[1]))
    pen.rectangle((x, y, x + width, y + height), fill=ground)
    pen.text((x + 2 - left, y + 2 - top), plain, fill=readable_on(ground), font=font)
    return y + height
