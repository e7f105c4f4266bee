"""ONNX files as they come: in one piece or several, foreign, cut short, out of order."""

import os

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from piyard.convert.onnx import file as onnx_file
from piyard.convert.onnx.file import join_parts, list_parts, read_onnx
from piyard.convert.onnx.graph import graph_input_shapes, graph_inputs
from piyard.core.errors import ConversionFailed

RNG = np.random.default_rng(3)
WEIGHT = RNG.standard_normal((2, 2, 3, 3)).astype(np.float32)
BIAS = RNG.standard_normal(2).astype(np.float32)
FACTOR = RNG.standard_normal((1, 2, 1, 1)).astype(np.float32)


def tensor(values, name):
    return numpy_helper.from_array(values, name)


def network():
    """A convolution with initializers, a factor in a Constant node, another within a branch."""
    branch = helper.make_graph(
        [
            helper.make_node("Constant", [], ["inner"], value=tensor(FACTOR + 1, "")),
            helper.make_node("Mul", ["c", "inner"], ["out"]),
        ],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Constant", [], ["f"], value=tensor(FACTOR, "")),
        helper.make_node("Mul", ["a", "f"], ["c"]),
        helper.make_node("Constant", [], ["yes"], value=tensor(np.array(True), "")),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))],
        [tensor(WEIGHT, "w"), tensor(BIAS, "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(folder, graph=None):
    (folder / "net.onnx").write_bytes((graph or network()).SerializeToString())
    return folder / "net.onnx"


def save_in_parts(folder):
    """Every tensor in net.data, by onnx's own writer."""
    onnx.save_model(
        network(),
        folder / "net.onnx",
        save_as_external_data=True,
        location="net.data",
        size_threshold=0,
        convert_attribute=True,
    )
    return folder / "net.onnx"


def compute(content):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((1, 2, 8, 8)).astype(np.float32)
    return session.run(None, {"x": x})[0]


def test_a_file_of_one_piece(tmp_path):
    graph = read_onnx(saved(tmp_path))
    assert [node.op_type for node in graph.graph.node] == [
        *("Conv", "Constant", "Mul", "Constant", "If")
    ]
    assert [value.name for value in graph_inputs(graph)] == ["x"]
    assert graph_input_shapes(graph) == [[1, 2, 8, 8]]
    assert list_parts(tmp_path / "net.onnx") == []


def test_tensors_in_a_file_beside_it(tmp_path):
    """Those of initializers, attributes and branches alike."""
    file = save_in_parts(tmp_path)
    assert list_parts(file) == ["net.data"]
    expected = compute(network().SerializeToString())
    assert np.array_equal(compute(read_onnx(file).SerializeToString()), expected)
    joined = join_parts(file)
    (tmp_path / "net.data").unlink()
    assert np.array_equal(compute(joined), expected)


def test_the_same_parts_make_the_same_file(tmp_path):
    file = save_in_parts(tmp_path)
    assert join_parts(file) == join_parts(file)
    data = tmp_path / "net.data"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    before = join_parts(file)
    data.write_bytes(content)
    assert join_parts(file) != before


def change_entry(file, **entries):
    """The first tensor's external data, with other entries."""
    graph = onnx.load(file, load_external_data=False)
    weight = graph.graph.initializer[0]
    for entry in weight.external_data:
        entry.value = str(entries.get(entry.key, entry.value))
    file.write_bytes(graph.SerializeToString())


@pytest.mark.parametrize(
    "location", ["", "../net.data", "sub/../../net.data", "other", ".", "fifo"]
)
def test_what_lies_elsewhere_is_refused(tmp_path, location):
    folder = tmp_path / "own"
    (folder / "sub").mkdir(parents=True)
    file = save_in_parts(folder)
    os.mkfifo(folder / "fifo")
    (tmp_path / "net.data").write_bytes((folder / "net.data").read_bytes())
    change_entry(file, location=location)
    with pytest.raises(ConversionFailed, match="no file in its folder") as caught:
        read_onnx(file)
    assert f"'{location}'" in caught.value.what
    assert "external_data=False" in caught.value.remedy


def test_an_absolute_path_is_refused(tmp_path):
    file = save_in_parts(tmp_path)
    change_entry(file, location=tmp_path / "net.data")
    with pytest.raises(ConversionFailed, match="no file in its folder"):
        read_onnx(file)


def test_a_link_within_the_folder_is_followed_and_no_other(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    file = save_in_parts(folder)
    (folder / "net.data").rename(folder / "moved")
    (folder / "net.data").symlink_to("moved")
    assert read_onnx(file)
    (folder / "moved").rename(tmp_path / "moved")
    (folder / "net.data").unlink()
    (folder / "net.data").symlink_to("../moved")
    with pytest.raises(ConversionFailed, match="no file in its folder"):
        read_onnx(file)


@pytest.mark.parametrize(
    "entries", [{"offset": 10_000}, {"length": 10_000}, {"offset": -4}, {"length": "many"}]
)
def test_a_part_that_is_too_short(tmp_path, entries):
    file = save_in_parts(tmp_path)
    change_entry(file, **entries)
    with pytest.raises(ConversionFailed, match=r"'net\.data', of \d+ bytes, ends before") as caught:
        read_onnx(file)
    assert "'w'" in caught.value.what


def test_too_much_for_one_message(tmp_path, monkeypatch):
    file = save_in_parts(tmp_path)
    monkeypatch.setattr(onnx_file, "MAX_BYTES", file.stat().st_size + 100)
    with pytest.raises(ConversionFailed, match=r"at most 2\.1"):
        read_onnx(file)
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)
    with pytest.raises(ConversionFailed, match=r"at most 2\.1"):
        read_onnx(file)


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "net.onnx").open("wb") as file:
        file.truncate(5_000_000_000)
    with pytest.raises(ConversionFailed, match=r"net\.onnx has 5\.0 GB"):
        read_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"no protobuf at all", "is not an ONNX file"),
        (b"\x08\x07\x12\x04cut", "is not an ONNX file"),
        (b"\x08\x07", "it holds no graph"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html></html>", "page of the web"),
        (b"PK\x03\x04 and more", "zip archive"),
        (b"\x20\x00\x00\x00ORTM and more", "onnxruntime's own format"),
    ],
)
def test_what_is_no_onnx_file(tmp_path, content, cause):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ConversionFailed, match=r"net\.onnx") as caught:
        read_onnx(tmp_path / "net.onnx")
    assert cause in str(caught.value)


