"""A converted model's answer for one picture, computed here and drawn, so that one sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.conversions import Conversion
from piyard.convert.proof_inputs import proof_pictures
from piyard.core import paths
from piyard.core.files import atomic_write, scratch_folder
from piyard.evaluate.evaluation import open_predictor
from piyard.models.definition import Model
from piyard.models.synthetic import drawn_pictures
from piyard.predict.arrays import to_levels
from piyard.vision.drawing import draw_frame, draw_regions
from piyard.vision.pictures import read_picture
from piyard.vision.predictions import Frame
from piyard.vision.tasks.base import Predictor

if TYPE_CHECKING:
    from PIL.Image import Image

SAMPLES_FOLDER = "samples"
SAMPLE_FILE = "sample.jpg"
DRAWN_PICTURE = "disc"
DRAWN_NAME = "a drawn picture"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What a model sees in a picture."""

    picture: str
    """Which one, for people."""
    frame: Frame
    drawn: Path
    """The picture with what was seen in it."""


def sample_path(name: str) -> Path:
    """Where the sample of a model of that name is."""
    return paths.artifacts() / SAMPLES_FOLDER / name / SAMPLE_FILE


def choose_sample(model: Model, picture: str) -> Path | None:
    """The user's picture, else one of the mirror's that suits the task; None: one is drawn.

    Raises ``WrongInput`` for a picture that cannot be read.
    """
    if picture:
        read_picture(Path(picture))
        return Path(picture)
    return next(iter(proof_pictures(model, 1)), None)


def draw_sample(model: Model, conversion: Conversion, picture: Path | None) -> Sample | None:
    """Run the converted net on the picture; None where one picture alone says nothing."""
    if model.spec.is_clip or model.detector or model.further:
        return None
    with scratch_folder("piyard-sample-") as folder:
        path = picture or _draw_picture(folder)
        with open_predictor(model, conversion, None, "fp32") as predictor:
            frame = predictor.predict_picture(path)
            drawn = _draw(model, predictor, path, frame)
        target = sample_path(model.name)
    with atomic_write(target) as draft:
        drawn.save(draft, "JPEG", quality=92)
    return Sample(picture=str(picture or DRAWN_NAME), frame=frame, drawn=target)


def _draw(model: Model, predictor: Predictor, path: Path, frame: Frame) -> Image:
    """What was seen in the picture, or of task other the first output that is a picture."""
    from PIL import Image

    picture = read_picture(path)
    if not model.spec.is_boxed:
        return draw_regions(picture, frame)
    if not model.images:
        return draw_frame(picture, frame)
    outputs = predictor.net.compute(predictor.net.prepare(picture))
    name, span = next(iter(model.images.items()))
    number = [each.name for each in frame.outputs].index(name)
    levels = to_levels(outputs[number], span, model.preprocess.order)
    return Image.fromarray(levels).convert("RGB")


def _draw_picture(folder: Path) -> Path:
    path = folder / "drawn.png"
    drawn_pictures()[DRAWN_PICTURE].save(path)
    return path
