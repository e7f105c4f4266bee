"""Networks that pnnx leaves or misreads are written anew, by whichever file they come."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from piyard.convert.attempts import LoweringInputs, lower_network
from piyard.convert.lint import UnsupportedLayers
from piyard.convert.lowering import save_graph, save_script, trace_network
from piyard.convert.ncnn_net import net_function
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.reference import ScriptReference, TorchReference
from piyard.convert.script_program import SandboxedProgram
from piyard.core.errors import ConversionFailed
from piyard.models.networks import inference

SHAPE = (3, 8, 8)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Windowed(nn.Module):
    """Attention within windows of 4 x 4 of a picture, as Swin and MaxViT have it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 1)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.last = nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(self.embed(x).permute(0, 2, 3, 1))
        x = x.view(1, 2, 4, 2, 4, 8).permute(0, 1, 3, 2, 4, 5).reshape(4, 16, 8)
        q, k, v = self.qkv(x).view(4, 16, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        x = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        x = x.transpose(1, 2).reshape(2, 2, 4, 4, 8).permute(0, 2, 1, 3, 4).reshape(1, 64, 8)
        return self.last(x[:, ::2].mean(1))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return Windowed().eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """ONNX of that network."""
    file = tmp_path_factory.mktemp("windowed") / "net.onnx"
    torch.onnx.export(network, (torch.zeros(1, *SHAPE),), str(file), dynamo=False, opset_version=17)
    return file


def require_converted(reference, at):
    """In fp32, with fp16 weights, and as the original computes it."""
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    halves = at / "half"
    halves.mkdir()
    with inference():
        reference.lower(at, half=False)
        reference.lower(halves, half=True)
        (expected,) = reference.run(x)
    assert np.allclose(net_function(at)(x)[0], expected, atol=1e-5)
    assert np.allclose(net_function(halves)(x)[0], expected, atol=1e-2)
    assert len(reference.chosen) == 1
    assert not list(at.glob("*exported*"))


def test_a_network_of_torch(network, tmp_path, capsys):
    reference = TorchReference(network=network, shapes=[SHAPE], write=trace_network)
    require_converted(reference, tmp_path)
    assert "written anew for ncnn" in capsys.readouterr().err


def test_a_file_of_onnx(exported, tmp_path):
    require_converted(load_onnx(exported, [SHAPE]), tmp_path)


def test_a_traced_file(network, tmp_path):
    file = tmp_path / "net.pt"
    torch.jit.trace(network, torch.zeros(1, *SHAPE)).save(str(file))
    program = SandboxedProgram(file)
    require_converted(ScriptReference(program=program, shapes=[SHAPE], write=save_script), tmp_path)
    program.end()


def test_a_network_that_pnnx_reads_goes_as_it_is(tmp_path, capsys):
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    reference = TorchReference(network=plain, shapes=[SHAPE], write=trace_network)
    with inference():
        reference.lower(tmp_path, half=False)
    assert reference.chosen == [trace_network]
    assert "anew" not in capsys.readouterr().err


def test_what_computes_something_else_is_written_anew(tmp_path):
    """pnnx reads no axes of a reduction from opset 18 on, and says nothing."""
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("ReduceMean", ["a", "axes"], ["y"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [2])],
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "net.onnx")
    require_converted(load_onnx(tmp_path / "net.onnx", [SHAPE]), tmp_path)


def test_what_ncnn_has_not_is_named(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="/stem/Conv"),
        helper.make_node("TopK", ["a", "k"], ["y", "places"], axis=1, name="/head/TopK"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 8, 8])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 1, 1], [1.0] * 12),
            helper.make_tensor("k", TensorProto.INT64, [1], [2]),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "net.onnx")
    with inference(), pytest.raises(UnsupportedLayers, match="no layer for TopK") as caught:
        load_onnx(tmp_path / "net.onnx", [SHAPE]).lower(tmp_path, half=False)
    assert "TopK '/head/TopK'" in caught.value.evidence
    assert "--cut a" in caught.value.remedy


def test_a_trace_of_torchs_fast_path(tmp_path):
    """As torch.no_grad() brings it about."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = nn.Sequential(nn.Flatten(2), nn.Linear(64, 8), layer).eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.zeros(1, *SHAPE), check_trace=False)
    traced.save(str(tmp_path / "net.pt"))
    program = SandboxedProgram(tmp_path / "net.pt")
    reference = ScriptReference(program=program, shapes=[SHAPE], write=save_script)
    with pytest.raises(ConversionFailed, match="as one operation") as caught:
        reference.lower(tmp_path, half=False)
    program.end()
    assert "set_fastpath_enabled(False)" in caught.value.remedy


def test_where_no_way_is_left_the_first_failure_counts(tmp_path):
    def fail(*_):
        raise ConversionFailed("the way itself failed")

    inputs = LoweringInputs(
        network=None, write=fail, shapes=[(1, *SHAPE)], stem="model", run=fail, chosen=[]
    )
    with pytest.raises(ConversionFailed, match="the way itself failed"):
        lower_network(inputs, tmp_path, half=False)
    assert save_graph not in inputs.chosen
