"""What a file is for when nobody says: by its inputs, its outputs and the names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from piyard.cli.own_models import add_model
from piyard.convert.converter import convert_model
from piyard.convert.onnx.graph import graph_input_shapes, set_input_shapes
from piyard.convert.onnx.inputs import turn_inputs
from piyard.convert.own.adding import Addition, plan_addition
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.own.images import describe_images
from piyard.core.errors import WrongInput
from piyard.models import definition
from piyard.models.definition import load_model
from tests.support.originals import reference_model

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def options(file: Path, **more: Any) -> OwnModelOptions:
    return OwnModelOptions(file=file, name="mine", **more)


def described(planned: Addition) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(planned.written[definition.MODELS_FOLDER / "mine.yaml"])
    return read


def saved(file: Path, net: nn.Module, *shapes: Sequence[int], names: Sequence[str] = ()) -> Path:
    torch.manual_seed(4)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    fed = tuple(torch.zeros(1, *shape) for shape in shapes)
    export: Any = torch.onnx.export
    export(net.eval(), fed, str(file), dynamo=False, output_names=list(names) or None)
    return file


def maps(channels: int, *after: nn.Module, up: int = 1) -> nn.Module:
    steps: list[nn.Module] = [nn.Conv2d(3, channels * up * up, 3, padding=1)]
    return nn.Sequential(*steps, *([nn.PixelShuffle(up)] if up > 1 else []), *after)


class Pair(nn.Module):
    """A picture and three numbers → five numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.join = nn.Conv2d(3, 4, 3), nn.Linear(7, 5)

    def forward(self, picture: Tensor, numbers: Tensor) -> Tensor:
        seen = torch.relu(self.look(picture)).mean(dim=(2, 3))
        result: Tensor = self.join(torch.cat([seen, numbers], dim=1))
        return result


