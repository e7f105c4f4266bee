"""Which outputs of a network are pictures, and which of their values are black and white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piyard.convert.own.outputs import NetworkOutput
from piyard.convert.own.preparation import MAX_LEVEL, PreprocessKeys
from piyard.core.errors import WrongInput
from piyard.vision.schema import ImageRange


def has_picture(outputs: Sequence[NetworkOutput], size: Sequence[int]) -> bool:
    """Whether an output is a colour picture, for an input of channels, rows, columns."""
    return any(each.channels == 3 and _is_scaled(each, size) for each in outputs)


def find_images(
    outputs: Sequence[NetworkOutput], size: Sequence[int], preprocess: PreprocessKeys
) -> dict[str, ImageRange]:
    """Outputs of one or three channels at the input's size, or a multiple or a part of it."""
    return {
        f"out{at}": _usual_range(each, preprocess)
        for at, each in enumerate(outputs)
        if each.channels in {1, 3} and _is_scaled(each, size)
    }


def _is_scaled(output: NetworkOutput, size: Sequence[int]) -> bool:
    """Whether it is a map with the input's proportions, at a whole ratio."""
    if not output.map_size:
        return False
    (rows, columns), (height, width) = output.map_size, size[1:]
    larger = rows % height == 0 and columns % width == 0
    smaller = height % rows == 0 and width % columns == 0
    return (larger or smaller) and rows * width == columns * height


def _usual_range(output: NetworkOutput, preprocess: PreprocessKeys) -> ImageRange:
    """Of a picture the range that the network is fed; of one map its own, or that of a share."""
    if output.channels == 1:
        return (0.0, 1.0) if output.ends == "probabilities" else "own"
    mean, norm = preprocess.get("mean", [0.0])[0], preprocess.get("norm", [1 / MAX_LEVEL])[0]
    low, high = round(-mean * norm, 3), round((MAX_LEVEL - mean) * norm, 3)
    return (low, high) if (low, high) in {(-1.0, 1.0), (0.0, MAX_LEVEL)} else (0.0, 1.0)


def parse_images(text: str, outputs: Sequence[NetworkOutput]) -> dict[str, ImageRange] | None:
    """``--images``: ``out0=0:1,out1=own``, or ``none``; None where it is not stated."""
    if not text:
        return None
    if text == "none":
        return {}
    names = {each.name: f"out{at}" for at, each in enumerate(outputs)}
    return dict(_parse_image(part, names) for part in text.split(","))


def _parse_image(part: str, names: Mapping[str, str]) -> tuple[str, ImageRange]:
    name, _, span = part.rpartition("=")
    blob = names.get(name, name)
    low, _, high = span.partition(":")
    if blob not in names.values() or (span != "own" and not (low and high)):
        raise WrongInput(
            f"--images {part}",
            remedy=f"NAME=LOW:HIGH, NAME=own or none; its outputs: {', '.join(names)}",
        )
    return blob, ("own" if span == "own" else (_number(low, part), _number(high, part)))


def _number(text: str, part: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise WrongInput(f"--images {part}", remedy="numbers, as out0=0:1") from None


def image_as_yaml(span: ImageRange) -> str | list[float]:
    """A range as the YAML's ``images`` has it."""
    return span if isinstance(span, str) else list(span)


def describe_images(images: Mapping[str, ImageRange]) -> str:
    """For people, those of a range together."""
    spans = dict.fromkeys(images.values())
    return "; ".join(
        _describe_alike([name for name, each in images.items() if each == span], span)
        for span in spans
    )


def _describe_alike(names: Sequence[str], span: ImageRange) -> str:
    is_one = len(names) == 1
    shown = f"{names[0]} is a picture" if is_one else f"{', '.join(names)} are pictures"
    own = "its least and its largest value" if is_one else "their least and their largest values"
    ends = own if span == "own" else f"{span[0]:g} and {span[1]:g}"
    return f"{shown}, {ends} are black and white"
