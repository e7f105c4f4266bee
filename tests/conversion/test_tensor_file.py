"""Files of plain tensors, written here byte by byte as the format says."""

import json
import struct

import pytest
import torch

from piyard.core.errors import ConversionFailed
from piyard.models.checkpoint import checkpoint_notes, open_checkpoint
from piyard.models.tensor_file import read_tensor_file, write_tensor_file
from tests.support.checkpoints import read_checkpoint

STATE = {
    "a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a.bias": torch.tensor([0.5, -2], dtype=torch.float16),
    "steps": torch.tensor(7),
    "nothing": torch.zeros(0, 4),
}
CODES = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}


def written(path, state=None, *, header=None, cut=0):
    entries: dict[str, object] = {"__metadata__": {"format": "pt", "author": "me"}}
    content = b""
    for name, tensor in (state or STATE).items():
        raw = tensor.numpy().tobytes()
        at = [len(content), len(content) + len(raw)]
        entries[name] = {
            "dtype": CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": at,
        }
        content += raw
    text = json.dumps(entries | (header or {})).encode()
    whole = struct.pack("<Q", len(text)) + text + content
    path.write_bytes(whole[: len(whole) - cut])
    return path


@pytest.mark.parametrize("name", ["net.safetensors", "9f86d0"])
def test_every_tensor_comes_back(name, tmp_path):
    read = open_checkpoint(written(tmp_path / name))
    assert read.state.keys() == STATE.keys()
    for key, values in read.state.items():
        assert torch.equal(values, STATE[key].float() if "." in key else STATE[key])
    assert read.stored == "float16, float32"


def test_notes_are_those_of_its_header(tmp_path):
    assert checkpoint_notes(written(tmp_path / "net.safetensors"))["author"] == "me"


def entry(**other):
    return {"a.bias": {"dtype": "F16", "shape": [2], "data_offsets": [24, 28]} | other}


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (entry(data_offsets=[24, 2**40]), "no room"),
        (entry(data_offsets=[28, 24]), "no room"),
        (entry(data_offsets=[-4, 0]), "no room"),
        (entry(shape=[3]), "no room"),
        (entry(shape=[-1, -2]), "of a type or shape"),
        (entry(dtype="F12"), "of a type or shape"),
        ({"a.bias": "text"}, "a.bias"),
    ],
)
def test_a_header_that_lies_is_refused(header, why, tmp_path):
    with pytest.raises(ConversionFailed, match=rf"net\.safetensors is not a readable .*{why}"):
        read_checkpoint(written(tmp_path / "net.safetensors", header=header))


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, struct.pack("<Q", 3) + b"{]x", b"PK\x03"])
def test_what_is_no_such_file_is_refused(content, tmp_path):
    (tmp_path / "net.safetensors").write_bytes(content)
    with pytest.raises(ConversionFailed, match="not a readable"):
        read_checkpoint(tmp_path / "net.safetensors")


def test_a_cut_file_is_refused(tmp_path):
    with pytest.raises(ConversionFailed, match="the file is cut"):
        read_checkpoint(written(tmp_path / "net.safetensors", cut=1))


def test_what_is_written_is_read_and_depends_on_no_order(tmp_path):
    for name, state in (("a", STATE), ("b", dict(reversed(STATE.items())))):
        write_tensor_file(tmp_path / name, state)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    read = dict(read_tensor_file(tmp_path / "a"))
    assert list(read) == sorted(STATE)
    for key, values in STATE.items():
        assert read[key].dtype == values.dtype
        assert torch.equal(read[key], values)


def test_values_begin_at_a_multiple_of_eight(tmp_path):
    write_tensor_file(tmp_path / "a", STATE)
    (length,) = struct.unpack("<Q", (tmp_path / "a").read_bytes()[:8])
    assert length % 8 == 0
