"""Real conversions, made once for several tests, and a small one that is made in no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.core import download
from piyard.core.files import sha256_of_file
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.models.networks import build_network

RESNET18_DIGEST = next(
    line.strip()
    for line in (definition.MODELS_FOLDER / "resnet18.yaml").read_text().splitlines()
    if line.strip().startswith("sha256:")
)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What these tests make, once for all of them."""
    return tmp_path_factory.mktemp("conversion")


@pytest.fixture(scope="module", autouse=True)
def own_folders(base: Path) -> Iterator[Path]:
    """Artifacts and downloads of these tests; the user's own stay as they are."""
    with elsewhere(base):
        yield base


@contextmanager
def elsewhere(base: Path) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIYARD_ARTIFACTS", str(base / "artifacts"))
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        patch.delenv("PIYARD_MIRROR", raising=False)
        yield patch


@pytest.fixture
def mirror(assets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Real weights and pictures through PIYARD_MIRROR; a skip where there are none."""
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))
    return assets


@pytest.fixture(scope="session")
def real(assets: Path, base: Path) -> Conversion:
    """SqueezeNet with trained weights, proved on real pictures."""
    with elsewhere(base) as patch:
        patch.setenv("PIYARD_MIRROR", str(assets))
        return convert_model(load_model("squeezenet1_1"))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes the YAML of a small model: ResNet-18's with the replacements asked for.

    SqueezeNet at 64 by 64 with ten classes: the large one's layer types, in seconds.
    """
    text = (definition.MODELS_FOLDER / "resnet18.yaml").read_text()
    swaps = {
        "network: resnet18": "network: squeezenet1_1",
        "[3, 224, 224]": "[3, 64, 64]",
        "resize: 256": "resize: 73",
        "crop: 224": "crop: 64",
        "labels: imagenet1k": "labels: ten",
    }
    (tmp_path / "models" / "labels").mkdir(parents=True)
    names = "".join(f"class {i}\n" for i in range(10))
    (tmp_path / "models" / "labels" / "ten.txt").write_text(names)
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")

    def write(name: str = "small", **more: str) -> str:
        changed = text
        for old, new in (swaps | more).items():
            assert old in changed
            changed = changed.replace(old, new, 1)
        (tmp_path / "models" / f"{name}.yaml").write_text(changed)
        return name

    return write


class Subject(NamedTuple):
    """A model with weights of its own, and pictures with their classes."""

    model: str
    data: Path
    conversion: Conversion


@pytest.fixture(params=["tiny", "real"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """A tiny one, whose weights are a file; and one that knows ImageNet, where there is one."""
    if request.param == "tiny":
        result: Subject = request.getfixturevalue("tiny")
        return result
    data = request.getfixturevalue("mirror") / "data" / "imagenet500"
    return Subject("squeezenet1_1", data, request.getfixturevalue("real"))


@pytest.fixture
def tiny(small: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """Ten classes that nobody was taught, twelve pictures of 64 by 64, in a mirror of their own."""
    mirror, data = tmp_path / "tiny-mirror", tmp_path / "tiny12"
    mirror.mkdir()
    torch.manual_seed(1)
    torch.save(build_network("squeezenet1_1", 10).state_dict(), mirror / "tiny.pth")
    (data / "images").mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (12, 64, 64, 3), np.uint8)
    for number, values in enumerate(pixels):
        Image.fromarray(values).save(data / "images" / f"{number:02}.png")
    lines = ["file,index", *(f"{number:02}.png,{number % 10}" for number in range(12))]
    (data / "labels.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("PIYARD_MIRROR", str(mirror))
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "tiny-artifacts"))
    digest = sha256_of_file(mirror / "tiny.pth")
    model = small("tiny", **{RESNET18_DIGEST: f"sha256: {digest}"})
    return Subject(model, data, convert_model(load_model(model)))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server answers, and nobody waits for one."""
    import requests

    def unreachable(url, **_):
        raise requests.ConnectionError(f"no route to {url}")

    monkeypatch.setattr(requests, "get", unreachable)
    monkeypatch.setattr(download, "BACK_OFF_S", 0.0)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """The file of a network's state, written as trainers do."""

    def save(state: object, name: str = "best.pt") -> Path:
        torch.save(state, tmp_path / name)
        return tmp_path / name

    return save
