"""Two tiny nets that follow a colour as NanoTrack's follow an object, and films to try them on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from piyard.convert.ncnn_net import net_function
from piyard.vision.nanotrack import NanotrackNets, make_nets
from tests.runner.nets import Net

Pixels = NDArray[np.uint8]

SIDE = 40
"""Of the object, in pixels."""


def of_ncnn(folder: Path) -> NanotrackNets:
    """The two nets in that folder, as the desktop's ncnn computes them."""
    return make_nets(net_function(folder), net_function(folder, "head"))


def backbone() -> Net:
    """Means over 64 x 64 pixels, 16 apart: (3, 8, 8) of 127 pixels, (3, 16, 16) of 255."""
    return Net().add("Input", "in0").add("Pooling", "out0", "0=1 1=64 2=16 3=24 5=0")


def head(logit: float = 20.0, sides: int = 4, cells: int = 8) -> Net:
    """How much a place's colour is the object's; the sides are those of a box that stays as it is.

    The middle of the search lies between two places, so the sides differ.
    The template's features are cells x cells means, the inner ones of which show the object.
    """
    net = Net().add("Input", "in0").add("Convolution", "colour", f"0=3 1={cells} 6={9 * cells**2}")
    inner = np.zeros((3, 3, cells, cells))
    for channel in range(3):
        inner[channel, channel, 3:5, 3:5] = 1 / 4
    net.tagged(inner.ravel())
    net.add("Input", "in1", bottoms=[])
    net.add("BinaryOp", "alike", "0=2", bottoms=["in1", "colour"])
    net.add("Split", "one other")
    net.add("Convolution", "out0", "0=2 1=1 5=1 6=6", bottoms=["one"])
    net.tagged(np.repeat([0, logit], 3)).raw(np.array([0, -logit / 2]))
    net.add("Convolution", "out1", f"0={sides} 1=1 5=1 6={3 * sides}", bottoms=["other"])
    return net.tagged(np.zeros(3 * sides)).raw(np.resize([24.0, 24.0, 40.0, 40.0], sides))


def write(folder: Path) -> None:
    """A conversion's four files."""
    backbone().write(folder, "model.ncnn")
    head().write(folder, "head.ncnn")


def place(frame: int) -> tuple[int, int]:
    """Where the square's left upper corner is."""
    return 40 + 6 * frame, 60 + round(15 * np.sin(frame / 3))


def box(frame: int) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of the square."""
    x, y = place(frame)
    return x, y, x + SIDE, y + SIDE


def picture(frame: int, size: tuple[int, int] = (320, 200)) -> Pixels:
    """A square of one colour that walks over a noisy floor."""
    result: Pixels = np.random.default_rng(frame).integers(0, 60, (size[1], size[0], 3), np.uint8)
    x, y = place(frame)
    result[y : y + SIDE, x : x + SIDE] = (40, 230, 120)
    return result


def film(folder: Path, frames: int, size: tuple[int, int] = (320, 200)) -> list[Path]:
    """Its frames as PNGs."""
    folder.mkdir()
    paths = [folder / f"{frame:03}.png" for frame in range(frames)]
    for frame, path in enumerate(paths):
        Image.fromarray(picture(frame, size)).save(path)
    return paths
