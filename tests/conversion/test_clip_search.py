"""index and search as they are typed, with a tiny encoder on this machine."""

from __future__ import annotations

import json
import os

import pytest

from piyard.cli import clip
from piyard.cli.prediction_requests import IndexRequest, SearchRequest
from piyard.core.errors import JobsFailed, WrongInput
from piyard.core.files import disk_error
from piyard.models.synthetic import drawn_pictures
from tests.conversion.test_clip import tiny_model
from tests.support import file_systems
from tests.support.tiny_clip import use_tiny


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for name, picture in drawn_pictures(64, 48).items():
        picture.save(folder / ("deeper" if name == "disc" else "") / f"{name}.png")
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """``clip_vit_b32`` is tiny."""
    use_tiny(monkeypatch)
    monkeypatch.setattr("piyard.convert.text_encoder.PROOF_LABELS", ("dog", "cat", "red"))
    monkeypatch.setattr(clip, "load_model", lambda _: tiny_model())


@pytest.mark.usefixtures("tiny")
def test_pictures_are_indexed_and_found(tmp_path, pictures, capsys):
    request = IndexRequest(
        inputs=(str(pictures),), index=str(tmp_path / "index"), desktop=True, random_weights=True
    )
    clip.index_pictures(request.replace(dry_run=True))
    assert capsys.readouterr().out.startswith("index: 8 pictures to encode, 0 there already")
    assert not (tmp_path / "index").exists()
    clip.index_pictures(request)
    assert "8 added, 8 pictures in the index" in capsys.readouterr().err

    find = SearchRequest(query="red car", index=str(tmp_path / "index"), topk=3, format="json")
    clip.search_pictures(find)
    rows = json.loads(capsys.readouterr().out)
    assert [row["Rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["Cosine"] >= rows[1]["Cosine"] >= rows[2]["Cosine"]

    disc = pictures / "deeper" / "disc.png"
    clip.search_pictures(find.replace(query=str(disc), image=True, topk=20))
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 7  # all but the picture itself
    assert str(disc) not in [row["Picture"] for row in rows]

    disc.unlink()
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    with pytest.raises(JobsFailed, match="1 picture could not be read"):
        clip.index_pictures(request)
    said = capsys.readouterr().err
    assert "1 picture to encode, 1 gone, 7 there already" in said
    assert "0 added, 7 pictures in the index, 1 gone" in said


@pytest.mark.usefixtures("tiny")
def test_a_full_disk_is_one_line_and_the_index_goes_on_where_it_was(tmp_path, pictures, capsys):
    with file_systems.mounted(tmp_path / "disk", "64k") as disk:
        folder, filler = disk / "index", disk / "filler"
        request = IndexRequest(inputs=(str(pictures / "deeper"),), index=str(folder), desktop=True)
        request = request.replace(random_weights=True)
        clip.index_pictures(request)
        status = os.statvfs(disk)
        filler.write_bytes(b"\0" * status.f_bavail * status.f_frsize)
        for number in range(40):  # lines of more than a page
            (pictures / f"{number}.png").write_bytes((pictures / "white.png").read_bytes())
        for number, picture in enumerate(sorted(pictures.glob("[0-9]*.png"))):
            picture.write_bytes(picture.read_bytes() + b"%d" % number)
        more = request.replace(inputs=(str(pictures),))
        with pytest.raises(OSError, match="No space left") as caught:
            clip.index_pictures(more)
        assert str(disk_error(caught.value)).splitlines()[0] == (
            f"piyard: {folder}: no room is left on its disk"
        )
        find = SearchRequest(query="red car", index=str(folder), topk=99, format="json")
        capsys.readouterr()
        clip.search_pictures(find)
        assert "disc.png" in capsys.readouterr().out
        filler.unlink()
        clip.index_pictures(more)
        assert "48 pictures in the index" in capsys.readouterr().err


def test_what_cannot_be_indexed_is_said(tmp_path):
    with pytest.raises(WrongInput, match="no --input"):
        clip.index_pictures(IndexRequest(desktop=True))
    with pytest.raises(WrongInput, match="no such picture"):
        clip.index_pictures(IndexRequest(desktop=True, inputs=(str(tmp_path / "none"),)))
    with pytest.raises(WrongInput, match="resnet18 is for task classify"):
        clip.index_pictures(IndexRequest(desktop=True, models=("resnet18",), inputs=(".",)))
    with pytest.raises(WrongInput, match="there is no index"):
        clip.search_pictures(SearchRequest(query="x", index=str(tmp_path / "none")))
