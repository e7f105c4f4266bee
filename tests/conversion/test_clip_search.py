"""index and search as they are typed, with a tiny encoder on this machine."""

from __future__ import annotations

import json

import pytest

from piyard.cli import clip
from piyard.cli.board_requests import IndexRequest, SearchRequest
from piyard.core.errors import JobsFailed, WrongInput
from piyard.models.synthetic import drawn_pictures
from tests.conversion.test_clip import tiny_model
from tests.support.tiny_clip import use_tiny


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for name, picture in drawn_pictures(64, 48).items():
        picture.save(folder / ("deeper" if name == "disc" else "") / f"{name}.png")
    return folder


def test_pictures_are_indexed_and_found(monkeypatch, tmp_path, pictures, capsys):
    use_tiny(monkeypatch)
    monkeypatch.setattr("piyard.convert.text_encoder.PROOF_LABELS", ("dog", "cat", "red"))
    monkeypatch.setattr(clip, "load_model", lambda _: tiny_model())
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


def test_what_cannot_be_indexed_is_said(tmp_path):
    with pytest.raises(WrongInput, match="no --input"):
        clip.index_pictures(IndexRequest(desktop=True))
    with pytest.raises(WrongInput, match="no such picture"):
        clip.index_pictures(IndexRequest(desktop=True, inputs=(str(tmp_path / "none"),)))
    with pytest.raises(WrongInput, match="resnet18 is for task classify"):
        clip.index_pictures(IndexRequest(desktop=True, models=("resnet18",), inputs=(".",)))
    with pytest.raises(WrongInput, match="there is no index"):
        clip.search_pictures(SearchRequest(query="x", index=str(tmp_path / "none")))
