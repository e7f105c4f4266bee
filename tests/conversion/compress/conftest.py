"""A small classifier in a models/ of the test's own, and pictures that it can tell apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from piyard.compress import counting
from piyard.core.download import downloads_folder
from piyard.core.files import sha256_of_file
from piyard.models import definition
from piyard.models.networks import build_network, inference
from piyard.models.synthetic import randomise
from piyard.models.tensor_file import write_tensor_file

CLASSES = ("top", "bottom", "left", "right")
PICTURES = 12
"""Of each class."""
NETWORK = "small_cnn/w16-d1-k3-dense-c3"


def draw(name: str, number: int) -> Image.Image:
    """A picture whose half of that name is bright."""
    levels = np.random.default_rng(number).integers(0, 120, (28, 28))
    first, second, every = slice(0, 14), slice(14, 28), slice(0, 28)
    rows, columns = {
        "top": (first, every),
        "bottom": (second, every),
        "left": (every, first),
        "right": (every, second),
    }[name]
    levels[rows, columns] += 120
    return Image.fromarray(levels.astype(np.uint8))


@pytest.fixture(scope="session")
def halves(tmp_path_factory) -> Path:
    """A folder a class."""
    folder: Path = tmp_path_factory.mktemp("data") / "halves"
    for at, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(PICTURES):
            draw(name, 100 * at + number).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def small(tmp_path, monkeypatch) -> str:
    """The name of the model: its weights are seeded, its folders this test's own."""
    models = tmp_path / "models"
    (models / "labels").mkdir(parents=True)
    (models / "labels" / "halves.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    monkeypatch.setattr(definition, "MODELS_FOLDER", models)
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    add_model("small", NETWORK, len(CLASSES), labels="halves")
    return "small"


def add_model(name: str, network: str, classes: int, labels: str, mean: float = 127.5) -> None:
    """A YAML in models/, and seeded weights in the cache."""
    module = build_network(network, classes)
    with inference():
        randomise(module)
    draft = definition.MODELS_FOLDER / f"{name}.safetensors"
    write_tensor_file(draft, module.state_dict())
    sha256 = sha256_of_file(draft)
    kept = downloads_folder() / sha256 / "weights.safetensors"
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(kept)
    keys = {
        "title": "Small",
        "own": True,
        "task": "classify",
        "network": network,
        "weights": [{"source": "a test", "licence": "none", "dataset": "none", "sha256": sha256}],
        "input": [3, 28, 28],
        "preprocess": {
            "fit": "stretch",
            "resample": "bilinear",
            "order": "rgb",
            "mean": [mean] * 3,
            "norm": [0.0157, 0.0157, 0.0157],
        },
        "labels": labels,
    }
    (definition.MODELS_FOLDER / f"{name}.yaml").write_text(yaml.safe_dump(keys))


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch):
    """No real weights, and no build of nnrun to count with."""
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    monkeypatch.setattr(counting, "can_count", lambda: False)


@pytest.fixture(autouse=True, scope="session")
def _two_threads():
    """Tests run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
