"""Which weights are taken, and which are refused."""

import pickle

import pytest
import torch

from piyard.convert.converter import convert_model
from piyard.core.errors import ConversionFailed
from piyard.core.files import sha256_of_file
from piyard.core.paths import ROOT
from piyard.models.definition import load_model
from piyard.models.networks import build_network
from piyard.models.weights import choose_weights, load_weights


@pytest.fixture
def mirror_of(tmp_path, monkeypatch):
    """Puts files into a mirror of this test's own."""
    folder = tmp_path / "own-mirror"
    folder.mkdir()
    monkeypatch.setenv("PIYARD_MIRROR", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


SHA_LINE = next(
    line
    for line in (ROOT / "models" / "resnet18.yaml").read_text().splitlines()
    if line.strip().startswith("sha256:")
)


def pinned(small, path, name="own"):
    """A small model whose official weights are that file."""
    return small(name, **{SHA_LINE: f"    sha256: {sha256_of_file(path)}"})


def save(network, path):
    torch.save(network.state_dict(), path)


def test_own_weights_from_a_mirror(small, mirror_of):
    save(build_network("squeezenet1_1", 10), mirror_of / "own.pth")
    conversion = convert_model(load_model(pinned(small, mirror_of / "own.pth")))
    assert conversion.has_real_weights
    assert conversion.manifest.weights.sha256 == sha256_of_file(mirror_of / "own.pth")


def test_a_module_that_asks_for_its_version_is_loaded(small, mirror_of):
    network = build_network("mnasnet1_0", 10)
    save(network, mirror_of / "own.pth")
    model = load_model(pinned(small, mirror_of / "own.pth"))
    loaded = build_network("mnasnet1_0", 10)
    load_weights(loaded, choose_weights(model))
    assert all(map(torch.equal, network.state_dict().values(), loaded.state_dict().values()))


def test_the_start_of_a_sha256_is_told_in_full(small, mirror_of):
    save(build_network("squeezenet1_1", 10), mirror_of / "own.pth")
    full = sha256_of_file(mirror_of / "own.pth")
    chosen = choose_weights(load_model(small(**{SHA_LINE: f"    sha256_prefix: {full[:8]}"})))
    assert chosen.sha256 == full


def test_another_networks_weights_are_refused(small, mirror_of):
    save(build_network("squeezenet1_0", 10), mirror_of / "own.pth")
    with pytest.raises(ConversionFailed, match="do not fit") as caught:
        convert_model(load_model(pinned(small, mirror_of / "own.pth")))
    assert "size mismatch" in caught.value.evidence or "ey(s)" in caught.value.evidence


def test_one_missing_tensor_is_refused(small, mirror_of):
    state = build_network("squeezenet1_1", 10).state_dict()
    state.pop("classifier.1.bias")
    torch.save(state, mirror_of / "own.pth")
    with pytest.raises(ConversionFailed) as caught:
        convert_model(load_model(pinned(small, mirror_of / "own.pth")))
    assert "classifier.1.bias" in caught.value.evidence


def test_not_finite_weights_are_not_deployable(small, mirror_of):
    state = build_network("squeezenet1_1", 10).state_dict()
    state["features.0.weight"][0] = float("nan")
    torch.save(state, mirror_of / "own.pth")
    with pytest.raises(ConversionFailed, match="finite"):
        convert_model(load_model(pinned(small, mirror_of / "own.pth")))


class Trap:
    """A pickle that runs a command when it is read carelessly."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (self.mark,)


def test_a_weights_file_runs_no_code(small, mirror_of, tmp_path):
    (mirror_of / "own.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ConversionFailed, match=r"cannot be read as what torch\.save writes"):
        convert_model(load_model(pinned(small, mirror_of / "own.pth")))
    torch.save({"a": Trap(tmp_path / "sprung")}, mirror_of / "own.pth")
    with pytest.raises(ConversionFailed, match="safe to load"):
        convert_model(load_model(pinned(small, mirror_of / "own.pth", "again")))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut"])
def test_what_is_no_weights_file(small, mirror_of, content):
    (mirror_of / "own.pth").write_bytes(content)
    with pytest.raises(ConversionFailed):
        convert_model(load_model(pinned(small, mirror_of / "own.pth")))


def test_tensors_without_names_are_no_weights(small, mirror_of):
    torch.save([torch.zeros(3)], mirror_of / "own.pth")
    with pytest.raises(ConversionFailed):
        convert_model(load_model(pinned(small, mirror_of / "own.pth")))


def test_the_official_file_comes_first(mirror):
    read = load_model("squeezenet1_1")
    assert choose_weights(read).file == read.weights[1], "the mirror has only the second one"
