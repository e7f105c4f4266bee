"""The judge: what a proof accepts and what it refuses."""

import numpy as np
import pytest

from piyard import infer, lowering, model, proof, stimulus
from piyard.errors import ConversionFailed

SHAPE = (3, 8, 8)


def figures(**changes):
    good = {"count": 4, "cosine": 1.0, "max_abs": 0.0, "same_top": 4}
    return proof.Figures(**(good | changes))


def proved(fp32=None, fp16=None):
    return {
        "fp32": {"noise": {"out0": fp32 or figures()}},
        "fp16": {"noise": {"out0": fp16 or figures()}},
    }


def test_good_figures_pass():
    proof.judge(model.load("resnet18"), proved())


@pytest.mark.parametrize(
    ("way", "changes", "told"),
    [
        ("fp32", {"cosine": 0.99989}, "0.9999"),
        ("fp16", {"cosine": 0.9989}, "0.999"),
        ("fp32", {"same_top": 3}, "top-1 differs on 1 of 4"),
        ("fp32", {"max_abs": None, "cosine": 0.0}, "finite"),
        ("fp16", {"max_abs": None, "cosine": 0.0}, "finite"),
    ],
)
def test_bad_figures_are_named(way, changes, told):
    with pytest.raises(ConversionFailed) as caught:
        proof.judge(model.load("resnet18"), proved(**{way: figures(**changes)}))
    for word in (way, "noise", "out0", told):
        assert word in caught.value.evidence


def test_another_top_is_allowed_in_fp16():
    proof.judge(model.load("resnet18"), proved(fp16=figures(same_top=3)))


def test_kinds_of_input():
    made = proof.inputs(model.load("resnet18"), [])
    assert set(made) == {"drawn", "noise", "strided"}
    assert all(x.shape == (3, 224, 224) and x.dtype == np.float32 for k in made.values() for x in k)
    assert not made["strided"][0].flags.c_contiguous


def test_real_pictures_come_from_the_mirror_and_are_spread_over_it(mirror):
    some = proof.real_pictures(50)
    assert len(set(some)) == 50
    assert some[0].is_relative_to(mirror)
    assert some[-1].name > some[0].name


def test_no_mirror_no_real_pictures(monkeypatch):
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    assert proof.real_pictures() == []


def convolution(at):
    import torch

    torch.manual_seed(3)
    network = torch.nn.Conv2d(3, 4, 3).eval()
    with torch.no_grad():
        lowering.lower(network, SHAPE, at, half=False)
    return network


def test_strided_input_is_the_same_to_ncnn_and_to_torch(tmp_path):
    """A Mat knows no strides: handed a view, ncnn would read other numbers without a word."""
    import torch

    network = convolution(tmp_path)
    strided = np.transpose(stimulus.tensor((8, 8, 3), 5), (2, 0, 1))
    assert not strided.flags.c_contiguous
    net = infer.load(tmp_path)
    with torch.no_grad():
        (wanted,) = proof.run_torch(network, strided)
    assert np.allclose(infer.run(net, strided)["out0"], wanted, atol=1e-5)
    assert np.allclose(infer.run(net, np.ascontiguousarray(strided))["out0"], wanted, atol=1e-5)


def test_fp16_is_imitated_by_rounding(tmp_path):
    convolution(tmp_path)
    layers = lowering.check(tmp_path / lowering.PARAM)
    net, values = infer.load(tmp_path), stimulus.tensor(SHAPE, 6)
    exact, rounded = infer.run(net, values)["out0"], infer.rounded(net, layers, values)["out0"]
    assert np.array_equal(rounded, rounded.astype(np.float16).astype(np.float32))
    assert 0 < np.abs(exact - rounded).max() < 0.01


def test_fp16_overflow_is_not_hidden(tmp_path):
    convolution(tmp_path)
    layers = lowering.check(tmp_path / lowering.PARAM)
    rounded = infer.rounded(infer.load(tmp_path), layers, stimulus.tensor(SHAPE) * 1e6)
    assert not np.isfinite(rounded["out0"]).all()


def test_a_result_outlives_the_net(tmp_path):
    convolution(tmp_path)
    results = [infer.run(infer.load(tmp_path), stimulus.tensor(SHAPE, 7))["out0"] for _ in range(3)]
    assert np.array_equal(results[0], results[2])
