"""What pnnx leaves behind, and how it can fail, on nets of a few layers."""

import signal

import pytest
import torch
from torch import nn

from piyard.convert import lowering
from piyard.convert.lint import require_supported
from piyard.convert.lowering import BIN_FILE, kept_files, lower_program, trace_network
from piyard.convert.param import MAIN_STEM
from piyard.core.errors import ConversionFailed
from piyard.core.sandbox import launch
from piyard.core.sandbox.launch import start_program

SHAPE = (3, 8, 8)
LINES = "\n".join(map(str, range(99)))


class Folding(nn.Module):
    """torch.fft has no layer in ncnn."""

    def forward(self, x):
        return torch.fft.fft2(x).real


@pytest.fixture
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture
def lower(scratch):
    def lower(network, at, shape=SHAPE):
        shapes = [(1, *shape)]
        with torch.no_grad():
            program = trace_network(network.eval(), shapes, (), scratch, MAIN_STEM)
        return lower_program(program, shapes, at, half=False)

    return lower


def test_layers_are_read_back(lower, tmp_path):
    layers = lower(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), tmp_path)
    assert [layer.type for layer in layers] == ["Input", "Convolution"]
    assert layers[0].tops == layers[1].bottoms == ["in0"]
    assert layers[1].tops == ["out0"]


def test_only_what_is_wanted_stays(lower, tmp_path):
    lower(nn.ReLU(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept_files())


def test_weights_are_stored_in_fp32(lower, tmp_path):
    lower(nn.Conv2d(3, 4, 3), tmp_path)
    assert (tmp_path / BIN_FILE).stat().st_size == 4 + 4 * (4 * 3 * 9) + 4 * 4


def test_an_operation_without_a_layer_names_its_line(lower, tmp_path):
    with pytest.raises(ConversionFailed) as caught:
        lower(Folding(), tmp_path)
    assert "model.ncnn.param:" in caught.value.evidence
    assert "fft" in caught.value.evidence


@pytest.mark.parametrize(
    "line",
    ["pnnx.Expression expr_0 1 1 in0 out0", "aten::foo x 1 1 in0 out0", "Reluu r 1 1 in0 out0"],
)
def test_a_layer_ncnn_does_not_have(tmp_path, line):
    param = tmp_path / "model.ncnn.param"
    param.write_text(f"7767517\n2 2\nInput in0 0 1 in0\n{line}\n")
    with pytest.raises(ConversionFailed) as caught:
        require_supported(tmp_path)
    assert f"model.ncnn.param:4: {line}" in caught.value.evidence


@pytest.mark.parametrize("text", ["", "nonsense", "7767517\n2 2\nInput in0 0\n"])
def test_a_param_that_is_none(tmp_path, text):
    (tmp_path / "a.ncnn.param").write_text(text)
    with pytest.raises(ConversionFailed, match=r"a\.ncnn\.param"):
        require_supported(tmp_path, "a")


def program(tmp_path, body):
    path = tmp_path / "fake-pnnx"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_pnnx_that_fails_shows_its_last_lines(lower, tmp_path, monkeypatch):
    fake = program(tmp_path, f"echo '{LINES}'; echo what went wrong >&2; exit 3")
    monkeypatch.setattr(lowering, "_pnnx_path", lambda: fake)
    (tmp_path / "at").mkdir()
    with pytest.raises(ConversionFailed, match="code 3") as caught:
        lower(nn.ReLU(), tmp_path / "at")
    assert caught.value.evidence.splitlines()[-1] == "what went wrong"
    assert len(caught.value.evidence.splitlines()) <= 20


def test_pnnx_that_ends_well_and_writes_nothing(lower, tmp_path, monkeypatch):
    fake = program(tmp_path, "exit 0")
    monkeypatch.setattr(lowering, "_pnnx_path", lambda: fake)
    (tmp_path / "at").mkdir()
    with pytest.raises(ConversionFailed):
        lower(nn.ReLU(), tmp_path / "at")


def test_pnnx_that_hangs_is_ended(lower, tmp_path, monkeypatch):
    fake = program(tmp_path, "exec sleep 60")
    started, start = [], start_program

    def watched(*arguments, **named):
        started.append(start(*arguments, **named))
        return started[-1]

    monkeypatch.setattr(launch, "start_program", watched)
    monkeypatch.setattr(lowering, "_pnnx_path", lambda: fake)
    monkeypatch.setattr(lowering, "PNNX_LIMIT_S", 1.0)
    (tmp_path / "at").mkdir()
    with pytest.raises(ConversionFailed, match="1 s"):
        lower(nn.ReLU(), tmp_path / "at")
    assert started[0].popen.returncode == -signal.SIGKILL


def test_a_folder_with_blanks_and_quotes_in_its_name(lower, tmp_path):
    at = tmp_path / 'it\'s a "folder" $HOME; ls'
    at.mkdir()
    assert lower(nn.ReLU(), at)
