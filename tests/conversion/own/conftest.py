"""Files of one's own, and a models/ to add them to."""

import shutil

import pytest
import torch

from piyard.models import definition
from tests.conversion.own.adding import CLASSES, network


@pytest.fixture
def models(tmp_path, monkeypatch):
    """models/ of this test's own, with the lists of names that ship."""
    shutil.copytree(definition.MODELS_FOLDER / "labels", tmp_path / "models" / "labels")
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "models"


@pytest.fixture
def names(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("".join(f"thing {i}\n" for i in range(CLASSES)))
    return file


@pytest.fixture
def two(tmp_path):
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    return tmp_path / "two.txt"


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "net.pt"
    torch.jit.trace(network(), torch.zeros(1, 3, 32, 32)).save(str(file))
    return file
