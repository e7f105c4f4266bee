"""Networks that learn a teacher's answers, as ``compress --method distill`` trains them."""

import pytest
import torch

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.compress.networks import open_network
from piyard.core.errors import WrongInput
from piyard.models.definition import load_model, model_names
from tests.conversion.compress.conftest import CLASSES, NETWORK, add_model


def compress(**typed):
    compress_model(CompressRequest.parse({"method": ["distill"], **typed}))


def distance(ours, theirs):
    """Mean square of what two models answer to the same noise, after their softmax."""
    noise = torch.randn(32, 3, 28, 28, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        answers = [open_network(load_model(name))(noise).softmax(1) for name in (ours, theirs)]
    return float(((answers[0] - answers[1]) ** 2).mean())


def test_a_student_comes_nearer_to_its_teacher_without_labels(small, halves, tmp_path):
    """Of the same family, with other weights: pictures alone, nothing known of them."""
    plain = tmp_path / "plain"
    plain.mkdir()
    for picture in halves.glob("*/*.png"):
        (plain / f"{picture.parent.name}-{picture.name}").symlink_to(picture)
    add_model("student", "small_cnn/w8-d1-k3-dense-c3", len(CLASSES), labels="halves")
    compress(model="student", teacher=small, data=str(plain), steps="30", batch="8", lr="0.005")
    result = f"student@distill-{small}"
    assert load_model(result).variant is not None
    with torch.no_grad():
        pictures = torch.rand(8, 3, 28, 28)
        assert open_network(load_model(result))(pictures).shape == (8, len(CLASSES))
    assert distance(result, small) < distance("student", small)


def test_another_preparation_cannot_teach(small, halves):
    add_model("other", NETWORK, len(CLASSES), labels="halves", mean=0.0)
    with pytest.raises(WrongInput, match="otherwise prepared"):
        compress(model=small, teacher="other", data=str(halves))
    assert model_names() == ["other", small]


def test_it_needs_pictures(small):
    with pytest.raises(WrongInput, match="distill needs pictures"):
        compress(model=small)
