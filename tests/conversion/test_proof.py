"""The judge: what a proof accepts and what it refuses."""

import numpy as np
import pytest

from piyard.convert.difference import OutputFigures
from piyard.convert.lowering import trace_network
from piyard.convert.ncnn_net import load_net, load_net_pair, read_layers, run_net
from piyard.convert.param import FP32_MASK, write_masks
from piyard.convert.proof import ProofResult, proof_problems, prove_nets
from piyard.convert.proof_inputs import (
    InputsByKind,
    input_count,
    make_case,
    make_inputs,
    make_net_inputs,
    proof_pictures,
)
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.models.synthetic import random_tensor
from piyard.vision.head_schema import Nanodet
from piyard.vision.overlap import Agreement

SHAPE = (3, 8, 8)


def figures(**changes):
    good = {"count": 4, "cosine": 1.0, "max_abs": 0.0, "same_top": 4}
    return OutputFigures(**(good | changes))


def proved(fp32=None, fp16=None, agreements=None):
    result = {
        "fp32": {"noise": {"out0": fp32 or figures()}},
        "fp16": {"noise": {"out0": fp16 or figures()}},
    }
    return ProofResult(figures=result, predictions=agreements or {})


def problems(name, **said):
    return proof_problems(load_model(name), proved(**said))


def test_good_figures_pass():
    assert problems("resnet18") == []


@pytest.mark.parametrize(
    ("way", "changes", "message"),
    [
        ("fp32", {"cosine": 0.99989}, "0.9999"),
        ("fp16", {"cosine": 0.9989}, "0.999"),
        ("fp32", {"same_top": 3}, "top-1 differs on 1 of 4"),
        ("fp32", {"max_abs": None, "cosine": 0.0}, "finite"),
        ("fp16", {"max_abs": None, "cosine": 0.0}, "finite"),
    ],
)
def test_bad_figures_are_named(way, changes, message):
    (line,) = problems("resnet18", **{way: figures(**changes)})
    for word in (way, "noise", "out0", message):
        assert word in line


def test_another_top_is_allowed_in_fp16():
    assert problems("resnet18", fp16=figures(same_top=3)) == []


def test_kinds_of_input():
    loaded = make_net_inputs(load_model("resnet18"), [])
    assert set(loaded) == {"drawn", "noise", "strided"}
    assert all(
        x.shape == (3, 224, 224) and x.dtype == np.float32 for k in loaded.values() for x in k
    )
    assert not loaded["strided"][0].flags.c_contiguous


@pytest.fixture(params=["made here", "real"])
def pictured(request, tmp_path, monkeypatch):
    """A mirror with pictures of ImageNet's classes and of COCO's objects; names will do here."""
    if request.param == "real":
        return request.getfixturevalue("mirror")
    for name in ("resnet18", "nanodet"):
        folder = tmp_path / load_model(name).spec.proof_pictures
        folder.mkdir(parents=True)
        for number in range(120):
            (folder / f"{number:03}.jpg").touch()
    monkeypatch.setenv("PIYARD_MIRROR", str(tmp_path))
    return tmp_path


def test_real_pictures_come_from_the_mirror_and_are_spread_over_it(pictured):
    some = proof_pictures(load_model("resnet18"), 50)
    assert len(set(some)) == 50
    assert some[0].is_relative_to(pictured)
    assert some[-1].name > some[0].name


def test_no_mirror_no_real_pictures(monkeypatch):
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    assert proof_pictures(load_model("resnet18")) == []


def convolution(at):
    import torch

    from piyard.convert.reference import TorchReference

    torch.manual_seed(3)
    network = torch.nn.Conv2d(3, 4, 3).eval()
    original = TorchReference(network=network, shapes=[SHAPE], write=trace_network)
    with torch.no_grad():
        original.lower(at, half=False)
    return original


def pair(at):
    return load_net_pair(at, at)


def test_strided_input_is_the_same_to_ncnn_and_to_torch(tmp_path):
    """A Mat knows no strides: handed a view, ncnn would read other numbers without a word."""
    import torch

    original = convolution(tmp_path)
    strided = np.transpose(random_tensor((8, 8, 3), 5), (2, 0, 1))
    assert not strided.flags.c_contiguous
    net = load_net(tmp_path)
    with torch.no_grad():
        (expected,) = original.run(strided)
    assert np.allclose(run_net(net, strided)["out0"], expected, atol=1e-5)
    assert np.allclose(run_net(net, np.ascontiguousarray(strided))["out0"], expected, atol=1e-5)


def test_fp16_is_imitated_by_rounding(tmp_path):
    convolution(tmp_path)
    nets, values = pair(tmp_path), random_tensor(SHAPE, 6)
    exact, rounded = nets.run_fp32(values)["out0"], nets.run_fp16(values)["out0"]
    assert np.array_equal(rounded, rounded.astype(np.float16).astype(np.float32))
    assert 0 < np.abs(exact - rounded).max() < 0.01


def test_fp16_overflow_is_not_hidden(tmp_path):
    convolution(tmp_path)
    rounded = pair(tmp_path).run_fp16(random_tensor(SHAPE) * 1e6)
    assert not np.isfinite(rounded["out0"]).all()


