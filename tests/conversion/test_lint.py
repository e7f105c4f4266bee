"""What pnnx leaves that ncnn cannot run: told with its line and with what it came from."""

from importlib import metadata

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from piyard.convert.lint import (
    SHOWN_LINES,
    describe_version_skew,
    find_origins,
    require_one_batch,
    require_supported,
)
from piyard.convert.lowering import trace_network
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.reference import TorchReference
from piyard.core import target
from piyard.core.errors import ConversionFailed
from piyard.core.target import CMakeOptions, load_ncnn_pin
from piyard.models.networks import inference

SHAPE = (3, 16, 16)


class Striding(nn.Module):
    """Every second column, taken from what the stem computes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.last(self.stem(x)[..., ::2])


@pytest.fixture
def lower(tmp_path):
    """By tracing, and no other way."""

    def lower(network):
        reference = TorchReference(
            network=network.eval(), shapes=[SHAPE], write=trace_network, chosen=[trace_network]
        )
        with inference():
            return reference.lower(tmp_path, half=False)

    return lower


def test_a_slice_with_a_step_names_the_module_before_it(lower):
    with pytest.raises(ConversionFailed) as caught:
        lower(Striding())
    (result,) = caught.value.evidence.splitlines()
    assert result.startswith("model.ncnn.param:5: Tensor.slice")
    assert "in the original behind 'stem.0'" in result
    assert "without steps" in caught.value.remedy


def test_layers_are_told_by_the_modules_they_were(lower, tmp_path):
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 6, 3)
            self.b = nn.Sequential(nn.Conv2d(6, 6, 3, groups=6), nn.Hardswish())
            self.c = nn.Linear(6, 5)

        def forward(self, x):
            return self.c(self.b(self.a(x)).mean(dim=(2, 3)))

    layers = lower(Deep())
    origins = find_origins(tmp_path)
    by_type = {layer.type: origins[layer.name] for layer in layers}
    assert by_type["Input"] == "behind the input"
    assert by_type["Convolution"] == "'a'"
    assert by_type["ConvolutionDepthWise"] == "'b.0'"
    assert by_type["HardSwish"] == "behind 'b.0'"
    assert by_type["InnerProduct"] == "'c'"


def test_layers_of_an_onnx_file_have_its_names(tmp_path):
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((3, 3, 1, 1)).astype(np.float32), f"w{i}")
        for i in (0, 1)
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="/backbone/conv"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, tmp_path / "net.onnx")
    each = load_onnx(tmp_path / "net.onnx", [SHAPE])
    layers = each.lower(tmp_path, half=False)
    origins = find_origins(tmp_path, names=each.names())
    convolutions = [origins[layer.name] for layer in layers if layer.type == "Convolution"]
    assert convolutions == ["'/backbone/conv'", "'y'"]


def test_names_that_do_not_pair_off_are_not_guessed(lower, tmp_path):
    lower(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Hardsigmoid()))
    ir = tmp_path / "model.pnnx.param"
    (line,) = [
        splitline for splitline in ir.read_text().splitlines() if splitline.startswith("nn.Conv2d")
    ]
    ir.write_text(ir.read_text() + line + "\n")
    assert list(find_origins(tmp_path).values()) == [
        "behind the input",
        "what became 'conv_0'",
        "behind what became 'conv_0'",
    ]


def test_nothing_is_known_without_the_ir(lower, tmp_path):
    lower(nn.Conv2d(3, 4, 1))
    (tmp_path / "model.pnnx.param").unlink()
    assert find_origins(tmp_path) == {}


def test_a_layer_the_boards_ncnn_was_built_without(lower, monkeypatch):
    """ncnn's Python module here has it; what toolchains/ncnn.yaml leaves out does not."""
    pin, options = load_ncnn_pin()
    fewer: CMakeOptions = {"WITH_LAYER_hardswish": False}
    monkeypatch.setattr(target, "load_ncnn_pin", lambda: (pin, options | fewer))
    with pytest.raises(ConversionFailed, match="1 operation") as caught:
        lower(nn.Hardswish())
    assert "HardSwish" in caught.value.evidence


def test_one_day_is_no_skew():
    assert describe_version_skew() == ""


@pytest.mark.parametrize("tool", ["pnnx", "ncnn"])
def test_tools_of_another_day_are_told(monkeypatch, tool):
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "1.0.20200101" if name == tool else real(name)
    )
    assert (
        f"{tool} 1.0.20200101 beside ncnn {load_ncnn_pin()[0].version}" in describe_version_skew()
    )


def test_many_leftovers_are_counted_and_the_first_ones_shown(tmp_path):
    lines = [f"aten::foo x{i} 1 1 in0 o{i}" for i in range(20)]
    text = "\n".join(["7767517", "21 21", "Input in0 0 1 in0", *lines])
    (tmp_path / "model.ncnn.param").write_text(text)
    with pytest.raises(ConversionFailed, match="20 operation") as caught:
        require_supported(tmp_path)
    assert len(caught.value.evidence.splitlines()) == SHOWN_LINES


@pytest.mark.parametrize(
    ("axes", "is_batched"), [("12=3 13=233", True), ("12=233 13=0", True), ("12=0 13=0", False)]
)
def test_a_batch_of_several_within_a_net_is_refused(tmp_path, axes, is_batched):
    """A proof computes each layer by itself, and what it hands on has no batch."""
    lines = ["7767517", "2 2", "Input in0 0 1 in0", f"Reshape flat 1 1 in0 out0 0=4 1=3 2=2 {axes}"]
    (tmp_path / "model.ncnn.param").write_text("\n".join(lines))
    if not is_batched:
        assert len(require_one_batch(tmp_path)) == 2
        return
    with pytest.raises(ConversionFailed, match="flat takes several batches") as caught:
        require_one_batch(tmp_path)
    assert "cut the net" in caught.value.remedy