def test_a_file_cut_short(tmp_path):
    file = saved(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ConversionFailed, match="or a part of one only"):
        read_onnx(file)


def test_a_graph_that_breaks_the_specification(tmp_path):
    graph = network()
    graph.graph.node[2].input[0] = "nowhere"
    with pytest.raises(ConversionFailed, match="specification") as caught:
        read_onnx(saved(tmp_path, graph))
    assert "nowhere" in caught.value.evidence


def test_a_name_that_is_no_text(tmp_path):
    """The checker quotes it, and fails over that."""
    graph = network()
    graph.graph.node[2].input[0] = "nowhere"
    (tmp_path / "net.onnx").write_bytes(
        graph.SerializeToString().replace(b"nowhere", b"nowh\xafre")
    )
    with pytest.raises(ConversionFailed, match="specification"):
        read_onnx(tmp_path / "net.onnx")


def test_nodes_in_another_order(tmp_path):
    graph = network()
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(reversed(nodes))
    read = read_onnx(saved(tmp_path, graph))
    assert np.array_equal(compute(read.SerializeToString()), compute(network().SerializeToString()))


def test_a_circle_is_refused(tmp_path):
    graph = network()
    graph.graph.node[0].input[0] = "c"
    with pytest.raises(ConversionFailed, match="specification"):
        read_onnx(saved(tmp_path, graph))


@pytest.mark.parametrize("newer", ["opset", "format"])
def test_a_newer_onnx(tmp_path, newer):
    graph = network()
    if newer == "opset":
        graph.opset_import[0].version = 99
    else:
        graph.ir_version = 99
    with pytest.raises(ConversionFailed, match=f"{newer} 99") as caught:
        read_onnx(saved(tmp_path, graph))
    assert "opset_version=18" in caught.value.remedy


def test_functions_of_the_file_are_inlined(tmp_path):
    graph = network()
    opsets = [helper.make_opsetid("", 17)]
    double = helper.make_function(
        "own", "Twice", ["p"], ["q"], [helper.make_node("Add", ["p", "p"], ["q"])], opsets
    )
    graph.functions.append(double)
    graph.opset_import.append(helper.make_opsetid("own", 1))
    graph.graph.node.append(helper.make_node("Twice", ["y"], ["z"], domain="own"))
    graph.graph.output[0].name = "z"
    read = read_onnx(saved(tmp_path, graph))
    assert {node.domain for node in read.graph.node} == {""}
    assert np.array_equal(
        compute(read.SerializeToString()), 2 * compute(network().SerializeToString())
    )