class Named(nn.Module):
    """A dictionary of two outputs, neither of them a convolution's."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 4, 3)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        seen = torch.relu(self.look(picture))
        return {"features": seen.mean(dim=(2, 3)), "largest": seen.amax(dim=(2, 3))}


@pytest.fixture
def four(tmp_path):
    (tmp_path / "four.txt").write_text("sky\nroad\ncar\ntree\n")
    return str(tmp_path / "four.txt")


# -- tasks -------------------------------------------------------------------------------------


def test_without_names_the_outputs_are_what_counts_and_that_is_said(tmp_path):
    file = saved(tmp_path / "net.onnx", maps(4), (3, 16, 16), names=["scores"])
    planned = plan_addition(options(file))
    result = described(planned)
    assert (result["task"], result.get("images"), result.get("head")) == ("other", None, None)
    assert "task" in result["assumed"]
    (line,) = [line for line in planned.lines if "task other" in line]
    assert "scores (4x16x16)" in line
    assert "--task overrides it" in line


def test_a_map_a_name_is_semantic_segmentation(tmp_path, four):
    file = saved(tmp_path / "net.onnx", maps(4), (3, 16, 16))
    addition = described(plan_addition(options(file, labels=four)))
    assert (addition["task"], addition["head"]) == ("semantic", {"kind": "semantic", "output": 0})
    assert addition["preprocess"]["fit"] == "stretch"


@pytest.mark.parametrize(
    ("after", "threshold"), [([], 0.0), ([nn.Sigmoid()], 0.5)], ids=["logits", "probabilities"]
)
def test_one_map_of_two_classes_is_cut_in_the_middle(tmp_path, two, after, threshold):
    file = saved(tmp_path / "net.onnx", maps(1, *after), (3, 16, 16))
    addition = described(plan_addition(options(file, labels=str(two))))
    assert addition["head"] == {"kind": "semantic", "output": 0, "threshold": threshold}


def test_what_ends_in_the_largest_class_is_cut_before_that(tmp_path, four):
    class Chosen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, picture: Tensor) -> Tensor:
            return self.look(picture).argmax(dim=1)  # type: ignore[no-any-return]

    file = saved(tmp_path / "net.onnx", Chosen(), (3, 16, 16))
    planned = plan_addition(options(file, labels=four))
    result = described(planned)
    assert (result["task"], len(result["cut"])) == ("semantic", 1)
    add_model(options(file, labels=four), force=False, form="plain", dry_run=False)
    assert convert_model(load_model("mine")).manifest.reference.outputs == {"out0": [4, 16, 16]}


def test_names_that_fit_no_output_are_refused_with_what_there_is(tmp_path, two):
    file = saved(tmp_path / "net.onnx", maps(4), (3, 16, 16), names=["scores"])
    with pytest.raises(WrongInput, match=r"none of its outputs is for 2 classes: scores \(4x16x16"):
        plan_addition(options(file, labels=str(two)))


def test_a_classifier_is_still_one(tmp_path, two):
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    file = saved(tmp_path / "net.onnx", net, (3, 16, 16))
    assert described(plan_addition(options(file, labels=str(two))))["task"] == "classify"


def test_a_detector_needs_no_guess(tmp_path, two):
    """What the user states stays."""
    file = saved(tmp_path / "net.onnx", maps(7), (3, 16, 16))
    stated = options(file, labels=str(two), task="detect", head="yolox", strides=[1])
    assert described(plan_addition(stated))["task"] == "detect"


# -- pictures ----------------------------------------------------------------------------------


def images(planned: Addition) -> Any:
    return described(planned).get("images")


def test_three_channels_at_a_multiple_of_the_input_are_a_picture(tmp_path):
    file = saved(tmp_path / "net.onnx", maps(3, up=2), (3, 16, 12))
    planned = plan_addition(options(file))
    assert images(planned) == {"out0": [0.0, 1.0]}
    result = described(planned)
    assert result["preprocess"]["mean"] == [0, 0, 0], (
        "a picture in, a picture out: levels from 0 to 1"
    )
    assert "assumed: out0 is a picture, 0 and 1 are black and white (--images overrides it)" in (
        planned.lines
    )


@pytest.mark.parametrize(("after", "span"), [([], "own"), ([nn.Sigmoid()], [0.0, 1.0])])
def test_one_map_is_a_picture_by_its_own_range_or_a_share(tmp_path, after, span):
    file = saved(tmp_path / "net.onnx", maps(1, *after), (3, 16, 16))
    assert images(plan_addition(options(file))) == {"out0": span}


def test_what_is_a_picture_can_be_said(tmp_path):
    file = saved(tmp_path / "net.onnx", maps(3), (3, 16, 16), names=["sharp"])
    assert images(plan_addition(options(file, images="sharp=-1:1"))) == {"out0": [-1.0, 1.0]}
    assert images(plan_addition(options(file, images="out0=own"))) == {"out0": "own"}
    assert images(plan_addition(options(file, images="none"))) is None
    for wrong in ("blurred=0:1", "sharp", "sharp=a:b", "sharp=1"):
        with pytest.raises(WrongInput, match=f"--images {wrong}"):
            plan_addition(options(file, images=wrong))


# -- several inputs ----------------------------------------------------------------------------


def test_several_inputs_are_fed_and_proved(tmp_path):
    file = saved(tmp_path / "net.onnx", Pair(), (3, 16, 16), (3,))
    planned = plan_addition(options(file))
    result = described(planned)
    (further,) = result["further"]
    assert (result["task"], further["shape"], further["picture"]) == ("other", [3], False)
    assert any("2 inputs" in line for line in planned.lines)
    add_model(options(file), force=False, form="plain", dry_run=False)
    model = load_model("mine")
    conversion = convert_model(model)
    assert conversion.input_shapes == [(3, 16, 16), (3,)]
    proof = conversion.manifest.proof["fp32"].inputs
    assert {figures["out0"].cosine > 0.9999 for figures in proof.values()} == {True}


def test_a_second_picture_is_recognised(tmp_path):
    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 4, 3)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            result: Tensor = (self.look(left) - self.look(right)).mean(dim=(2, 3))
            return result

    file = saved(tmp_path / "net.onnx", Twins(), (3, 16, 16), (3, 16, 16))
    (further,) = described(plan_addition(options(file)))["further"]
    assert (further["shape"], further["picture"]) == ([3, 16, 16], True)


# -- channels last, bytes ----------------------------------------------------------------------


class ChannelsLast(nn.Module):
    def __init__(self, *, scaled: bool = False) -> None:
        super().__init__()
        self.look, self.scaled = nn.Conv2d(3, 5, 3), scaled

    def forward(self, picture: Tensor) -> Tensor:
        first = picture.permute(0, 3, 1, 2)
        levels = first.float() / 255 if self.scaled else first
        return torch.relu(self.look(levels)).mean(dim=(2, 3))


def computed(graph: Any, fed: NDArray[Any]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    (output,) = session.run(None, {session.get_inputs()[0].name: fed})
    result: NDArray[np.float32] = output
    return result


def assert_alike(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """But for the order of sums."""
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_an_input_with_the_channels_last_computes_the_same_turned(tmp_path):
    file = saved(tmp_path / "net.onnx", ChannelsLast(), (16, 12, 3))
    whole = onnx.load(file)
    turned = turn_inputs(whole, [(3, 16, 12)])
    assert graph_input_shapes(turned) == [[1, 3, 16, 12]]
    assert "Transpose" not in {node.op_type for node in turned.graph.node}
    fed = np.random.default_rng(1).normal(size=(1, 16, 12, 3)).astype("f4")
    expected = computed(whole, fed)
    assert_alike(computed(turned, fed.transpose(0, 3, 1, 2)), expected)
    planned = plan_addition(options(file))
    assert described(planned)["input"] == [3, 16, 12]
    assert any("channels last" in line for line in planned.lines)


def test_bytes_become_floats_of_the_same_levels(tmp_path):
    file = tmp_path / "net.onnx"
    export: Any = torch.onnx.export
    zeros = torch.zeros(1, 16, 12, 3, dtype=torch.uint8)
    export(ChannelsLast(scaled=True).eval(), (zeros,), str(file), dynamo=False)
    whole = onnx.load(file)
    turned = set_input_shapes(turn_inputs(whole, [(3, 16, 12)]), [(1, 3, 16, 12)])
    assert not {"Transpose", "Cast"} & {node.op_type for node in turned.graph.node}
    fed = np.random.default_rng(1).integers(0, 256, (1, 16, 12, 3)).astype("u1")
    first = fed.transpose(0, 3, 1, 2).astype("f4")
    assert_alike(computed(turned, first), computed(whole, fed))
    addition = described(plan_addition(options(file)))
    assert (addition["preprocess"]["norm"], addition["noise"]) == ([1, 1, 1], [0, 255])


def test_channels_first_stay_as_they_are(tmp_path):
    whole = onnx.load(saved(tmp_path / "net.onnx", maps(4), (3, 16, 4)))
    assert turn_inputs(whole, [(3, 16, 4)]) is whole


def test_a_reader_that_does_not_turn_gets_it_turned(tmp_path):
    """Without a Transpose at the front, one is put there."""

    class Flat(nn.Module):
        def forward(self, picture: Tensor) -> Tensor:
            return picture.mean(dim=(1, 2))

    whole = onnx.load(saved(tmp_path / "net.onnx", Flat(), (8, 8, 3)))
    fed = np.random.default_rng(1).normal(size=(1, 8, 8, 3)).astype("f4")
    turned = turn_inputs(whole, [(3, 8, 8)])
    assert_alike(computed(turned, fed.transpose(0, 3, 1, 2)), computed(whole, fed))


# -- dictionaries ------------------------------------------------------------------------------


def test_a_dictionarys_outputs_have_its_keys(tmp_path):
    torch.manual_seed(3)
    net, fed = Named().eval(), torch.rand(1, 3, 16, 16)
    file = tmp_path / "net.pt"
    trace: Any = torch.jit.trace
    trace(net, fed, strict=False).save(str(file))
    planned = plan_addition(options(file, size="3,16,16"))
    assert any("features (4), largest (4)" in line for line in planned.lines)
    add_model(options(file, size="3,16,16"), force=False, form="plain", dry_run=False)
    conversion = convert_model(load_model("mine"))
    assert conversion.manifest.reference.names == ["features", "largest"]
    original = reference_model(conversion.model, _weights(conversion.model))
    for output, expected in zip(original.run(fed[0].numpy()), net(fed).values(), strict=True):
        np.testing.assert_allclose(output, expected[0].detach().numpy(), rtol=1e-5, atol=1e-6)


def _weights(model: Any) -> Any:
    from piyard.convert.model_files import choose_files

    return choose_files(model).main


def test_pictures_of_one_range_are_described_together() -> None:
    text = describe_images({"out0": (0.0, 1.0), "out1": "own", "out2": (0.0, 1.0)})
    assert text == (
        "out0, out2 are pictures, 0 and 1 are black and white; "
        "out1 is a picture, its least and its largest value are black and white"
    )
