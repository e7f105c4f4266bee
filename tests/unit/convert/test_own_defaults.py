"""What is usual for a head fits what a model may say."""

from __future__ import annotations

import msgspec
import pytest

from piyard.convert.own.preparation import HEAD_DEFAULTS, default_preprocess
from piyard.core.errors import WrongInput
from piyard.vision.schema import Crop, Letterbox, ObjectCrop, Preprocess, Stretch

FITS = {"crop": Crop, "letterbox": Letterbox, "stretch": Stretch, "box": ObjectCrop}


@pytest.mark.parametrize("head", sorted(HEAD_DEFAULTS))
@pytest.mark.parametrize("fit", ["", *FITS])
def test_every_head_goes_with_every_fit(head: str, fit: str) -> None:
    result = default_preprocess(head, (3, 224, 224), {"fit": fit} if fit else {})
    read = msgspec.convert(result, Preprocess)
    assert isinstance(read, FITS[fit or result["fit"]])


def test_what_is_asked_for_wins() -> None:
    result = default_preprocess("yolox", (3, 416, 416), {"order": "rgb", "place": "centre"})
    assert (result["order"], result["place"], result["fit"]) == ("rgb", "centre", "letterbox")


def test_levels_stay_when_the_fit_changes() -> None:
    result = default_preprocess("nanodet", (3, 416, 416), {"fit": "letterbox"})
    assert result["mean"] == HEAD_DEFAULTS["nanodet"]["mean"]
    assert "place" not in result


def test_a_classifier_sees_seven_eighths() -> None:
    result = default_preprocess("", (3, 224, 224), {})
    assert (result["resize"], result["crop"]) == (256, 224)


def test_normalisation_is_one_over_the_deviation() -> None:
    for head, deviations in (("", (0.229, 0.224, 0.225)), ("rtmdet", (0.225, 0.224, 0.229))):
        expected = [1 / (255 * deviation) for deviation in deviations]
        assert HEAD_DEFAULTS[head]["norm"] == pytest.approx(expected, rel=1e-12)


def test_nothing_given_is_changed() -> None:
    before = msgspec.json.encode(HEAD_DEFAULTS)
    default_preprocess("yolov8", (3, 640, 640), {"fit": "crop"})
    assert msgspec.json.encode(HEAD_DEFAULTS) == before


def test_an_unknown_head() -> None:
    with pytest.raises(WrongInput, match="did you mean 'yolov8'"):
        default_preprocess("yolov9", (3, 640, 640), {})
