"""Masks that were found go into the model's YAML."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import read_layers
from piyard.convert.param import FP32_MASK, MASK_KEY
from piyard.core.errors import WrongInput
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.prove.board_proof import prove_on_board
from piyard.prove.model_masks import save_masks, with_masks
from tests.conversion.prove.explaining import convolutions, helped


@pytest.fixture
def needing(place, proof_inputs, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (FP32_MASK, 0.5)})
    return wrong, helped(place, proof_inputs)


def test_masks_go_into_the_yaml_and_the_next_conversion(needing, conversion):
    name, result = needing
    (path,) = save_masks([result])
    assert load_model("small").masks == {"random": {name: FP32_MASK}}
    before = path.read_text()
    assert before.startswith("title:")
    again = convert_model(load_model("small"), random_weights=True)
    assert again.key != conversion.key
    assert again.manifest.masks == {name: FP32_MASK}
    layer = next(each for each in read_layers(again.folder) if each.name == name)
    assert layer.number(MASK_KEY) == FP32_MASK
    save_masks([result])
    assert path.read_text() == before


def test_by_another_route_names_may_mean_other_layers(needing):
    _, result = needing
    save_masks([result])
    other = convert_model(load_model("small"), random_weights=True, route="script")
    assert other.manifest.masks == {}
    assert not any(layer.number(MASK_KEY) for layer in read_layers(other.folder))


def test_masks_of_other_weights_stay_and_do_not_count(needing, conversion, small):
    name, result = needing
    path = definition.MODELS_FOLDER / "small.yaml"
    path.write_text(path.read_text() + 'masks:\n  "0123abcd":\n    Convolution: 3\n# the end\n')
    assert convert_model(load_model("small"), random_weights=True).key == conversion.key
    save_masks([result])
    text = yaml.safe_load(path.read_text())["masks"]
    assert text == {"0123abcd": {"Convolution": 3}, "random": {name: FP32_MASK}}
    assert "# the end" in path.read_text()


def test_boards_that_need_different_layers_add_up(needing):
    name, result = needing
    other = msgspec.structs.replace(result, masks={"conv_0": 1, name: FP32_MASK})
    save_masks([result, other])
    assert load_model("small").masks == {"random": {name: 3, "conv_0": 1}}


NAMES = {"0_22": 1, "no": 3, "*x": 1, "a: b": 1, "@y": 3, "head:conv_1": 1, '"': 1, "123": 1}
BEFORE = "title: a\ninput: [3, 4, 4] # sizes\n"
BLOCKS = {
    "none": "",
    "without an end": "masks:\n  random:\n    conv_9: 1",
    "with blank lines": "masks:\n\n  random:\n\n    conv_9: 1\n\n",
    "with comments": "masks: # found\n# why\n  random:\n# because\n    conv_9: 1\n",
    "in one line": "masks: {random: {conv_9: 1}}\n",
    "in braces": "masks: {\n  random: {conv_9: 1},\n}\n",
    "empty": "masks: {}",
}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("after", ["", "# the end\n", "noise: [0, 1]\n# the end\n"])
def test_whatever_stands_there_is_replaced_and_the_rest_stays(block, after):
    end = "" if BLOCKS[block].endswith("\n") or not after else "\n"
    text = with_masks(BEFORE + BLOCKS[block] + end + after, "mine", {"0123abcd": NAMES})
    result = yaml.safe_load(text)
    assert result.pop("masks") == {"0123abcd": NAMES}
    assert result == yaml.safe_load(BEFORE + after)
    assert text.startswith(BEFORE)
    assert ("# the end" in text) == ("# the end" in after)
    assert with_masks(text, "mine", {"0123abcd": NAMES}) == text


def test_what_still_fails_is_not_kept(place, proof_inputs, board):
    board({"Pooling": (4, 0.5)})
    failed = prove_on_board(place, proof_inputs)
    assert save_masks([failed]) == []
    assert load_model("small").masks == {}


@pytest.mark.parametrize("name", ["conv_99", "Deconvolution", "head:conv_1"])
def test_a_mask_for_no_layer_is_one_line(small, name):
    path = definition.MODELS_FOLDER / f"{small()}.yaml"
    path.write_text(path.read_text() + f"masks:\n  random:\n    {name}: 1\n")
    with pytest.raises(WrongInput, match=f"no layer '{name}' to mask"):
        convert_model(load_model("small"), random_weights=True)
