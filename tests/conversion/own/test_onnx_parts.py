"""An ONNX file whose tensors are beside it is added as one file."""

import onnx
import pytest

from piyard.convert.conversion_notes import proof_rows
from piyard.convert.converter import convert_model
from piyard.convert.own import network_file
from piyard.convert.own.adding import plan_addition
from piyard.convert.own.network_file import copy_network, sha256_of_network
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import load_model
from tests.conversion.own.adding import add, ask
from tests.conversion.own.graphs import classifier

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def parts(tmp_path):
    """net.onnx and net.onnx.data, as torch's exporter names them."""
    graph = onnx.load(classifier(tmp_path / "whole.onnx"))
    file = tmp_path / "net.onnx"
    onnx.save_model(
        graph, file, save_as_external_data=True, location="net.onnx.data", size_threshold=0
    )
    return file


def test_what_is_added_needs_the_parts_no_longer(parts, two, capsys):
    add(ask(parts, two))
    assert "tensors are in net.onnx.data beside it: joined into one file" in capsys.readouterr().err
    parts.with_name("net.onnx.data").unlink()
    parts.unlink()
    rows = proof_rows(convert_model(load_model("mine")))
    assert min(float(row[5]) for row in rows) > 0.999


def test_a_dry_run_says_so_and_copies_nothing(parts, two, tmp_path, capsys):
    add(ask(parts, two), dry_run=True)
    assert "net.onnx.data beside it" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_other_weights_are_another_model(parts):
    """By the sha256 of all the bytes: those of the .onnx itself stay."""
    before = sha256_of_network(parts)
    data = parts.with_name("net.onnx.data")
    data.write_bytes(bytes(reversed(data.read_bytes())))
    assert sha256_of_network(parts) != before


def test_parts_that_change_meanwhile(parts, two, tmp_path):
    sha256 = sha256_of_network(parts)
    data = parts.with_name("net.onnx.data")
    data.write_bytes(bytes(reversed(data.read_bytes())))
    with pytest.raises(WrongInput, match="changed while it was added"):
        copy_network(parts, tmp_path / "copy.onnx", sha256)
    assert not (tmp_path / "copy.onnx").exists()


def test_a_missing_part(parts, two):
    parts.with_name("net.onnx.data").unlink()
    with pytest.raises(ConversionFailed, match=r"keeps \d+ tensors in 'net\.onnx\.data'") as caught:
        plan_addition(ask(parts, two))
    assert "put it beside net.onnx" in caught.value.remedy


def test_a_file_of_one_piece_is_copied_as_it_is(tmp_path):
    file = classifier(tmp_path / "whole.onnx")
    assert network_file.parts_beside(file) == []
    copy_network(file, tmp_path / "copy.onnx", sha256_of_network(file))
    assert (tmp_path / "copy.onnx").read_bytes() == file.read_bytes()
