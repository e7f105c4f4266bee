"""What was found is kept whole, and the tables show it for the conversion it is of, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from piyard.convert.conversions import Conversion
from piyard.core.errors import BoardCommandFailed, WrongInput
from piyard.core.tables import render_table
from piyard.data.dataset import Film
from piyard.evaluate import evaluation as evaluate_evaluation
from piyard.evaluate.dataset import split_batches
from piyard.evaluate.evaluation import (
    BoardFrames,
    evaluate_desktop,
    order_frames,
    predict_set_on_board,
    require_real_weights,
    with_evaluation_thresholds,
)
from piyard.models.definition import load_model
from piyard.predict.prediction import Prediction
from piyard.report.columns import DECIMAL_NUMBER, shown_columns
from piyard.results.accuracies import (
    EVALUATION_COLUMNS,
    EVALUATION_SCHEMA,
    Evaluation,
    best_accuracy,
    evaluation_rows,
    evaluations_folder,
    find_evaluation,
    save_evaluation,
    stored_evaluations,
)
from piyard.results.history import stored_rows
from piyard.results.result import Row
from piyard.results.result_files import save_result
from piyard.run.run_folders import list_runs
from piyard.vision.head_schema import Dense
from piyard.vision.predictions import Frame, InputError
from tests.support import synthetic_results as results
from tests.support.plans import model

Watch = Callable[[str, list[int]], BoardFrames]
WHEN = "2026-11-26T02:00:00+00:00"


def evaluation(**changes: Any) -> Evaluation:
    base = Evaluation(
        model="resnet18",
        conversion="m1",
        by="board",
        computed="nnrun, Raspberry Pi 5",
        precision="fp16",
        data="imagenet500, 500 pictures",
        digest="d1",
        count=500,
        figures={"top-1": 71.4, "top-5": 90.2},
        when=WHEN,
    )
    return msgspec.structs.replace(base, **changes)


def accuracy(*stored: Evaluation, precision: str = "fp16") -> str | None:
    return best_accuracy(stored, "m1", precision)


def test_what_is_stored_comes_back_whole(tmp_path: Path) -> None:
    result = evaluation(thresholds={"score": 0.001})
    file = save_evaluation(result)
    assert stored_evaluations() == [result]
    assert json.loads(file.read_text())["schema"] == EVALUATION_SCHEMA
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_later_one_takes_the_place_of_an_earlier_one() -> None:
    save_evaluation(evaluation())
    save_evaluation(evaluation(figures={"top-1": 70.0}, when="2026-11-27"))
    save_evaluation(evaluation(precision="fp32"))
    assert len(stored_evaluations()) == 2
    result = find_evaluation("m1", "board", "fp16", "d1")
    assert result
    assert result.figures == {"top-1": 70.0}
    assert find_evaluation("m1", "board", "fp16", "d2") is None


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', '{"schema": 2, "model": 5}'])
def test_a_damaged_file_is_said_and_left_out(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_evaluation(evaluation())
    (evaluations_folder() / "broken.json").write_text(text)
    assert stored_evaluations() == [evaluation()]
    assert "left out" in capsys.readouterr().err


def test_the_column_names_data_and_size() -> None:
    assert accuracy(evaluation()) == "71.40 % top-1 (imagenet500, 500 pictures)"
    boxes = evaluation(figures={"mAP": 37.12, "mAP50": 52.0}, data="COCO val2017, 79 pictures")
    assert accuracy(boxes) == "mAP 37.1 (COCO val2017, 79 pictures)"
    imitated = evaluation(by="desktop", imitated=True)
    assert str(accuracy(imitated)).endswith("500 pictures; fp16 imitated)")


@pytest.mark.parametrize("name", ["top-1", "mAP", "HOTA", "AUC"])
def test_the_pages_charts_find_the_figure_in_the_text(name: str) -> None:
    result = DECIMAL_NUMBER.search(evaluation(figures={name: 37.1}).accuracy)
    assert result
    assert float(result[0]) == 37.1


def test_only_the_same_conversion_and_precision_count() -> None:
    assert accuracy(evaluation(conversion="m2")) is None
    assert accuracy(evaluation(), precision="fp32") is None
    assert accuracy(evaluation(by="original", precision="fp32"), precision="fp32") is None
    assert accuracy() is None


def test_more_data_counts_for_more_then_a_board_then_the_newer() -> None:
    small = evaluation(count=10, data="small", when="2027-01-01")
    desktop = evaluation(by="desktop", data="desktop", when="2027-01-01")
    older, newer = evaluation(data="older"), evaluation(data="newer", when="2026-12-01")
    assert str(accuracy(small, desktop, newer, older)).endswith("(newer)")
    assert str(accuracy(small, desktop)).endswith("(desktop)")


def stored_row(key: str = "m1") -> Row:
    save_result(results.result("20261120T120000-a-aaaaaa", 20.0, model_key=key))
    (rows,) = stored_rows()
    return rows


def shown_accuracy(of: Row) -> str:
    return next(column.text_of(of) for column in shown_columns([of]) if column.key == "accuracy")


def test_a_report_shows_it_as_soon_as_it_is_known() -> None:
    before = stored_row()
    assert before.accuracy is None
    assert shown_accuracy(before) == "N/A"
    save_evaluation(evaluation(precision=before.data_type))
    (after,) = stored_rows()
    assert after.accuracy == "71.40 % top-1 (imagenet500, 500 pictures)"
    assert shown_accuracy(after) == after.accuracy


def test_another_conversion_stays_unknown() -> None:
    save_evaluation(evaluation(conversion="m2", precision="fp16"))
    assert stored_row().accuracy is None
    assert list_runs() == []


def test_the_table_tells_how_far_off_each_is() -> None:
    original = evaluation(by="original", computed="torch", precision="fp32")
    off = evaluation(figures={"top-1": 71.0, "top-5": 90.4})
    result = [
        dict(zip(EVALUATION_COLUMNS, r, strict=True)) for r in evaluation_rows([original, off], {})
    ]
    assert [each["Points off"] for each in result] == ["", "", "-0.40", "+0.20"]
    assert [each["Published"] for each in result] == ["N/A"] * 4
    (first, *_) = evaluation_rows([off], {"top-1": 69.76})
    assert first[-3:] == ["", "69.76", ""]
    assert evaluation_rows([evaluation(imitated=True)], {})[0][2] == "fp16 (imitated)"


def test_each_row_names_its_board_and_carries_its_interval() -> None:
    ends = {"top-1": (67.3, 75.2), "top-5": (87.3, 92.5)}
    rows = evaluation_rows(
        [
            evaluation(by="original", computed="torch", precision="fp32", intervals=ends),
            evaluation(host="pi5-a", intervals=ends),
            evaluation(host="pi5-b", intervals=ends),
        ],
        {"top-1": 69.76},
    )
    content = json.loads(render_table(EVALUATION_COLUMNS, rows, "json"))
    assert [each["Board"] for each in content[::2]] == ["this desktop", "pi5-a", "pi5-b"]
    assert content[0] | {"Data": ""} == {
        "Model": "resnet18",
        "Computed by": "torch",
        "Data type": "fp32",
        "Board": "this desktop",
        "Data": "",
        "Figure": "top-1",
        "Percent": 71.4,
        "95 % interval": [67.3, 75.2],
        "Points off": None,
        "Published": 69.76,
        "Notes": "",
    }
    assert content[2]["Points off"] == 0
    assert "67.30 to 75.20" in render_table(EVALUATION_COLUMNS, rows, "plain")


def test_boards_of_one_kind_are_kept_each() -> None:
    for host in ("pi5-a", "pi5-b", "pi5-a"):
        save_evaluation(evaluation(host=host))
    assert sorted(each.host for each in stored_evaluations()) == ["pi5-a", "pi5-b"]


def test_the_column_carries_the_interval_of_few_pictures() -> None:
    few = evaluation(intervals={"top-1": (67.286, 75.19)})
    assert accuracy(few) == "71.40 (67.3 to 75.2) % top-1 (imagenet500, 500 pictures)"
    assert accuracy(msgspec.structs.replace(few, count=5000, data="x")) == "71.40 % top-1 (x)"
    boxes = evaluation(figures={"mAP": 37.1}, intervals={"mAP": (30.0, 44.2)}, data="COCO")
    assert accuracy(boxes) == "mAP 37.1 (30.0 to 44.2) (COCO)"


def test_where_nothing_could_be_judged_it_says_so() -> None:
    nothing: dict[str, float | None] = {"mAP": None, "mAP50": None}
    none = evaluation(figures=nothing)
    save_evaluation(none)
    assert stored_evaluations() == [none]
    assert accuracy(none) is None
    original = evaluation(by="original", figures={"mAP": 37.1, "mAP50": None})
    rows = evaluation_rows([original, none], {})
    shown = [[row[EVALUATION_COLUMNS.index(c)] for c in ("Percent", "Points off")] for row in rows]
    assert shown == [["37.10", ""], ["N/A", ""], ["N/A", "N/A"], ["N/A", "N/A"]]
    assert json.loads(render_table(EVALUATION_COLUMNS, rows, "json"))[2]["Percent"] is None


def test_a_mean_of_nothing_that_was_kept_as_minus_100_is_none() -> None:
    spoilt = evaluation(figures={"mAP": -100.0, "mAP50": -100.0})
    save_evaluation(spoilt)
    assert accuracy(spoilt) is None
    assert find_evaluation("m1", "board", "fp16", "d1") is None
    assert accuracy(evaluation(figures={"HOTA": 3.0, "MOTA": -40.0})) is not None


def test_what_was_only_assumed_is_told_with_the_figure() -> None:
    result = evaluation(assumed=["order", "mean"], notes=["fed otherwise"])
    (first, *_) = evaluation_rows([result], {})
    assert first[-1] == "assumed, not said by its file: order, mean; fed otherwise"
    assert result.accuracy.endswith("; preparation assumed)")
    assert "assumed" not in evaluation().accuracy


def test_no_difference_has_no_sign_of_a_loss() -> None:
    original = evaluation(by="original", figures={"mAP": 43.2058})
    (_, result) = evaluation_rows([original, evaluation(figures={"mAP": 43.2021})], {})
    assert result[EVALUATION_COLUMNS.index("Points off")] == "+0.00"


def conversion(kind: str) -> Conversion:
    manifest = results.manifest(weights={"kind": kind, "seed": 1})
    return Conversion(model=model("x"), key="k", folder=Path(), manifest=manifest, fresh=False)


def test_random_weights_have_no_accuracy() -> None:
    require_real_weights(conversion("file"))
    with pytest.raises(WrongInput, match="random weights, which have no accuracy") as error:
        require_real_weights(conversion("random"))
    assert "\n" not in error.value.what


def test_a_detector_is_judged_by_all_that_it_finds_and_a_tracker_as_it_is() -> None:
    head = with_evaluation_thresholds(load_model("yolov8_n")).head
    assert isinstance(head, Dense)
    assert (head.score, head.nms, head.most) == (0.001, 0.65, 300)
    for name in ("yolov8_n_bytetrack", "squeezenet1_1", "simplepose"):
        assert with_evaluation_thresholds(load_model(name)) == load_model(name)


def test_the_desktop_computes_no_bf16() -> None:
    with pytest.raises(WrongInput, match="cannot compute as a board does in bf16"):
        evaluate_desktop(cast("Any", SimpleNamespace()), "bf16")


def film(count: int, *, ordered: bool = False) -> Film:
    return Film(pictures=[Path(f"{i}.jpg") for i in range(count)], truth={}, ordered=ordered)


def test_pictures_go_in_batches_and_clips_in_one_piece() -> None:
    sizes = [len(batch) for batch in split_batches(film(1201))]
    assert sizes == [500, 500, 201]
    assert [len(batch) for batch in split_batches(film(1000, ordered=True))] == [1000]
    with pytest.raises(BoardCommandFailed, match=re.escape("a clip of 1001 frames")):
        split_batches(film(1001, ordered=True))


def seen(frames: list[str], wrong: list[str]) -> Prediction:
    return Prediction(
        host="pi5",
        run="r",
        task="detect",
        frames=[Frame(name=name, width=1, height=1) for name in frames],
        wrong=[InputError(name=name, error="the file is empty") for name in wrong],
    )


def test_answers_are_in_the_order_of_the_pictures() -> None:
    result = order_frames([Path("b"), Path("a")], seen(["a", "b"], []))
    assert [frame.name for frame in result] == ["b", "a"]


def test_a_picture_that_nnrun_cannot_read_would_make_the_figure_another() -> None:
    with pytest.raises(BoardCommandFailed, match="cannot read 1 of the 2 pictures") as error:
        order_frames([Path("b"), Path("a")], seen(["a"], ["b"]))
    assert error.value.evidence == "b: the file is empty"


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """What a board tells of 1201 pictures of which it may be unable to read one."""

    def watch(unread: str, shown: list[int]) -> BoardFrames:
        def look(*arguments: Any) -> Prediction:
            batch = [str(path) for path in arguments[-1]]
            shown.append(len(batch))
            read = [name for name in reversed(batch) if name != unread]
            return seen(read, [unread] * (unread in batch))

        monkeypatch.setattr(evaluate_evaluation, "_predict_batch", look)
        monkeypatch.setattr(
            evaluate_evaluation, "_computed_precision", lambda _: f"label {len(shown)}"
        )
        nobody: Any = None
        return predict_set_on_board(nobody, nobody, film(1201))

    return watch


def test_a_film_is_seen_batch_by_batch_and_told_as_one(watched: Watch) -> None:
    shown: list[int] = []
    result = watched("", shown)
    assert shown == [500, 500, 201]
    assert [frame.name for frame in result.frames] == [f"{i}.jpg" for i in range(1201)]
    assert result.labels == {"label 1", "label 2", "label 3"}


def test_nothing_is_looked_at_after_a_picture_that_cannot_be_read(watched: Watch) -> None:
    shown: list[int] = []
    with pytest.raises(BoardCommandFailed, match="cannot read 1 of the 500 pictures"):
        watched("7.jpg", shown)
    assert shown == [500]
