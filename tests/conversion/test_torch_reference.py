"""The desktop's reference against torchvision itself."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from piyard.core.paths import ROOT
from piyard.models.architectures.classifiers import torchvision_models
from piyard.models.definition import load_model, model_names, read_labels
from piyard.models.networks import CLASSIFIERS, build_network
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture

SIZES = [(256, 256), (500, 375), (375, 500), (257, 999), (224, 224), (100, 37), (301, 1024), (9, 2)]
WEIGHTS = {
    "resnet18": "ResNet18_Weights",
    "resnet50": "ResNet50_Weights",
    "mobilenet_v2": "MobileNet_V2_Weights",
    "shufflenet_v2": "ShuffleNet_V2_X1_0_Weights",
    "squeezenet1_1": "SqueezeNet1_1_Weights",
}


def official(name):
    return getattr(torchvision_models(), WEIGHTS[name]).IMAGENET1K_V1


@pytest.fixture(params=sorted(WEIGHTS))
def name(request):
    return request.param


def test_every_classifier_of_torchvision_is_checked_here():
    files = {name: load_model(name).weights for name in model_names()}
    theirs = {name for name, of in files.items() if of and of[0].source.startswith("torchvision")}
    assert {name for name in theirs if load_model(name).task == "classify"} == set(WEIGHTS)


@pytest.mark.parametrize("size", SIZES)
def test_preprocessing_is_torchvisions(name, size):
    pixels = np.random.default_rng(sum(size)).integers(0, 256, (*size[::-1], 3), np.uint8)
    picture = Image.fromarray(pixels)
    expected = official(name).transforms()(picture).numpy()
    got = prepare_picture(picture, load_model(name).preprocess, (224, 224))
    assert np.abs(got - expected).max() < 2e-6


def test_preprocessing_of_real_pictures_is_torchvisions(name, mirror):
    transform, rules = official(name).transforms(), load_model(name).preprocess
    for path in sorted((mirror / "data/imagenet500/images").glob("*.jpg"))[::50]:
        picture = read_picture(path)
        got = prepare_picture(picture, rules, (224, 224))
        assert np.abs(got - transform(picture).numpy()).max() < 2e-6


def test_figures_and_labels_are_torchvisions(name):
    read, meta = load_model(name), official(name).meta
    assert read_labels(read) == meta["categories"]
    assert read.published.params == meta["num_params"]
    assert read.published.macs == pytest.approx(meta["_ops"] * 1e9)
    assert read.published.top1 == meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert read.weights[0].url == official(name).url


@pytest.mark.parametrize("network", sorted(CLASSIFIERS))
def test_every_classifier_is_one_of_torchvisions(network):
    assert callable(getattr(torchvision_models(), network))


def test_number_of_classes_is_the_labels():
    assert build_network("resnet18", 7).state_dict()["fc.bias"].shape == (7,)


def test_shim_leaves_real_operators_alone():
    """On a machine where torchvision's operators exist, they are not declared again."""
    program = (
        "import torch\n"
        "real = torch.library.Library('torchvision', 'DEF')\n"
        "boxes = 'Tensor dets, Tensor scores, float iou_threshold'\n"
        "for name in ('nms', 'qnms'):\n"
        "    real.define(f'{name}({boxes}) -> Tensor')\n"
        "real.impl('nms', lambda dets, scores, iou: scores.new_tensor([42]), 'CPU')\n"
        "from piyard.models.architectures.classifiers import torchvision_models\n"
        "assert torchvision_models().resnet18\n"
        "print(torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5).item())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("42.0", 0), done.stderr


def test_inference_restores_what_it_changed():
    from piyard.models.networks import inference

    def fail():
        assert not torch.is_grad_enabled()
        raise ZeroDivisionError

    before = torch.get_num_threads(), torch.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), inference():
        fail()
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == before
