"""A TorchScript file of one's own becomes a model that is proved."""

import shutil

import pytest
import yaml

from piyard.convert import converter
from piyard.convert.converter import convert_model
from piyard.convert.own.adding import apply_addition, plan_addition
from piyard.convert.own.defaults import preprocess_options
from piyard.core.download import downloads_folder, find_file
from piyard.core.files import sha256_of_file
from piyard.models.definition import load_model, read_labels
from tests.conversion.own.adding import add, ask

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_an_interrupted_addition_leaves_nothing_and_can_be_repeated(
    script, names, models, monkeypatch
):
    before = sorted(models.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(converter, "convert_model", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add(ask(script, names))
    assert sorted(models.rglob("*")) == before
    add(ask(script, names))
    assert load_model("mine").network == "torchscript"


def interrupted(*_args, **_named):
    raise KeyboardInterrupt


def test_a_torchscript_file_is_a_model_afterwards(script, names, models, capsys):
    add(ask(script, names))
    read = load_model("mine")
    assert (read.network, read.input, read.labels) == ("torchscript", (3, 32, 32), "mine-labels")
    assert read_labels(read) == names.read_text().split("\n")[:-1]
    conversion = convert_model(load_model("mine"))
    assert not conversion.fresh
    assert conversion.has_real_weights
    assert conversion.manifest.weights.sha256 == sha256_of_file(script)
    output = capsys.readouterr()
    assert "program" in output.err
    assert "1.00000000" in output.out


def test_the_file_is_kept_where_downloads_are(script, names):
    add(ask(script, names))
    sha256 = sha256_of_file(script)
    script.unlink()
    assert find_file(sha256)
    shutil.rmtree(convert_model(load_model("mine")).folder)
    assert convert_model(load_model("mine")).fresh, "it is converted again from what was kept"


def test_a_dry_run_says_all_and_does_nothing(script, names, models, capsys):
    before = sorted(models.rglob("*"))
    add(ask(script, names), dry_run=True)
    assert sorted(models.rglob("*")) == before
    assert not downloads_folder().exists()
    output = capsys.readouterr().err
    for path in ("mine.yaml", "mine-labels.txt", str(script), str(downloads_folder())):
        assert path in output


def test_the_yaml_is_what_the_flags_said(script, names, models):
    flags = preprocess_options(fit="stretch", order="bgr", mean="1,2,3", norm="0.5,1,2")
    apply_addition(
        plan_addition(ask(script, names, preprocess=flags, task="classify", size="1x3x32x32"))
    )
    text = yaml.safe_load((models / "mine.yaml").read_text())["preprocess"]
    assert text == {
        "fit": "stretch",
        "order": "bgr",
        "mean": [1.0, 2.0, 3.0],
        "norm": [0.5, 1.0, 2.0],
    }


def test_by_its_kept_ir(script, names):
    add(ask(script, names))
    again = convert_model(load_model("mine"), route="pnnx")
    assert again.manifest.route == "pnnx"
    assert again.key != convert_model(load_model("mine")).key