def test_a_spared_layer_tells_what_it_computed(tmp_path):
    """Its input is in halves, as the net's is; what it makes of it is not rounded again."""
    convolution(tmp_path)
    nets, values = pair(tmp_path), random_tensor(SHAPE, 6)
    halves = values.astype(np.float16).astype(np.float32)
    spared = nets.run_fp16(values, keep_fp32={layer.name for layer in nets.layers})["out0"]
    assert np.array_equal(spared, nets.run_fp32(halves)["out0"])


def test_a_mask_in_the_param_spares_its_layer(tmp_path):
    convolution(tmp_path)
    values = random_tensor(SHAPE, 6)
    before = pair(tmp_path).run_fp16(values)["out0"]
    name = read_layers(tmp_path)[1].name
    write_masks(tmp_path / "model.ncnn.param", {name: FP32_MASK})
    nets = pair(tmp_path)
    assert np.array_equal(
        nets.run_fp16(values)["out0"], nets.run_fp16(values, keep_fp32={name})["out0"]
    )
    assert not np.array_equal(nets.run_fp16(values)["out0"], before)


def test_a_result_outlives_the_net(tmp_path):
    convolution(tmp_path)
    results = [run_net(load_net(tmp_path), random_tensor(SHAPE, 7))["out0"] for _ in range(3)]
    assert np.array_equal(results[0], results[2])


# -- what is found -----------------------------------------------------------------------------


def alike(**changes):
    return Agreement(**({"expected": 5, "actual": 5, "matched": 5} | changes))


@pytest.mark.parametrize(
    ("way", "changes", "message"),
    [
        ("fp32", {"iou": 0.94}, "box IoU"),
        ("fp32", {"score": 0.03}, "score differs"),
        ("fp32", {"mask_iou": 0.89}, "mask IoU"),
        ("fp32", {"oks": 0.9}, "OKS"),
        ("fp32", {"actual": 4, "matched": 4, "unmatched_score": 0.9}, "5 objects expected"),
        ("fp16", {"score": 0.06}, "score differs"),
        ("fp16", {"actual": 6, "unmatched_score": 0.5}, "6 found"),
    ],
)
def test_objects_that_differ_are_named(way, changes, message):
    (line,) = problems("nanodet", **{way: figures()}, agreements={way: alike(**changes)})
    assert line.startswith(f"{way}, pictures, what is found")
    assert message in line


def test_in_halves_another_box_of_the_object_may_win():
    result = {"fp16": alike(iou=0.6, mask_iou=0.6, score=0.04)}
    assert problems("nanodet", agreements=result) == []


def test_an_object_at_the_threshold_may_be_told_by_one_only():
    head = load_model("nanodet").head
    assert isinstance(head, Nanodet)
    result = {"fp32": alike(actual=4, matched=4, unmatched_score=head.score + 0.01)}
    assert problems("nanodet", agreements=result) == []


def test_the_largest_value_of_a_map_is_no_top_1():
    """Of a detector's raw outputs no element is the answer."""
    assert problems("nanodet", fp32=figures(same_top=0)) == []


# -- what is fed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 16), ("nanodet", 4), ("yolov8_n", 3), ("simplepose", 16)]
)
def test_a_larger_input_is_proved_on_fewer(name, count):
    assert input_count(load_model(name)) == count


def test_detectors_are_proved_on_pictures_of_objects(pictured):
    (classes, objects) = (proof_pictures(load_model(name), 3) for name in ("resnet18", "nanodet"))
    assert {path.parent.name for path in classes} == {"images"}
    assert {path.parent.name for path in objects} == {"val2017"}


def test_noise_spans_what_the_network_is_fed():
    for name, low, high in (("yolox_nano_onnx", 0, 255), ("resnet18", -1, 1)):
        fed = make_inputs(load_model(name), {}, [])["model"]
        for kind in ("noise", "strided"):
            (values,) = fed[kind][0]
            assert low <= values.min() < low + 0.01 * (high - low)
            assert high - 0.01 * (high - low) < values.max() < high


def test_a_span_begins_with_its_lower_end(small):
    path = definition.MODELS_FOLDER / f"{small()}.yaml"
    path.write_text(path.read_text() + "noise: [255, 0]\n")
    with pytest.raises(WrongInput, match="`noise` must start with its lower end"):
        load_model("small")


def test_a_second_size_is_fed_too():
    read = load_model("nanotrack")
    fed = make_inputs(read, {}, [])["model"]
    assert [each.shape for (each,) in fed["noise"]] == [(3, 255, 255)] * 2
    assert [each.shape for (each,) in fed["dynamic"]] == [(3, 127, 127)] * 2


def saying(*outputs):
    """An original that says the same whatever it is fed."""
    from piyard.convert.reference import TorchReference

    return TorchReference(network=lambda _: outputs, shapes=[SHAPE], write=trace_network)


def prove(original, at):
    fed: dict[str, InputsByKind] = {"model": {"noise": [(random_tensor(SHAPE),)]}}
    case = make_case(load_model("resnet18"), {"model": original}, fed)
    return prove_nets(case, {"model": original}, {"model": pair(at)})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_original_that_computes_nothing_usable(tmp_path, bad):
    import torch

    convolution(tmp_path)
    with pytest.raises(ConversionFailed, match="original's own outputs are not finite"):
        prove(saying(torch.full((1, 4, 6, 6), bad)), tmp_path)


def test_another_number_of_outputs(tmp_path):
    import torch

    convolution(tmp_path)
    single = torch.zeros(1, 4, 6, 6)
    with pytest.raises(ConversionFailed, match="1 outputs, the original 2"):
        prove(saying(single, single), tmp_path)
