"""Answers whose figures are known beforehand: all right, all wrong, and by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.data.coco import read_coco
from piyard.data.mot import read_mot
from piyard.data.otb import read_otb
from piyard.data.request import DataRequest
from piyard.evaluate import intervals
from piyard.evaluate.dataset import (
    JUDGES,
    Metrics,
    classification_figures,
    compute_metrics,
    read_dataset,
)
from piyard.evaluate.intervals import _category_detections, mean_precision, wilson_interval
from piyard.evaluate.matching import match_objects_classes
from piyard.evaluate.metrics import coco_figures, coco_intervals, run_cocoeval
from piyard.evaluate.scene import Scene, make_scene
from piyard.evaluate.track_metrics import mot_figures, otb_figures
from piyard.models.definition import load_model
from piyard.vision.predictions import ClassScore, Frame, PredictedObject, encode_mask
from piyard.vision.tasks import find_task
from piyard.vision.tasks.base import TaskSpec
from piyard.vision.tasks.detect import DETECT
from piyard.vision.tasks.pose import POSE
from piyard.vision.tasks.segment import SEGMENT
from tests.support.data_sets import box, mot, otb, pictures, scene

LABELS = ["cat", "dog"]


def read_scene(folder: Path, task: TaskSpec, labels: Sequence[str]) -> Scene:
    data = read_coco(DataRequest(path=folder, kind=task.data_kind(None)))
    reference = match_objects_classes(data, task.coco_classes(labels))
    return make_scene(data, data.pictures, task, reference)


def frame(path: Path | str = "a", **fields: Any) -> Frame:
    return Frame(name=str(path), width=20, height=10, **fields)


def ranked(*best: int) -> Frame:
    return frame(top=[ClassScore(index=i, score=1 / (n + 1)) for n, i in enumerate(best)])


def thing(class_: int, *corners: float, score: float = 0.9, **more: Any) -> PredictedObject:
    x0, y0, x1, y1 = corners
    return PredictedObject(class_=class_, score=score, box=(x0, y0, x1, y1), **more)


class TestTop:
    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ([(1, 2, 3, 4, 5), (2, 1, 3, 4, 5)], {"top-1": 50.0, "top-5": 100.0}),
            ([(9, 8, 7, 6, 5, 1), (1,)], {"top-1": 50.0, "top-5": 50.0}),
            ([(), ()], {"top-1": 0.0, "top-5": 0.0}),
        ],
    )
    def test_by_hand(self, answers: list[Sequence[int]], expected: dict[str, float]) -> None:
        paths = [Path("a"), Path("b")]
        result = {path: ranked(*best) for path, best in zip(paths, answers, strict=True)}
        assert classification_figures(dict.fromkeys(paths, 1), result) == expected

    @given(st.lists(st.tuples(st.integers(0, 9), st.permutations(range(10))), min_size=1))
    def test_the_first_is_never_more_often_right_than_the_five(self, cases: Any) -> None:
        truth = {Path(str(i)): index for i, (index, _) in enumerate(cases)}
        result = {Path(str(i)): ranked(*best) for i, (_, best) in enumerate(cases)}
        detected = classification_figures(truth, result)
        assert 0 <= detected["top-1"] <= detected["top-5"] <= 100


def figures_of(
    scene: Scene, answers: Mapping[Path, Sequence[PredictedObject]]
) -> dict[str, float | None]:
    return coco_figures(run_cocoeval(scene, answers))


class TestCoco:
    TRUTH = (box(1, 100, 17, 1, 1, 6, 6), box(2, 100, 18, 8, 2, 9, 7), box(3, 101, 17, 2, 2, 5, 5))

    def read(self, folder: Path, task: str = "detect") -> Scene:
        return read_scene(scene(folder, ["a.jpg", "b.jpg"], self.TRUTH), find_task(task), LABELS)

    def test_what_is_there_is_worth_all(self, tmp_path: Path) -> None:
        result = self.read(tmp_path)
        a, b = result.ids
        output = {a: [thing(0, 1, 1, 7, 7), thing(1, 8, 2, 17, 9)], b: [thing(0, 2, 2, 7, 7)]}
        assert figures_of(result, output) == pytest.approx({"mAP": 100, "mAP50": 100}, abs=1e-9)

    def test_nothing_and_the_wrong_class_are_worth_nothing(self, tmp_path: Path) -> None:
        result = self.read(tmp_path)
        a, b = result.ids
        assert figures_of(result, {a: [], b: []}) == {"mAP": 0, "mAP50": 0}
        swapped = {a: [thing(1, 1, 1, 7, 7), thing(0, 8, 2, 17, 9)], b: []}
        assert figures_of(result, swapped)["mAP50"] == 0

    def test_a_box_that_is_a_little_off_counts_at_a_half_and_not_at_095(
        self, tmp_path: Path
    ) -> None:
        result = self.read(tmp_path)
        a, b = result.ids
        # IoU of 6 x 6 with 6 x 5 within it is 5/6: seven of ten thresholds.
        output = {a: [thing(0, 1, 1, 7, 6), thing(1, 8, 2, 17, 9)], b: [thing(0, 2, 2, 7, 7)]}
        measured = figures_of(result, output)
        assert measured["mAP50"] == pytest.approx(100)
        assert 70 < (measured["mAP"] or 0) < 100

    def test_pictures_that_were_left_out_do_not_count(self, tmp_path: Path) -> None:
        result = self.read(tmp_path)
        (a, _) = result.ids
        output = {a: [thing(0, 1, 1, 7, 7), thing(1, 8, 2, 17, 9)]}
        assert figures_of(result, output)["mAP"] == pytest.approx(100)

    def test_a_class_the_data_does_not_know_is_left_out(self, tmp_path: Path) -> None:
        result = self.read(tmp_path)
        a, b = result.ids
        output = {a: [thing(7, 0, 0, 20, 10)], b: []}
        assert figures_of(result, output)["mAP"] == 0

    def test_masks(self, tmp_path: Path) -> None:
        whole = np.zeros((10, 20), bool)
        whole[2:7, 3:9] = True
        outline: dict[str, Any] = {"segmentation": [[3, 2, 9, 2, 9, 7, 3, 7]]}
        truth = [box(1, 100, 17, 3, 2, 6, 5) | outline]
        result = read_scene(scene(tmp_path, ["a.jpg"], truth), SEGMENT, LABELS)
        (a,) = result.ids

        def measured(mask: Any) -> float | None:
            return figures_of(result, {a: [thing(0, 3, 2, 9, 7, mask=encode_mask(mask))]})["mAP"]

        assert measured(whole) == pytest.approx(100)
        # The box is right all the same: it is the mask that is judged.
        assert measured(~whole) == 0

    def test_keypoints(self, tmp_path: Path) -> None:
        points = [(float(3 + i % 5), float(2 + i % 4)) for i in range(17)]
        person: dict[str, Any] = {
            "keypoints": [v for x, y in points for v in (x, y, 2)],
            "num_keypoints": 17,
        }
        folder = scene(tmp_path, ["a.jpg"], [box(1, 100, 1, 2, 1, 7, 6) | person])
        file = folder / "annotations" / "instances_val2017.json"
        text = file.read_text().replace('{"id": 17, "name": "cat"}', '{"id": 1, "name": "person"}')
        file.write_text(text)
        result = read_scene(folder, POSE, ["person"])
        (a,) = result.ids

        def measured(shift: float) -> float | None:
            moved = [(x + shift, y, 0.9) for x, y in points]
            return figures_of(result, {a: [thing(0, 2, 1, 9, 7, keypoints=moved)]})["mAP"]

        assert measured(0) == pytest.approx(100)
        assert measured(500) == 0

    def test_where_nothing_can_be_judged_there_is_no_figure(self, tmp_path: Path) -> None:
        """The second picture holds nothing, the third only what is ignored."""
        crowd = box(2, 102, 17, 1, 1, 6, 6) | {"iscrowd": 1}
        rows = [box(1, 100, 17, 1, 1, 6, 6), crowd]
        result = read_scene(scene(tmp_path, ["a.jpg", "b.jpg", "c.jpg"], rows), DETECT, LABELS)
        _, b, c = result.ids
        for answers in ([], [thing(0, 1, 1, 7, 7)]):
            output = {b: answers, c: answers}
            assert figures_of(result, output) == {"mAP": None, "mAP50": None}
            assert coco_intervals(run_cocoeval(result, output)) == {}

    @pytest.mark.parametrize("numbers", [(0, 1, 2), (5, 5, 5)])
    @pytest.mark.parametrize("without", [(), ("iscrowd", "area"), ("id",)])
    def test_annotations_as_exporters_write_them(
        self, tmp_path: Path, numbers: Sequence[int], without: Sequence[str]
    ) -> None:
        """pycocotools takes number 0 for no match, and of two alike sees one."""
        rows = [each | {"id": number} for each, number in zip(self.TRUTH, numbers, strict=True)]
        rows = [{key: v for key, v in row.items() if key not in without} for row in rows]
        result = read_scene(scene(tmp_path, ["a.jpg", "b.jpg"], rows), DETECT, LABELS)
        a, b = result.ids
        output = {a: [thing(0, 1, 1, 7, 7), thing(1, 8, 2, 17, 9)], b: [thing(0, 2, 2, 7, 7)]}
        assert figures_of(result, output)["mAP"] == pytest.approx(100)
        assert figures_of(result, {a: output[a], b: []})["mAP"] == pytest.approx(
            100 * (51 / 101 + 1) / 2
        )


class TestIntervals:
    @pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (8, 10), (357, 500), (1, 1)])
    def test_wilsons(self, hits: int, count: int) -> None:
        from scipy.stats import binomtest

        ends = binomtest(hits, count).proportion_ci(method="wilson")
        assert wilson_interval(hits, count) == pytest.approx([100 * end for end in ends], abs=1e-9)

    @given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_a_share_is_within_its_own(self, share: tuple[int, int]) -> None:
        hits, count = share
        low, high = wilson_interval(hits, count)
        assert 0 <= low <= 100 * hits / count + 1e-9
        assert 100 * hits / count - 1e-9 <= high <= 100

    def judged(self, folder: Path, right: int, count: int) -> Metrics:
        """So many pictures of a cat, of which it is found in some."""
        names = [f"{i:03d}.jpg" for i in range(count)]
        rows = [box(1 + i, 100 + i, 17, 1, 1, 6, 6) for i in range(count)]
        data = read_dataset(scene(folder, names, rows), load_model("yolov8_n"), LABELS, "", None)
        answers = [
            frame(path, objects=[thing(0, 1, 1, 7, 7)] if i < right else [])
            for i, path in enumerate(data.pictures)
        ]
        return compute_metrics(data, [answers])

    def test_a_map_of_few_pictures_carries_its_own(self, tmp_path: Path) -> None:
        """Of 40 pictures 30 are right: the mAP is the share, and so is nearly its interval."""
        result = self.judged(tmp_path, 30, 40)
        value, (low, high) = result.figures["mAP"], result.intervals["mAP"]
        assert value == pytest.approx(75, abs=1)
        wilson = wilson_interval(30, 40)
        assert (low, high) == pytest.approx(wilson, abs=4)
        assert self.judged(tmp_path / "again", 30, 40).intervals == result.intervals

    def test_more_pictures_say_more(self, tmp_path: Path) -> None:
        widths = []
        for count in (20, 80):
            low, high = self.judged(tmp_path / str(count), count // 2, count).intervals["mAP50"]
            widths.append(high - low)
        assert widths[1] < 0.7 * widths[0]

    def test_of_next_to_none_nothing_is_known(self, tmp_path: Path) -> None:
        assert self.judged(tmp_path, 2, 2).intervals == dict.fromkeys(
            ("mAP", "mAP50"), (0.0, 100.0)
        )

    def test_of_many_none_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(intervals, "MANY_PICTURES", 5)
        assert self.judged(tmp_path, 3, 6).intervals == {}

    def test_the_resampled_figure_is_pycocotools_own(self, tmp_path: Path) -> None:
        """With each picture once it is what COCOeval accumulates."""
        random = np.random.default_rng(3)
        names = [f"{i}.jpg" for i in range(8)]
        rows = [
            box(1 + i, 100 + i % 8, 17 + i % 2, *random.uniform(0, 5, 2), *random.uniform(3, 6, 2))
            for i in range(30)
        ]
        result = read_scene(scene(tmp_path, names, rows), DETECT, LABELS)
        output = {
            path: [
                thing(
                    row["category_id"] - 17,
                    *(v + random.normal(0, 0.7) for v in (x, y, x + w, y + h)),
                    score=float(random.uniform()),
                )
                for row in rows
                if row["image_id"] - 99 == result.ids[path]
                for x, y, w, h in [row["bbox"]]
            ]
            for path in result.ids
        }
        judged = run_cocoeval(result, output)
        categories = [
            _category_detection
            for _category_detection in _category_detections(judged)
            if _category_detection.truths.any()
        ]
        assert mean_precision(categories, np.ones(8), judged.params.recThrs) == pytest.approx(
            (judged.stats[0], judged.stats[1]), abs=1e-12
        )
        assert 0.1 < judged.stats[0] < 0.9


class TestTracks:
    LINES = tuple(f"{i},{n},{x},2,6,6,1,1,1" for i in (1, 2, 3) for n, x in ((1, 1), (2, 11)))

    def clips(self, folder: Path, ids: Sequence[tuple[int, int]]) -> dict[str, float | None]:
        (clip,) = read_mot(DataRequest(path=mot(folder, self.LINES))).films
        frames = [
            frame(
                objects=[
                    thing(0, 1, 2, 7, 8, id=first, label="person"),
                    thing(0, 11, 2, 17, 8, id=second, label="person"),
                    thing(1, 0, 0, 3, 3, id=9, label="car"),
                ]
            )
            for first, second in ids
        ]
        return mot_figures([(clip.truth, frames)])

    def test_the_same_tracks_are_worth_all_and_cars_are_no_pedestrians(
        self, tmp_path: Path
    ) -> None:
        result = self.clips(tmp_path / "a", [(1, 2)] * 3)
        assert result == pytest.approx({"HOTA": 100, "MOTA": 100, "IDF1": 100}, abs=1e-6)

    def test_who_changes_places_loses(self, tmp_path: Path) -> None:
        result = self.clips(tmp_path / "a", [(1, 2), (2, 1), (2, 1)])
        assert result["MOTA"] == pytest.approx(100 * (1 - 2 / 6))
        assert result["IDF1"] == pytest.approx(100 * 2 / 3)

    def test_where_nobody_is_there_is_no_figure(self, tmp_path: Path) -> None:
        (clip,) = read_mot(DataRequest(path=mot(tmp_path, ["1,1,1,2,6,6,0,7,1"]))).films
        frames = [frame(objects=[thing(0, 1, 2, 7, 8, id=1, label="person")])] * 3
        assert mot_figures([(clip.truth, frames)]) == dict.fromkeys(("HOTA", "MOTA", "IDF1"))

    @pytest.mark.parametrize("name", ["{:06d}.jpg", "{}.jpg", "frame-{}.png"])
    @pytest.mark.parametrize("first", [0, 1, 8, 995])
    @pytest.mark.parametrize("gap", [0, 3])
    def test_names_and_gaps_change_nothing(
        self, tmp_path: Path, name: str, first: int, gap: int
    ) -> None:
        """A tracker that is right is right however the frames are called."""
        numbers = [n for n in range(first, first + 12) if not gap or n % gap]
        folder = mot(tmp_path, [f"{n},1,{n - first},2,6,6,1,1,1" for n in numbers], frames=0)
        (folder / "seqinfo.ini").unlink()
        pictures(folder / "img1", *(name.format(n) for n in numbers))
        (clip,) = read_mot(DataRequest(path=folder)).films
        at = {path: int(re.findall(r"\d+", path.name)[-1]) - first for path in clip.pictures}
        frames = [
            frame(path, objects=[thing(0, x, 2, x + 6, 8, id=1, label="person")])
            for path, x in at.items()
        ]
        assert mot_figures([(clip.truth, frames)])["HOTA"] == pytest.approx(100)

    def test_one_object(self, tmp_path: Path) -> None:
        folder = otb(tmp_path, "2,3,5,6", "3,3,5,6", "4,3,5,6")
        (clip,) = read_otb(DataRequest(path=folder)).films
        right = [frame(objects=[thing(0, x, 2, x + 5, 8)]) for x in (1, 2, 3)]
        result = otb_figures([(clip.truth, right)])
        assert result["precision"] == 100
        assert result["AUC"] > 95
        lost = [right[0], frame(), frame()]
        assert otb_figures([(clip.truth, lost)])["precision"] == pytest.approx(100 / 3)


def test_each_kind_of_data_has_its_figures(tmp_path: Path) -> None:
    data = read_dataset(
        scene(tmp_path, ["a.jpg"], [box(1, 100, 17, 1, 1, 6, 6)]),
        load_model("yolov8_n"),
        LABELS,
        "",
        None,
    )
    answers = [[frame(data.pictures[0], objects=[thing(0, 1, 1, 7, 7)])]]
    assert tuple(compute_metrics(data, answers).figures) == JUDGES["box"].metrics
