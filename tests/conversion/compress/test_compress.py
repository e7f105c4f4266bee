"""A compression from its command to its table, on a small classifier."""

import json

import pytest

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.cli.desk_requests import RemoveModelRequest
from piyard.cli.own_models import remove_model
from piyard.core.errors import WrongInput
from piyard.models.definition import model_names
from tests.conversion.compress.test_trained import one_class


def compress(**typed):
    compress_model(CompressRequest.parse({"model": "small", **typed}))


def test_a_chain_ends_in_one_table_of_numbers(small, halves, capsys):
    typed = {"method": ["prune", "lowrank"], "data": str(halves), "steps": "2", "batch": "8"}
    compress(**typed, rank="8", ratio="0.2", format="json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == [
        "small",
        "small@prune20",
        "small@prune20@lowrank-r8",
    ]
    assert [row["method"] for row in rows] == ["original", "prune", "prune+lowrank"]
    assert all(0 <= row["accuracy_percent"] <= 100 for row in rows)
    assert rows[0]["macs"] > rows[1]["macs"] > rows[2]["macs"]
    assert all("24 pictures" in row["data"] for row in rows)  # the half that judges
    for name in ("small@prune20@lowrank-r8", "small@prune20"):
        remove_model(RemoveModelRequest.parse({"name": name, "yes": True}))
    assert model_names() == [small]


def test_a_dry_run_says_who_learns_and_who_judges(small, halves, capsys):
    compress(method=["prune"], data=str(halves), dry_run=True)
    assert model_names() == [small]
    out = capsys.readouterr().out
    assert "make small@prune50 of small by prune: ratio 0.5" in out
    assert "learn from halves, 24 pictures" in out
    assert "judge by halves, 24 pictures" in out


def test_a_budget_in_a_dry_run(small, halves, capsys):
    compress(method=["prune"], data=str(halves), keep_accuracy="99%", dry_run=True)
    out = capsys.readouterr().out
    assert "whose variant keeps 99 % of the accuracy" in out
    assert "judge by halves, 24 pictures" in out
    assert model_names() == [small]


@pytest.mark.parametrize("budget", [{}, {"keep_accuracy": "99%"}])
def test_a_dry_run_refuses_pictures_that_nothing_can_be_learnt_from(
    small, halves, tmp_path, budget
):
    few = tmp_path / "few"
    for name in ("top", "left"):
        (few / name).mkdir(parents=True)
        (few / name / "0.png").symlink_to(halves / name / "0.png")
    with pytest.raises(WrongInput, match="1 picture to learn from: too few"):
        compress(method=["prune"], data=str(few), dry_run=True, **budget)
    with pytest.raises(WrongInput, match="are of one class, top"):
        compress(method=["lowrank"], data=str(one_class(halves)), dry_run=True, **budget)


def test_an_accuracy_to_keep_wants_a_truth(small, halves, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for number, file in enumerate((halves / "top").iterdir()):
        (plain / f"{number}.png").symlink_to(file)
    with pytest.raises(WrongInput, match="nothing is known of what is in plain, 12 pictures"):
        compress(method=["prune"], data=str(plain), keep_accuracy="99%")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"data": "nowhere"}, "nowhere does not exist"),
        ({"epochs": "3"}, "no pictures to train on"),
        ({"keep_accuracy": "99%"}, "needs pictures whose truth is known"),
    ],
)
def test_what_cannot_be_is_said_at_once(small, typed, why):
    with pytest.raises(WrongInput, match=why):
        compress(method=["prune"], **typed)
    assert model_names() == [small]


def test_one_class_cannot_be_learnt_from(small, halves, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    (only / "top").symlink_to(halves / "top")
    with pytest.raises(WrongInput, match="are of one class"):
        compress(method=["prune"], data=str(only), steps="1")
    assert model_names() == [small]


def test_a_picture_that_cannot_be_read_is_named(small, halves, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes((halves / "top" / "0.png").read_bytes()[:60])
    with pytest.raises(WrongInput, match="1 of the 1 pictures"):
        compress(method=["prune"], data=str(folder))


def test_only_a_variant_is_rebuilt_in_a_dry_run_too(small):
    with pytest.raises(WrongInput, match="'small' is not a variant"):
        compress(rebuild="small", dry_run=True)
