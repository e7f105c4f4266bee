from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from benchmarks import models_people_have
from benchmarks.models_people_have import NOT_WRITTEN, PROVED, Attempt

if TYPE_CHECKING:
    from pathlib import Path


def test_every_family_is_attempted_in_every_format_it_can_be_saved_in() -> None:
    attempts = models_people_have.list_attempts(["n"], [], [])
    forms: dict[str, set[str]] = {}
    for attempt in attempts:
        forms.setdefault(attempt.network, set()).add(attempt.form)
    assert forms["ultralytics:yolo26n-obb"] == {"pt", "onnx", "dynamo", "torchscript", "ncnn"}
    assert forms["ultralytics:yolov9t"] == forms["ultralytics:yolo26n-obb"]
    assert forms["timm:vit_tiny_patch16_224"] == {"torchscript", "onnx", "dynamo", "checkpoint"}
    assert sum(network.startswith("torchvision:") for network in forms) == 20
    assert sum(network.startswith("timm:") for network in forms) == 15


def test_some_are_chosen_by_name_and_format() -> None:
    attempts = models_people_have.list_attempts(["n", "m"], ["onnx"], ["ultralytics:yolov10"])
    assert [attempt.network for attempt in attempts] == [
        "ultralytics:yolov10n",
        "ultralytics:yolov10m",
    ]


def test_the_table_has_a_row_a_network_and_counts_what_could_be_written() -> None:
    attempts = [
        Attempt(network="a", form="onnx", outcome=PROVED),
        Attempt(network="a", form="ncnn", outcome="exit 6", words="piyard: no"),
        Attempt(network="b", form="onnx", outcome=NOT_WRITTEN),
    ]
    assert models_people_have.rows_of(attempts) == (
        ["Network", "onnx", "ncnn"],
        [["a", PROVED, "exit 6"], ["b", NOT_WRITTEN, ""]],
    )
    assert models_people_have.summary(attempts) == (
        "1 of 2 added and proved (50.0 %); 1 could not be written"
    )


def test_counts_are_of_a_family_and_a_format() -> None:
    attempts = [
        Attempt(network="ultralytics:yolo26n", form="onnx", outcome=PROVED),
        Attempt(network="ultralytics:yolo26n-seg", form="onnx", outcome="exit 3"),
        Attempt(network="timm:levit_128s", form="checkpoint", outcome=PROVED),
        Attempt(network="timm:fastvit_t8", form="checkpoint", outcome=NOT_WRITTEN),
    ]
    assert models_people_have.counts_of(attempts) == (
        ["Family", "onnx", "checkpoint"],
        [["yolo26", "1 of 2", ""], ["timm", "", "1 of 1"]],
    )


def test_of_a_repeated_attempt_the_last_outcome_counts(tmp_path: Path) -> None:
    file = tmp_path / "table.jsonl"
    assert models_people_have.read_outcomes(file) == []
    first = Attempt(network="a", form="onnx", outcome="exit 3", words="piyard: no", seconds=2.5)
    other = Attempt(network="b", form="onnx", outcome=PROVED)
    again = Attempt(network="a", form="onnx", outcome=PROVED)
    file.write_bytes(b"\n".join(map(msgspec.json.encode, (first, other, again))))
    assert models_people_have.read_outcomes(file) == [again, other]


def test_what_is_right_in_fp32_alone_is_not_counted_as_proved() -> None:
    proof = [{"Data type": "fp32"}, {"Data type": "fp16"}]
    whole = {"state": "converted and proved", "proved_in": ["fp32", "fp16"], "proof": proof}
    half = {"state": "proved in fp32 only: fp16", "proved_in": ["fp32"], "proof": proof}
    attempt = Attempt(network="a", form="onnx")
    outcomes = [
        models_people_have._added(attempt, json.dumps(facts)).outcome for facts in (whole, half)
    ]
    assert outcomes == [PROVED, "fp32 only"]


def test_a_refusal_is_its_own_sentence_and_the_remedy() -> None:
    stderr = "… convert\npiyard: it is no file\n  → name one\n"
    assert models_people_have._refusal(stderr) == "piyard: it is no file   → name one"
    assert models_people_have._refusal("Traceback\nKeyError: 1\n") == "KeyError: 1"
