"""What TorchScript files show: the channels of their input, several inputs, filled dictionaries."""

from __future__ import annotations

import pytest
import torch
import yaml
from torch import Tensor, nn

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.script_cutting import unwrap_script
from piyard.convert.script_inputs import script_channels, script_inputs
from piyard.convert.torchscript import freeze_script
from piyard.core.errors import ConversionFailed, WrongInput

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Scaled(nn.Module):
    """Its picture is scaled before the first convolution, which may have groups."""

    def __init__(self, channels: int, groups: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 3, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = self.first((x - 0.5) / 0.25).relu().mean((2, 3))
        return mean


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(1, 4, 3)

    def forward(self, photo: Tensor, depth: Tensor) -> Tensor:
        total: Tensor = self.first(photo).mean((2, 3)) + self.second(depth).mean((2, 3))
        return total


class Filling(nn.Module):
    """Returns a dictionary as torchvision's networks for segmentation do."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        result: dict[str, Tensor] = {}
        result["out"] = self.first(x)
        return result


@pytest.mark.parametrize("write", ["traced", "scripted"])
@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (3, 1), (4, 1), (4, 4)])
def test_channels_are_those_that_the_first_convolution_takes(write, channels, groups):
    network = Scaled(channels, groups).eval()
    program = (
        torch.jit.trace(network, torch.rand(1, channels, 9, 9))
        if write == "traced"
        else torch.jit.script(network)
    )
    frozen = freeze_script(program)
    assert (script_inputs(frozen), script_channels(frozen)) == (["x"], channels)


def test_a_network_without_convolutions_shows_none():
    frozen = freeze_script(torch.jit.trace(nn.Flatten().eval(), torch.rand(1, 3, 4, 4)))
    assert script_channels(frozen) == 0


def test_a_gray_picture_is_taken_without_a_word(tmp_path, models):
    file = tmp_path / "net.pt"
    torch.jit.trace(Scaled(1).eval(), torch.rand(1, 1, 32, 32)).save(str(file))
    planned = plan_addition(OwnModelOptions(file=file, name="mine"))
    described = yaml.safe_load(planned.written[models / "mine.yaml"])
    assert (described["input"], described["preprocess"]["order"]) == ([1, 224, 224], "gray")
    assert "assumed: input 1,224,224 (--input overrides it)" in planned.findings


def test_several_inputs_are_refused_by_their_names(tmp_path):
    file = tmp_path / "net.pt"
    examples = torch.rand(1, 3, 16, 16), torch.rand(1, 1, 16, 16)
    torch.jit.trace(Both().eval(), examples).save(str(file))
    with pytest.raises(WrongInput, match=r"net\.pt takes 2 inputs \(photo, depth\)") as caught:
        plan_addition(OwnModelOptions(file=file, name="mine", size="3,16,16"))
    assert "ONNX" in caught.value.remedy


def test_a_dictionary_that_is_filled_as_the_program_runs_is_refused_and_a_trace_is_not():
    with pytest.raises(ConversionFailed, match="fills a dictionary as it runs") as caught:
        unwrap_script(torch.jit.script(Filling().eval()))
    assert "strict=False" in caught.value.remedy
    traced = torch.jit.trace(Filling().eval(), torch.rand(1, 3, 9, 9), strict=False)
    assert unwrap_script(traced)[1] == ["out"]
