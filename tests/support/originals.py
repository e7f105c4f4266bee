"""What a conversion was made from, to compare conversions and boards with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from piyard.convert.conversions import Conversion
from piyard.convert.model_files import ModelFiles
from piyard.convert.reference import ReferenceModel
from piyard.convert.reference_models import reference_networks
from piyard.models.definition import Model
from piyard.models.networks import inference
from piyard.models.weights import RANDOM_WEIGHTS, ChosenWeights
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def reference_model(model: Model, chosen: ChosenWeights) -> ReferenceModel:
    """The original of a model with one net."""
    return reference_networks(model, ModelFiles(main=chosen))["model"]


def load_original(conversion: Conversion) -> ReferenceModel:
    """What the conversion was made from, to be run under ``networks.inference``."""
    return reference_model(conversion.model, _chosen_weights(conversion))


def _chosen_weights(conversion: Conversion) -> ChosenWeights:
    if not conversion.has_real_weights:
        return RANDOM_WEIGHTS
    sha256 = conversion.manifest.weights.sha256
    file = next(file for file in conversion.model.weights if file.is_file(sha256))
    return ChosenWeights(file=file, sha256=sha256)


def compute_reference_logits(conversion: Conversion, pictures: Sequence[Path]) -> Floats:
    """The original's first output for each picture, shape (pictures, classes)."""
    model = conversion.model
    with inference():
        network = load_original(conversion)
        pixels = map(read_picture, pictures)
        inputs = (prepare_picture(each, model.preprocess, model.input[1:]) for each in pixels)
        return np.stack([network.run(values)[0] for values in inputs])
