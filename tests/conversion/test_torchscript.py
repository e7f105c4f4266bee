"""TorchScript programs: how their values are called, parts of them, and what is noted in a file."""

import io
import json
import zipfile

import pytest
import torch
from torch import nn

from piyard.convert.script_cutting import cut_script, script_values
from piyard.convert.script_program import script_notes
from piyard.convert.torchscript import freeze_script, load_script
from piyard.core.errors import ConversionFailed

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]
EXAMPLE = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))


class Shared(nn.Module):
    """One convolution for two sizes, as detectors have it, after one of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.stem, self.tower = nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU())

    def forward(self, x):
        first = self.stem(x)
        second = nn.functional.max_pool2d(first, 2)
        return self.tower(first).sum(1), (self.tower(second), first)


class Counting(nn.Module):
    """Counts its inferences."""

    def __init__(self):
        super().__init__()
        self.first, self.count = nn.Conv2d(3, 2, 1), 0

    def forward(self, x):
        self.count += 1
        return self.first(x) + self.count


@pytest.fixture
def shared():
    return Shared().eval()


def traced(network):
    return torch.jit.trace(network, EXAMPLE).eval()


def scripted(network):
    return torch.jit.script(network).eval()


def reloaded(program):
    """As a file has it."""
    saved = io.BytesIO()
    torch.jit.save(program, saved)
    return torch.jit.load(io.BytesIO(saved.getvalue())).eval()


def names(program):
    return list(script_values(freeze_script(program)))


@pytest.mark.parametrize("network", [traced, scripted])
def test_values_are_called_as_in_the_original(shared, network):
    assert names(reloaded(network(shared))) == ["stem", "tower.0", "tower.0:2", "out0", "out1"]


def test_a_program_frozen_before_it_was_saved_has_numbers(shared):
    program = reloaded(torch.jit.freeze(traced(shared)))
    assert names(program) == ["conv0", "conv1", "conv2", "out0", "out1"]


def test_freezing_again_changes_nothing(shared):
    once = freeze_script(traced(shared))
    assert freeze_script(once) is once


@pytest.mark.parametrize("network", [traced, scripted])
def test_a_part_computes_what_the_whole_does(shared, network):
    part = cut_script(reloaded(network(shared)), ["tower.0:2", "out0", "stem"])
    with torch.no_grad():
        stem = shared.stem(EXAMPLE)
        expected = [
            shared.tower[0](nn.functional.max_pool2d(stem, 2)),
            shared.tower(stem).sum(1),
            stem,
        ]
        for each, other in zip(part(EXAMPLE), expected, strict=True):
            torch.testing.assert_close(each, other)


def test_one_output_is_no_tuple(shared):
    part = cut_script(traced(shared), ["stem"])
    torch.testing.assert_close(part(EXAMPLE), shared.stem(EXAMPLE))


def test_what_no_output_needs_is_left_out(shared):
    part = cut_script(traced(shared), ["stem"])
    kinds = [node.kind() for node in part.graph.nodes()]
    assert kinds.count("aten::_convolution") == 1
    assert "aten::max_pool2d" not in kinds


def test_a_part_can_be_saved_and_cut_again(shared):
    part = reloaded(cut_script(traced(shared), ["tower.0", "stem"]))
    assert names(part) == ["conv0", "conv1"]
    torch.testing.assert_close(cut_script(part, ["conv0"])(EXAMPLE), shared.stem(EXAMPLE))


def test_the_whole_stays_as_it_is(shared):
    program = traced(shared)
    cut_script(program, ["stem"])
    torch.testing.assert_close(program(EXAMPLE), shared(EXAMPLE))


def test_a_name_there_is_not(shared):
    with pytest.raises(ConversionFailed, match=r"no convolution 'tower\.1'.*tower\.0"):
        cut_script(traced(shared), ["stem", "tower.1"])


def test_a_program_that_remembers_is_no_network():
    with pytest.raises(ConversionFailed, match="from one inference to the next"):
        cut_script(scripted(Counting()), ["out0"])


def test_a_program_of_operations_that_are_not_torchs(tmp_path, shared):
    """As one that ends with non-maximum suppression, which is torchvision's."""
    traced(shared).save(str(tmp_path / "whole.pt"))
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(tmp_path / "other.pt", "w", zipfile.ZIP_STORED) as other,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            other.writestr(name, content.replace(b"torch.max_pool2d(", b"ops.elsewhere.nms("))
    with pytest.raises(ConversionFailed, match="torch alone does not have") as caught:
        load_script(tmp_path / "other.pt")
    assert "elsewhere::nms" in caught.value.evidence
    assert "nms=False" in caught.value.remedy


def test_a_program_without_forward_is_no_network(tmp_path):
    class Nothing(nn.Module):
        @torch.jit.export
        def other(self, x: torch.Tensor) -> torch.Tensor:
            return x

    scripted(Nothing()).save(str(tmp_path / "net.pt"))
    with pytest.raises(ConversionFailed, match=r"net\.pt has no method 'forward'"):
        load_script(tmp_path / "net.pt")


# -- notes -------------------------------------------------------------------------------------


@pytest.fixture
def noted(tmp_path, shared):
    def write(text):
        file = tmp_path / "net.torchscript"
        torch.jit.save(traced(shared), str(file), _extra_files={"config.txt": text})
        return file

    return write


def test_what_an_exporter_noted(noted):
    result = {"task": "detect", "imgsz": [64, 32], "names": {"0": "cat"}}
    assert script_notes(noted(json.dumps(result))) == result


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[1, 2]", "7", "[" * 100_000, json.dumps({"a": "b" * 1_000_000})],
)
def test_notes_that_are_none(noted, text):
    assert script_notes(noted(text)) == {}


def test_a_program_without_notes(tmp_path, shared):
    traced(shared).save(str(tmp_path / "net.pt"))
    assert script_notes(tmp_path / "net.pt") == {}


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_archive_has_none(tmp_path, content):
    (tmp_path / "net.pt").write_bytes(content)
    assert script_notes(tmp_path / "net.pt") == {}


def test_an_archive_that_is_damaged_where_the_notes_are(noted):
    file = noted(json.dumps({"task": "detect"}))
    with zipfile.ZipFile(file) as archive:
        (entry,) = [each for each in archive.infolist() if each.filename.endswith("config.txt")]
    content = bytearray(file.read_bytes())
    at = content.index(b'"task"', entry.header_offset)
    content[at : at + 6] = b'"tusk"'
    file.write_bytes(content)
    assert script_notes(file) == {}
