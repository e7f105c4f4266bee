"""A TorchScript detector of one's own: it is cut, its head is decoded on the board."""

import pytest
import torch
from torch import nn

from piyard.convert.converter import convert_model
from piyard.convert.script_cutting import script_values
from piyard.convert.torchscript import freeze_script, load_script
from piyard.core.errors import ConversionFailed
from piyard.models.definition import load_model
from tests.conversion.own.adding import add, as_detector

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Detector(nn.Module):
    """Two levels of a YOLOX head with two classes; a sigmoid comes after, as in real ones."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(13)
        self.levels = nn.ModuleList(nn.Conv2d(3, 7, side, side) for side in (8, 16))

    def forward(self, x):
        return torch.cat([level(x).flatten(2) for level in self.levels], 2).sigmoid()


@pytest.fixture(params=["traced", "frozen"])
def detecting_script(request, tmp_path):
    program = torch.jit.trace(Detector().eval(), torch.zeros(1, 3, 64, 64))
    program = torch.jit.freeze(program) if request.param == "frozen" else program
    program.save(str(tmp_path / "det.torchscript"))
    return tmp_path / "det.torchscript"


def test_a_program_is_cut_where_decoding_begins(detecting_script, two, capsys):
    add(as_detector(detecting_script, two, strides=[8, 16], cut=[]))
    assert len(load_model("mine").cut) == 2
    assert "cut where decoding begins (it was run to find that), at: " in capsys.readouterr().err
    conversion = convert_model(load_model("mine"))
    assert conversion.manifest.original == "torch"
    assert conversion.manifest.reference.outputs == {"out0": [7, 8, 8], "out1": [7, 4, 4]}
    assert conversion.manifest.params == 7 * 3 * (8 * 8 + 16 * 16) + 2 * 7


def test_a_program_is_cut_where_the_user_says(detecting_script, two):
    there = list(script_values(freeze_script(load_script(detecting_script))))
    add(as_detector(detecting_script, two, strides=[16], cut=[there[1]]))
    assert convert_model(load_model("mine")).manifest.reference.outputs == {"out0": [7, 4, 4]}


def test_a_cut_that_is_none_leaves_nothing(detecting_script, two, models):
    before = sorted(models.rglob("*"))
    with pytest.raises(ConversionFailed, match="no convolution 'levels'") as caught:
        add(as_detector(detecting_script, two, cut=["levels"]))
    assert "kept" not in caught.value.remedy, "pnnx has not run"
    assert sorted(models.rglob("*")) == before
