"""prove and index of a tiny CLIP on an emulated board: both encoders as the original's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from piyard.cli import clip, job_plan, trials
from piyard.cli.board_requests import ProveRequest
from piyard.cli.prediction_requests import IndexRequest
from piyard.models.synthetic import drawn_pictures
from piyard.predict.picture_index import open_index
from tests.conversion.test_clip import tiny_model
from tests.support.tiny_clip import use_tiny

pytestmark = [
    *(pytest.mark.docker, pytest.mark.board),
    pytest.mark.usefixtures("rpi5_build", "own_results"),
]
HOST = "emulated:rpi5"


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """``clip_vit_b32`` is tiny in all of this."""
    use_tiny(monkeypatch)
    monkeypatch.setattr("piyard.convert.text_encoder.PROOF_LABELS", ("dog", "cat", "red"))
    monkeypatch.setattr(clip, "load_model", lambda _: tiny_model())
    monkeypatch.setattr(job_plan, "load_or_add", lambda *_names, **_options: [tiny_model()])


def test_both_encoders_are_proved_on_a_board(capsys: pytest.CaptureFixture[str]) -> None:
    request = ProveRequest.parse({"host": [HOST], "model": ["clip_vit_b32"]})
    trials.prove_on_boards(
        request.replace(precisions=("fp16",), random_weights=True, pictures=0, format="json")
    )
    rows = json.loads(capsys.readouterr().out)
    assert {row["Output"] for row in rows} >= {"out0", "text:out0", "texts by cosine"}
    assert {row["Proof"] for row in rows} == {"passed"}
    assert all(row["Cosine"] > 0.999 for row in rows if row["Cosine"] is not None)


def test_a_board_indexes_what_the_desktop_does(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, picture in drawn_pictures(64, 48).items():
        picture.save(folder / f"{name}.png")
    request = IndexRequest(inputs=(str(folder),), random_weights=True, precisions=("fp32",))
    clip.index_pictures(request.replace(hosts=(HOST,), index=str(tmp_path / "board")))
    clip.index_pictures(request.replace(desktop=True, index=str(tmp_path / "desktop")))
    board, desktop = (open_index(tmp_path / name) for name in ("board", "desktop"))
    assert len(board.pictures) == len(desktop.pictures) > 4
    for indexed in board.pictures:
        same = desktop.find(indexed.sha256)
        assert same
        assert float(np.sum(board.row(indexed) * desktop.row(same))) > 0.999
