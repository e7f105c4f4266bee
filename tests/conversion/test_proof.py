"""The judge: what a proof accepts and what it refuses."""

import numpy as np
import pytest

from piyard import infer, masks, model, programs, proof, stimulus
from piyard.errors import ConversionFailed

SHAPE = (3, 8, 8)


def figures(**changes):
    good = {"count": 4, "cosine": 1.0, "max_abs": 0.0, "same_top": 4}
    return proof.Figures(**(good | changes))


def proved(fp32=None, fp16=None, **found):
    told = {
        "fp32": {"noise": {"out0": fp32 or figures()}},
        "fp16": {"noise": {"out0": fp16 or figures()}},
    }
    return proof.Proved(figures=told, found=found)


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
    some = proof.real_pictures(model.load("resnet18"), 50)
    assert len(set(some)) == 50
    assert some[0].is_relative_to(mirror)
    assert some[-1].name > some[0].name


def test_no_mirror_no_real_pictures(monkeypatch):
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    assert proof.real_pictures(model.load("resnet18")) == []


def convolution(at):
    import torch

    from piyard.originals.torch import TorchNetwork

    torch.manual_seed(3)
    network = torch.nn.Conv2d(3, 4, 3).eval()
    original = TorchNetwork(network=network, shapes=[SHAPE], write=programs.trace)
    with torch.no_grad():
        original.lower(at, half=False)
    return original


def pair(at):
    return proof.pair(at, at)


def test_strided_input_is_the_same_to_ncnn_and_to_torch(tmp_path):
    """A Mat knows no strides: handed a view, ncnn would read other numbers without a word."""
    import torch

    original = convolution(tmp_path)
    strided = np.transpose(stimulus.tensor((8, 8, 3), 5), (2, 0, 1))
    assert not strided.flags.c_contiguous
    net = infer.load(tmp_path)
    with torch.no_grad():
        (wanted,) = original.run(strided)
    assert np.allclose(infer.run(net, strided)["out0"], wanted, atol=1e-5)
    assert np.allclose(infer.run(net, np.ascontiguousarray(strided))["out0"], wanted, atol=1e-5)


def test_fp16_is_imitated_by_rounding(tmp_path):
    convolution(tmp_path)
    nets, values = pair(tmp_path), stimulus.tensor(SHAPE, 6)
    exact, rounded = nets.exact(values)["out0"], nets.rounded(values)["out0"]
    assert np.array_equal(rounded, rounded.astype(np.float16).astype(np.float32))
    assert 0 < np.abs(exact - rounded).max() < 0.01


def test_fp16_overflow_is_not_hidden(tmp_path):
    convolution(tmp_path)
    rounded = pair(tmp_path).rounded(stimulus.tensor(SHAPE) * 1e6)
    assert not np.isfinite(rounded["out0"]).all()


def test_a_spared_layer_tells_what_it_computed(tmp_path):
    """Its input is in halves, as the net's is; what it makes of it is not rounded again."""
    convolution(tmp_path)
    nets, values = pair(tmp_path), stimulus.tensor(SHAPE, 6)
    halves = values.astype(np.float16).astype(np.float32)
    spared = nets.rounded(values, spared={layer.name for layer in nets.layers})["out0"]
    assert np.array_equal(spared, nets.exact(halves)["out0"])


def test_a_mask_in_the_param_spares_its_layer(tmp_path):
    convolution(tmp_path)
    values = stimulus.tensor(SHAPE, 6)
    before = pair(tmp_path).rounded(values)["out0"]
    name = infer.layers(tmp_path)[1].name
    masks.write(tmp_path / "model.ncnn.param", {name: masks.FP32})
    nets = pair(tmp_path)
    assert np.array_equal(nets.rounded(values)["out0"], nets.rounded(values, spared={name})["out0"])
    assert not np.array_equal(nets.rounded(values)["out0"], before)


def test_a_result_outlives_the_net(tmp_path):
    convolution(tmp_path)
    results = [infer.run(infer.load(tmp_path), stimulus.tensor(SHAPE, 7))["out0"] for _ in range(3)]
    assert np.array_equal(results[0], results[2])
