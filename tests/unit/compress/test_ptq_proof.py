"""What an int8 variant is compared with, and what cannot become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from piyard.compress.method import CompressOptions
from piyard.compress.pictures import CompressionData, DataIdentity, DataPlace
from piyard.compress.ptq.accuracy import require_several_classes
from piyard.compress.ptq.inputs import (
    CALIBRATION_PICTURES,
    calibrating_pictures,
    other_pictures,
)
from piyard.compress.ptq.likeness import Likeness, make_likeness
from piyard.compress.ptq.method import PTQ, require_calibratable
from piyard.compress.ptq.quantise import Quantised, quantise_pair
from piyard.compress.ptq.settings import PtqChoices, PtqSettings
from piyard.convert import proof
from piyard.convert.ncnn_net import NcnnReference, load_net_pair
from piyard.convert.variant_pair import VariantPair
from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet, Film
from piyard.evaluate.dataset import JudgedData
from piyard.models.definition import ProofThresholds, load_definition, load_model
from piyard.models.variants import Variant
from piyard.vision.schema import Stretch
from tests.support.small_nets import SHAPE, mobile_block, pictures, write_pair


def reference(folder: Path) -> NcnnReference:
    return NcnnReference(param=folder / "model.ncnn.param", bin=folder / "model.ncnn.bin")


def test_an_int8_pair_is_compared_with_its_parent_in_int8_alone(tmp_path: Path) -> None:
    inputs = pictures(3)
    float_pair, int8_pair = reference(write_pair(tmp_path, mobile_block())), tmp_path / "int8"
    int8_pair.mkdir()
    ours = quantise_pair(float_pair.param, float_pair.bin, lambda: iter(inputs), 3, PtqSettings())
    ours.write(int8_pair, ours.table.layers)
    variant = VariantPair(pair=reference(int8_pair), parent=float_pair)
    nets = load_net_pair(int8_pair, int8_pair)
    functions = proof._net_functions(nets, variant)
    assert list(functions) == ["int8"]
    exact, rough = variant.run(*inputs[0]), list(functions["int8"](*inputs[0]).values())
    np.testing.assert_array_equal(exact[0], float_pair.run(*inputs[0])[0])
    assert 0 < np.abs(exact[0] - rough[0]).max() < 0.1 * np.abs(exact[0]).max()
    assert list(proof._net_functions(load_net_pair(tmp_path, tmp_path), float_pair)) == ["fp16"]


def test_pictures_are_asked_more_of_than_noise() -> None:
    thresholds = ProofThresholds()
    assert thresholds.min_cosine("int8+fp16") == 0.95
    assert thresholds.min_cosine("int8", made_up=True) == 0.7
    assert thresholds.min_cosine("fp16", made_up=True) == thresholds.cosine_fp16
    assert ProofThresholds(cosine_int8=0.5).min_cosine("int8", made_up=True) == 0.5


def test_a_ready_pair_is_its_own_original_and_held_to_as_much_as_in_halves() -> None:
    ready = load_definition("mobilenet_v2")
    settings = Variant(parent="mobilenet_v2", method="ptq", recipe="0" * 16)
    variant = msgspec.structs.replace(ready, variant=settings)
    assert ready.min_cosine("int8+fp16", made_up=True) == ready.proof.cosine_fp16
    assert variant.min_cosine("int8+fp16", made_up=True) == 0.7
    assert variant.min_board_cosine("int8+fp16") == 0.98
    assert ready.min_board_cosine("int8") == ready.min_board_cosine("fp16") == 0.999
    assert variant.min_cosine("fp32") == ready.min_cosine("fp32") == ready.proof.cosine_fp32


def class_data(classes: list[int]) -> CompressionData:
    paths = [Path(f"{number}.jpg") for number in range(len(classes))]
    film = Film(pictures=paths, truth=dict(zip(paths, classes, strict=True)))
    data = DataSet(format="imagenet", kind="class", name="cats", root=Path(), films=[film])
    return CompressionData(
        place=DataPlace(path="cats"),
        judged=JudgedData(data=data, films=[film]),
        pictures=paths,
        title="cats",
        identity=DataIdentity(format="imagenet", split="", count=len(paths), sha256=""),
    )


def test_pictures_of_one_class_are_refused() -> None:
    require_several_classes(class_data([3, 3, 4]))
    with pytest.raises(WrongInput, match="all 3 pictures of cats are of one class"):
        require_several_classes(class_data([3, 3, 3]))


def test_models_of_several_networks_are_refused() -> None:
    require_calibratable(load_model("mobilenet_v2"))
    with pytest.raises(WrongInput, match="several networks or inputs"):
        require_calibratable(load_model("nanotrack"))
    with pytest.raises(WrongInput, match="several networks or inputs"):
        require_calibratable(load_model("clip_vit_b32"))


@pytest.mark.parametrize(
    ("options", "detail"), [({}, "ptq-int8"), ({"mixed": True}, "ptq-mixed")], ids=["int8", "mixed"]
)
def test_options_become_settings(options: dict[str, Any], detail: str) -> None:
    chosen = PTQ.choose_settings(CompressOptions(model="m", methods=("ptq",), **options))
    assert isinstance(chosen, PtqChoices)
    assert (chosen.ptq.calibration, PTQ.detail(chosen)) == ("mse", detail)


def test_layers_are_judged_by_what_the_proof_asks_and_more(tmp_path: Path) -> None:
    fit = Stretch(order="rgb", mean=(127.5,) * 3, norm=(0.02,) * 3)
    model = msgspec.structs.replace(load_model("mobilenet_v2"), input=SHAPE, preprocess=fit)
    write_pair(tmp_path, mobile_block())
    param, weights = (tmp_path / f"model.ncnn.{end}" for end in ("param", "bin"))
    likeness = make_likeness(model, tmp_path, [draw_noise(tmp_path / "noise.png")])
    assert likeness.case.model.min_cosine("int8") == pytest.approx(0.96)
    inputs = likeness.case.fed["model"]["pictures"]
    ours = quantise_pair(param, weights, lambda: iter(inputs), 1, PtqSettings())
    assert not problems_of(likeness, ours, tmp_path / "right")
    small = msgspec.structs.replace(
        ours.table, inputs={name: 300 * scale for name, scale in ours.table.inputs.items()}
    )
    spoilt = msgspec.structs.replace(ours, table=small)
    (problem, *_) = problems_of(likeness, spoilt, tmp_path / "spoilt")
    assert problem.startswith("int8, pictures, output out0: cosine 0.")


def draw_noise(path: Path) -> Path:
    levels = np.random.default_rng(3).integers(0, 255, (12, 12, 3))
    Image.fromarray(levels.astype(np.uint8)).save(path)
    return path


def problems_of(likeness: Likeness, quantised: Quantised, folder: Path) -> list[str]:
    folder.mkdir()
    quantised.write(folder, quantised.table.layers)
    return likeness.list_problems(folder)


def test_pictures_that_scales_were_found_by_do_not_judge_while_there_are_others() -> None:
    many, few = class_data([0] * 150), class_data([0] * 120)
    calibrating = set(calibrating_pictures(many))
    assert len(calibrating) == CALIBRATION_PICTURES
    assert calibrating.isdisjoint(other_pictures(many, 48))
    assert len(other_pictures(few, 48)) == 48
