"""What is usual for a head fits what a model may say."""

from __future__ import annotations

import msgspec
import pytest

from piyard.conversion.own import usual
from piyard.errors import WrongInput
from piyard.model.steps import Box, Crop, Letterbox, Preprocess, Stretch

FITS = {"crop": Crop, "letterbox": Letterbox, "stretch": Stretch, "box": Box}


@pytest.mark.parametrize("head", sorted(usual.USUAL))
@pytest.mark.parametrize("fit", ["", *FITS])
def test_every_head_goes_with_every_fit(head: str, fit: str) -> None:
    told = usual.preprocess(head, 224, {"fit": fit} if fit else {})
    read = msgspec.convert(told, Preprocess)
    assert isinstance(read, FITS[fit or told["fit"]])


def test_what_is_asked_for_wins() -> None:
    told = usual.preprocess("yolox", 416, {"order": "rgb", "place": "centre"})
    assert (told["order"], told["place"], told["fit"]) == ("rgb", "centre", "letterbox")


def test_levels_stay_when_the_fit_changes() -> None:
    told = usual.preprocess("nanodet", 416, {"fit": "letterbox"})
    assert told["mean"] == usual.USUAL["nanodet"]["mean"]
    assert "place" not in told


def test_a_classifier_sees_seven_eighths() -> None:
    told = usual.preprocess("", 224, {})
    assert (told["resize"], told["crop"]) == (256, 224)


def test_normalisation_is_one_over_the_deviation() -> None:
    for head, deviations in (("", (0.229, 0.224, 0.225)), ("rtmdet", (0.225, 0.224, 0.229))):
        wanted = [1 / (255 * one) for one in deviations]
        assert usual.USUAL[head]["norm"] == pytest.approx(wanted, rel=1e-12)


def test_nothing_given_is_changed() -> None:
    before = msgspec.json.encode(usual.USUAL)
    usual.preprocess("yolov8", 640, {"fit": "crop"})
    assert msgspec.json.encode(usual.USUAL) == before


def test_an_unknown_head() -> None:
    with pytest.raises(WrongInput, match="did you mean 'yolov8'"):
        usual.preprocess("yolov9", 640, {})
