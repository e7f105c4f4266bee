"""Originals of each kind: what they compute, how they become programs, how they are refused."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from piyard.convert.lowering import (
    BIN_FILE,
    PARAM_FILE,
    ROUTE_WRITERS,
    export_network,
    kept_files,
    save_script,
    script_network,
    trace_network,
)
from piyard.convert.ncnn_net import NcnnReference, load_net, read_layers, run_net
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.pnnxir import build_ir
from piyard.convert.reference import ScriptReference, TorchReference
from piyard.convert.routes import model_routes, require_route
from piyard.convert.script_program import SandboxedProgram
from piyard.convert.torchscript import load_script
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import load_model
from piyard.models.networks import inference

SHAPE = (3, 16, 16)


class Branching(nn.Module):
    """Tracing keeps one side of the branch, scripting both."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.one(x) if x.size(2) < 20 else self.other(x)


class Joined(nn.Module):
    """Convolutions, a branch joined by arithmetic and one by a concatenation, two outputs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU())
        self.left, self.right = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(16, 4, 2, stride=2)
        self.last = nn.Linear(8, 5)

    def forward(self, x):
        x = self.first(x)
        left, right = self.left(x), torch.relu(self.right(x))
        both = torch.cat([left * 0.5 + right, torch.sigmoid(left) - x], dim=1)
        return self.up(both), self.last((left + right).mean(dim=(2, 3)))


@pytest.fixture
def values():
    return np.random.default_rng(5).standard_normal(SHAPE).astype(np.float32)


@pytest.fixture(autouse=True)
def reproducible():
    torch.manual_seed(7)
    with inference():
        yield


def original(network, write=trace_network, **more):
    return TorchReference(network=network.eval(), shapes=[SHAPE], write=write, **more)


def agree(expected, got):
    assert len(expected) == len(got)
    return all(np.allclose(a, b, atol=1e-4) for a, b in zip(expected, got, strict=True))


def in_ncnn(reference, at, *inputs, **more):
    at.mkdir(exist_ok=True)
    reference.lower(at, half=False, **more)
    return list(run_net(load_net(at), *inputs).values())


# -- routes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["trace", "onnx"])
def test_each_route_computes_the_same(tmp_path, values, way):
    single = original(Joined(), ROUTE_WRITERS[way])
    assert agree(single.run(values), in_ncnn(single, tmp_path, values))


def test_scripting_computes_the_same(tmp_path, values):
    single = original(Joined().first, script_network)
    assert agree(single.run(values), in_ncnn(single, tmp_path, values))


def test_a_branch_on_the_input_is_not_scripted_into_a_constant(tmp_path, values):
    """pnnx ends well and writes a net that says the same whatever it is fed."""
    with pytest.raises(ConversionFailed, match="nothing reads the input in0") as caught:
        original(Branching(), script_network).lower(tmp_path, half=False)
    assert "route trace" in caught.value.remedy
    single = original(Branching(), trace_network)
    assert agree(single.run(values), in_ncnn(single, tmp_path, values))


def test_kept_ir_becomes_the_same_net_again(tmp_path, values):
    """What pnnx wrote is put together again and goes through pnnx once more."""
    single = original(Joined())
    expected = in_ncnn(single, tmp_path / "first", values)
    network = build_ir(tmp_path / "first")
    again = original(network)
    assert agree(single.run(values), again.run(values))
    assert agree(expected, in_ncnn(again, tmp_path / "second", values))
    first, second = (read_layers(tmp_path / place) for place in ("first", "second"))
    assert [layer.type for layer in first] == [layer.type for layer in second]


def test_scripting_names_what_cannot_be_scripted(tmp_path):
    class Fancy(nn.Module):
        def forward(self, x):
            return x * len({str(x.dim())})

    with pytest.raises(ConversionFailed, match="script") as caught:
        original(Fancy(), script_network).lower(tmp_path, half=False)
    assert "len({str(x.dim())})" in caught.value.evidence
    assert "trace" in caught.value.remedy


def test_exporting_names_what_onnx_does_not_have(tmp_path):
    class Folding(nn.Module):
        def forward(self, x):
            return torch.fft.fft2(x).real

    with pytest.raises(ConversionFailed, match="export"):
        original(Folding(), export_network).lower(tmp_path, half=False)


def test_a_second_size_is_taken_where_it_is_asked_for(tmp_path):
    """A reshape with sizes of the first one in it would not do."""

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            y = self.conv(x)
            return y.reshape(y.size(0), y.size(1), y.size(2) * y.size(3)).transpose(1, 2)

    single = original(Flat(), others=[(3, 24, 32)])
    single.lower(tmp_path, half=False)
    net = load_net(tmp_path)
    for shape in (SHAPE, (3, 24, 32)):
        x = np.random.default_rng(6).standard_normal(shape).astype(np.float32)
        assert agree(single.run(x), list(run_net(net, x).values()))


def test_files_are_called_after_the_net(tmp_path):
    original(nn.Conv2d(3, 4, 3), stem="head").lower(tmp_path, half=False)
    assert {path.name for path in tmp_path.iterdir()} == set(kept_files("head"))


def test_two_nets_share_a_folder(tmp_path, values):
    single, other = original(nn.Conv2d(3, 4, 3)), original(nn.Conv2d(3, 5, 3), stem="head")
    for net in (single, other):
        net.lower(tmp_path, half=False)
    for net, stem in ((single, "model"), (other, "head")):
        assert agree(net.run(values), list(run_net(load_net(tmp_path, stem), values).values()))


def test_halves_are_stored_as_such(tmp_path):
    single = original(nn.Conv2d(3, 64, 3))
    sizes = []
    for half in (False, True):
        single.lower(tmp_path, half=half)
        sizes.append((tmp_path / BIN_FILE).stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


# -- torch -------------------------------------------------------------------------------------


def test_params_and_multiplications():
    result = original(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1, bias=False))).size()
    assert result == {"params": 3 * 8 * 9 + 8 + 32, "macs": (3 * 8 * 9 + 32) * 14 * 14}


def test_every_operation_is_seen_with_its_module(values):
    seen = list(original(Joined()).tensors(values))
    names = [name for name, _ in seen]
    assert [name for name in names if name] == sorted(
        (name for name in names if name), key=names.index
    )
    assert {"first.0", "first.1", "first.2", "left", "right", "up", "last", ""} <= set(names)
    outputs = original(Joined()).run(values)
    assert outputs[0].size in {value.size for _, value in seen}


def test_watching_leaves_no_hooks(values):
    network = Joined()
    list(original(network).tensors(values))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


# -- TorchScript files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda n: torch.jit.trace(n, torch.zeros(1, *SHAPE))]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_torchscript_file(tmp_path, values, make):
    network = Joined().first.eval()
    make(network).save(str(tmp_path / "net.pt"))
    program = SandboxedProgram(tmp_path / "net.pt")
    reference = ScriptReference(program=program, shapes=[SHAPE], write=save_script)
    with torch.no_grad():
        (expected,) = network(torch.from_numpy(values)[None])
    assert agree([expected.numpy()], reference.run(values))
    assert agree(reference.run(values), in_ncnn(reference, tmp_path / "made", values))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut"])
def test_what_is_no_torchscript(tmp_path, content):
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ConversionFailed, match=r"net\.pt is not a TorchScript"):
        load_script(tmp_path / "net.pt")


def test_a_checkpoint_is_no_torchscript(tmp_path):
    torch.save(Branching().state_dict(), tmp_path / "net.pt")
    with pytest.raises(ConversionFailed, match="not a TorchScript"):
        load_script(tmp_path / "net.pt")


# -- ONNX files --------------------------------------------------------------------------------


def saved(tmp_path, shape=(1, *SHAPE)):
    """Convolution, Relu, Sigmoid; the side of its input is left open."""
    rng = np.random.default_rng(8)
    weights = [
        numpy_helper.from_array(rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w"),
        numpy_helper.from_array(rng.standard_normal(4).astype(np.float32), "b"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["raw"], kernel_shape=[3, 3], name="the_conv"),
        helper.make_node("Relu", ["raw"], ["open"]),
        helper.make_node("Sigmoid", ["open"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_an_onnx_file_is_cut_and_computes_the_same(tmp_path, values):
    each = load_onnx(saved(tmp_path), [SHAPE], cut=["raw", "y"])
    raw, y = each.run(values)
    assert np.allclose(y, 1 / (1 + np.exp(-np.maximum(raw, 0))), atol=1e-6)
    assert agree([raw, y], in_ncnn(each, tmp_path / "made", values))


def test_its_tensors_have_the_files_names(tmp_path, values):
    each = load_onnx(saved(tmp_path), [SHAPE])
    result = dict(each.tensors(values))
    assert list(result) == ["raw", "open", "y"]
    assert np.array_equal(result["open"], np.maximum(result["raw"], 0))


def test_an_onnx_file_by_its_kept_ir(tmp_path, values):
    each = load_onnx(saved(tmp_path), [SHAPE])
    expected = in_ncnn(each, tmp_path / "first", values)
    network = build_ir(tmp_path / "first")
    assert agree(expected, original(network).run(values))


def test_an_input_the_onnx_file_does_not_take(tmp_path):
    with pytest.raises(ConversionFailed):
        load_onnx(saved(tmp_path), [(4, 16, 16)]).run(np.zeros((4, 16, 16), np.float32))


def test_onnx_of_another_size(tmp_path):
    each = load_onnx(saved(tmp_path, ("n", 3, "h", "w")), [SHAPE], others=[(3, 24, 40)])
    each.lower(tmp_path, half=False)
    net = load_net(tmp_path)
    for shape in (SHAPE, (3, 24, 40)):
        x = np.random.default_rng(9).standard_normal(shape).astype(np.float32)
        assert agree(each.run(x), list(run_net(net, x).values()))


# -- ready pairs -------------------------------------------------------------------------------


def test_a_ready_pair_is_copied_and_run(tmp_path, values):
    single = original(Joined())
    single.lower(tmp_path, half=False)
    pair = NcnnReference(param=tmp_path / PARAM_FILE, bin=tmp_path / BIN_FILE)
    assert not pair.is_program
    assert agree(single.run(values), in_ncnn(pair, tmp_path / "copy", values))


def test_a_pair_whose_bin_is_cut(tmp_path, values):
    original(Joined()).lower(tmp_path, half=False)
    weights = (tmp_path / BIN_FILE).read_bytes()
    (tmp_path / BIN_FILE).write_bytes(weights[: len(weights) // 2])
    pair = NcnnReference(param=tmp_path / PARAM_FILE, bin=tmp_path / BIN_FILE)
    with pytest.raises(ConversionFailed, match="cannot load") as caught:
        pair.run(values)
    assert "another .param" in caught.value.remedy


# -- choosing ----------------------------------------------------------------------------------


def test_a_route_there_is_not():
    with pytest.raises(WrongInput, match="did you mean 'trace'"):
        require_route(load_model("resnet18"), "traced")


def test_routes_of_a_network_and_the_usual_one():
    resnet = load_model("resnet18")
    assert model_routes(resnet) == ["trace", "script", "onnx", "pnnx"]
    assert require_route(resnet, "") == "trace"
