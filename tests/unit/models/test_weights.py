"""Weights of which nobody publishes a digest: the first download's counts from then on."""

import hashlib
import re

import pytest

from piyard.core import download
from piyard.core.config import load_yaml
from piyard.core.download import ATTEMPTS, fetch_unpinned, find_file
from piyard.core.errors import DownloadFailed, WrongInput
from piyard.core.paths import ROOT
from piyard.models import weights_file
from piyard.models.definition import ModelDefinition
from piyard.models.weights import RECORDED_NOTE, choose_weights
from piyard.models.weights_file import record_digest, recorded_digest
from tests.support import file_server as play

BODY = bytes(range(256)) * 40
TEXT = (ROOT / "models" / "resnet18.yaml").read_text()


@pytest.fixture(autouse=True)
def own_world(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    monkeypatch.setattr(weights_file, "DIGESTS_FILE", tmp_path / "recorded.txt")
    monkeypatch.setattr(download, "BACK_OFF_S", 0.0)


@pytest.fixture
def server():
    with play.serving(BODY) as server:
        yield server


def described(tmp_path, url, more=""):
    """A model whose only weights are at that address, without a digest."""
    text = re.sub(r"    url: .*\n    sha256: .*\n", f"    url: {url}\n{more}", TEXT)
    assert url in text
    (tmp_path / "m.yaml").write_text(text)
    return load_yaml(tmp_path / "m.yaml", ModelDefinition)


def kept(chosen):
    path = find_file(chosen.sha256)
    assert path
    return path


def test_the_first_download_is_recorded_and_told(server, tmp_path, capsys):
    chosen = choose_weights(described(tmp_path, server.url()))
    assert chosen.sha256 == hashlib.sha256(BODY).hexdigest()
    assert kept(chosen).read_bytes() == BODY
    assert recorded_digest(server.url()) == chosen.sha256
    assert chosen.description.sha256_is == RECORDED_NOTE == "recorded on first download"
    said = "".join(capsys.readouterr())
    assert "BSD-3-Clause" in said
    assert "recorded on first download" in said
    assert chosen.sha256 in said


def test_a_second_choice_asks_nobody(server, tmp_path):
    read = described(tmp_path, server.url())
    first, second = choose_weights(read), choose_weights(read)
    assert first.sha256 == second.sha256
    assert len(server.times) == 1


def test_another_file_at_the_same_address_is_refused(server, tmp_path):
    read = described(tmp_path, server.url())
    chosen = choose_weights(read)
    kept(chosen).unlink()
    server.body = BODY[::-1]
    with pytest.raises(DownloadFailed, match="not the file that was pinned"):
        choose_weights(read)
    assert recorded_digest(server.url()) == chosen.sha256


def test_the_same_file_is_taken_again_from_an_empty_cache(server, tmp_path):
    read = described(tmp_path, server.url())
    chosen = choose_weights(read)
    kept(chosen).unlink()
    assert choose_weights(read).sha256 == chosen.sha256
    assert len(server.times) == 2


def test_a_mirror_serves_what_was_recorded(server, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "net.pth").write_bytes(BODY)
    sha256 = hashlib.sha256(BODY).hexdigest()
    monkeypatch.setenv("PIYARD_MIRROR", str(tmp_path / "mirror"))
    record_digest(server.url(), sha256)
    assert choose_weights(described(tmp_path, server.url())).sha256 == sha256
    assert not server.times


def test_a_page_is_no_file_and_is_not_recorded(server, tmp_path):
    server.body = b"<!DOCTYPE html><title>Sign in</title>"
    with pytest.raises(DownloadFailed, match="page instead of the file"):
        choose_weights(described(tmp_path, server.url()))
    assert recorded_digest(server.url()) == ""
    assert not weights_file.DIGESTS_FILE.exists()


def test_a_part_of_another_download_is_not_continued(server, tmp_path):
    server.acts = [play.cut] * ATTEMPTS
    with pytest.raises(DownloadFailed):
        fetch_unpinned(server.url(), name="net.pth")
    server.acts, server.body = [play.whole], BODY[::-1]
    assert fetch_unpinned(server.url(), name="net.pth").read_bytes() == BODY[::-1]


def test_a_file_may_be_called_otherwise_than_its_address_ends(server, tmp_path):
    read = described(tmp_path, server.url("uc?export=download"), "    file: net.pth.tar\n")
    assert kept(choose_weights(read)).name == "net.pth.tar"


def test_a_name_that_leaves_the_cache_is_refused(server, tmp_path):
    with pytest.raises(WrongInput, match="file"):
        described(tmp_path, server.url(), "    file: ../net.pth\n")


def test_neither_address_nor_digest(tmp_path):
    text = re.sub(r"    url: .*\n    sha256: .*\n", "", TEXT)
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(WrongInput, match="sha256"):
        load_yaml(tmp_path / "m.yaml", ModelDefinition)


def test_what_is_recorded_first_stays(tmp_path):
    record_digest("https://a", "1" * 64)
    record_digest("https://b", "2" * 64)
    record_digest("https://a", "3" * 64)
    assert recorded_digest("https://a") == "1" * 64
    assert weights_file.DIGESTS_FILE.read_text().count("\n") == 2


def test_a_record_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(weights_file, "DIGESTS_FILE", tmp_path / "no-folder" / "recorded.txt")
    with pytest.raises(WrongInput) as caught:
        record_digest("https://a", "1" * 64)
    assert f"sha256: {'1' * 64}" in caught.value.remedy


def test_a_file_without_a_known_digest_is_nobodys(tmp_path):
    (file,) = described(tmp_path, "https://localhost/none").weights
    assert not file.is_file("1" * 64)
    record_digest(file.url, "1" * 64)
    assert file.is_file("1" * 64)
    assert not file.is_file("2" * 64)
