"""The table, the sentence and the plot of a compression."""

import csv
import io
import json
from xml.etree import ElementTree as ET

import pytest

from piyard.compress.chart import COLUMNS, Dot, Point, draw_svg, draw_text, place_labels
from piyard.compress.recommendation import recommend
from piyard.compress.summary import Judged, list_notes, make_rows, render_rows


def judged(model="net", accuracy=71.8, time_ms=8.0, **more):
    values = {
        "model": model,
        "method": "original" if "@" not in model else "ptq",
        "precision": "fp16",
        "metric": "top-1",
        "accuracy": accuracy,
        "interval": (67.0, 75.0),
        "data": "imagenet500, 500 pictures",
        "time_ms": time_ms,
        "time_source": "measured",
        "macs": 300_000_000,
        "bytes": 14_000_000,
    }
    floats = "fp16" if more.get("precision", "fp16") == "fp16" else "int8+fp16"
    return Judged(**{"data_type": floats} | values | more)


MIXED = judged("net@ptq-mixed", 71.5, 5.0, precision="int8")
SMALL = judged("net@prune50", 66.0, 4.0)
WORSE = judged("net@lowrank", 66.0, 9.0)


def test_what_to_take_is_the_fastest_that_is_right():
    rows = make_rows([judged(interval=None), SMALL, MIXED])
    assert recommend(rows) == (
        "net@ptq-mixed: 1.6 x faster than net in fp16 (5.00 ms), -0.3 points top-1; take it"
    )


def test_less_may_be_kept():
    rows = make_rows([judged(interval=None), SMALL, MIXED])
    assert recommend(rows, keep=0.9).startswith("net@prune50: 2.0 x faster")
    assert "too much" in recommend(rows, keep=0.999)


def test_a_difference_within_chance_is_said():
    assert "within what chance does" in recommend(make_rows([judged(), MIXED]))


def test_what_is_more_accurate_in_the_same_time_is_taken():
    learnt = judged("net@distill", 73.0, 8.1)
    rows = make_rows([judged(interval=None), learnt])
    assert recommend(rows) == "net@distill: +1.2 points top-1 in the same time; take it"
    by_chance = make_rows([judged(interval=(67.0, 75.0)), learnt])
    assert "does not pay" in recommend(by_chance)
    untimed = {"time_ms": None, "time_source": "macs", "macs": 300_000_000}
    rows = make_rows([judged(interval=None, **untimed), judged("net@distill", 73.0, **untimed)])
    assert recommend(rows).endswith("for the same work; take it")
    slower = judged("net@distill", 73.0, 9.0)
    assert "does not pay" in recommend(make_rows([judged(interval=None), slower]))


def test_where_nothing_is_to_be_taken_the_sentence_is_about_what_was_made():
    halved, sixth = judged("net@prune50", 60.0, 4.0), judged("net@lowrank90", 65.0, 6.0)
    rows = make_rows([judged(), halved, sixth])
    assert recommend(rows, made="net@lowrank90").startswith("net@lowrank90: 1.3 x faster")
    assert recommend(rows).startswith("net@prune50: 2.0 x faster")
    known = make_rows([judged(accuracy=None), judged("net@a", None, 4.0), judged("net@b", None, 6)])
    assert recommend(known, made="net@b").startswith("net@b: 1.3 x faster")
    assert recommend(make_rows([judged(), MIXED, sixth]), made="net@lowrank90").startswith(
        "net@ptq-mixed: 1.6 x faster"
    )


def test_a_loss_within_chance_is_not_called_too_much():
    within = judged("net@prune50", 69.0, 4.0, method="prune")
    assert recommend(make_rows([judged(), within])).endswith(
        "-2.8 points top-1 (within what chance does on these pictures); judge it by more pictures "
        "before you take it"
    )
    beyond = judged("net@prune50", 66.0, 4.0, method="prune")
    assert recommend(make_rows([judged(), beyond])).endswith("(--epochs) or take away less")


def test_what_helps_depends_on_the_method():
    chained = judged("net@prune50@ptq-int8", 60.0, 4.0, method="prune+ptq")
    assert "--method qat" in recommend(make_rows([judged(), chained]))
    trained = judged("net@qat-int8", 60.0, 4.0, method="qat")
    assert recommend(make_rows([judged(), trained])).endswith("too much; train longer (--epochs)")


def test_int8_that_does_not_pay():
    slow = judged("net@ptq-int8", 71.7, 9.5, precision="int8", time_source="counted")
    rows = make_rows([judged(time_source="counted"), slow])
    assert recommend(rows) == (
        "int8+fp16 does not pay here: net in fp16 takes 8.00 ms, net@ptq-int8 9.50 ms; keep net"
    )


def test_multiplications_do_not_say_whether_int8_is_faster():
    untimed = {"time_ms": None, "time_source": "macs"}
    small = judged("net@ptq-int8", 71.5, precision="int8", bytes=3_500_000, **untimed)
    pruned = judged("net@prune50", 71.0, macs=150_000_000, **untimed)
    rows = make_rows([judged(interval=None, **untimed), small])
    assert rows[1].speedup is None
    assert all(row.is_best for row in rows)
    assert "N/A" in render_rows(rows, "plain").splitlines()[-1]
    assert recommend(rows) == (
        "net@ptq-int8: 4.0 x smaller than net, -0.3 points top-1; whether int8+fp16 is faster is "
        "not known here: name a board with --host"
    )
    assert "take it" in recommend(make_rows([judged(interval=None, **untimed), small, pruned]))


def test_without_truth_nothing_is_taken():
    rows = make_rows([judged(accuracy=None), judged("net@ptq", None, 5.0)])
    assert recommend(rows).endswith("its accuracy is not known: name data with truth")
    assert not any(row.is_best for row in rows)
    assert draw_text(rows, "ms") == draw_svg(rows, "net", "ms") == ""


def test_the_best_are_those_that_nothing_beats():
    rows = make_rows([judged(), SMALL, MIXED, WORSE])
    assert [row.judged.model for row in rows if row.is_best] == [
        "net",
        "net@prune50",
        "net@ptq-mixed",
    ]


def test_equals_do_not_beat_each_other():
    rows = make_rows([judged(), judged("net@a", 71.8, 8.0)])
    assert all(row.is_best for row in rows)


def test_work_stands_for_time_where_there_is_none():
    half = judged("net@prune50", 71.0, None, macs=150_000_000, time_source="macs")
    rows = make_rows([judged(time_ms=None, time_source="macs"), half])
    assert rows[1].speedup == 2.0
    assert "2.0 x less work than net" in recommend(rows)
    assert "multiply-accumulates stand for it" in list_notes(rows, "rpi5")[0]


def test_where_times_come_from_is_said():
    boards = ("kitchen", "emulated:rpi5")
    measured = list_notes(make_rows([judged()]), "rpi5", boards[:1])
    assert measured[0] == "time: median of one inference, measured on kitchen"
    counted = list_notes(make_rows([judged(time_source="counted")]), "rpi5", boards[1:])
    assert counted[0].startswith("time: estimated of the cycles and bytes that an emulated rpi5 ")


def test_a_network_that_is_int8_in_part_is_not_called_int8():
    mixed = judged("net@ptq-mixed", 71.7, 7.9, precision="int8", data_type="int8+fp16 (17/53)")
    rows = make_rows([judged(), mixed])
    assert "int8+fp16 (17/53)" in render_rows(rows, "plain")
    assert json.loads(render_rows(rows, "json"))[1]["data_type"] == "int8+fp16 (17/53)"
    assert recommend(rows).startswith("int8+fp16 (17/53) does not pay here")


def test_numbers_are_numbers():
    rows = make_rows([judged(), MIXED])
    original, mixed = json.loads(render_rows(rows, "json"))
    assert (mixed["accuracy_percent"], mixed["time_ms"], mixed["pareto"]) == (71.5, 5.0, True)
    assert mixed["points_off"] == pytest.approx(-0.3)
    assert (original["speedup"], original["interval_low_percent"]) == (None, 67.0)
    (_, line) = csv.DictReader(io.StringIO(render_rows(rows, "csv")))
    assert (line["speedup"], line["bytes"]) == ("1.6", "14000000")
    assert float(line["interval_high_percent"]) == 75.0


def test_the_table_fits_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = render_rows(make_rows([judged(), MIXED, SMALL]), "plain").splitlines()
    assert max(map(len, lines)) <= 80
    assert "71.8 (67 to 75)" in lines[2]


def test_a_chain_fits_a_terminal_and_each_row_is_told_from_the_others(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["net", "net@prune40", "net@prune40@distill", "net@prune40@distill@ptq-int8"]
    family = [judged(name, time_source="counted") for name in [*names, "net@lowrank90@qat"]]
    table = render_rows(make_rows(family), "plain").splitlines()
    assert max(map(len, table)) <= 80
    shown = ["net", "@prune40", "…@distill", "……@ptq-int8", "@lowrank90@qat"]
    assert [line.split()[0] for line in table[2:]] == shown


def test_the_plot_in_characters():
    lines = draw_text(make_rows([judged(), MIXED, WORSE]), "ms").splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert [line for line in lines if line.startswith(("A", "B", "c"))] == [
        "A net",
        "B @ptq-mixed",
        "c @lowrank",
    ]
    plot = lines[1:17]
    places = {
        letter: next((at, line.index(letter, 6)) for at, line in enumerate(plot) if letter in line)
        for letter in "ABc"
    }
    assert places["A"][0] <= places["B"][0] < places["c"][0]
    assert places["B"][1] < places["A"][1] < places["c"][1]


def test_what_is_far_below_is_in_the_table_and_not_in_the_plot():
    rows = make_rows([judged(), MIXED, judged("net@prune50", 11.0, 4.0)])
    assert "@prune50" in render_rows(rows, "plain")
    assert "prune50" not in draw_text(rows, "ms") + draw_svg(rows, "net", "ms")


def test_points_in_one_place_are_all_there():
    rows = make_rows([judged(), judged("net@a", 71.8, 8.0), judged("net@b", 71.8, 8.0)])
    plot = draw_text(rows, "ms").splitlines()[1:17]
    assert any({"A", "B", "C"} <= set(line) for line in plot)


def test_the_svg_is_one_and_names_are_text():
    rows = make_rows([judged(), judged("net@<b>&", 71.5, 5.0)])
    root = ET.fromstring(draw_svg(rows, "net", "ms"))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"net", "@<b>&"} <= set(texts)
    dots = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert float(dots[0].attrib["cx"]) > float(dots[1].attrib["cx"])
    assert float(dots[0].attrib["cy"]) < float(dots[1].attrib["cy"])


def test_names_of_points_beside_each_other_are_not_drawn_over_each_other():
    places = [(650, 50), (651, 50), (645, 60), (650, 50), (8, 410), (712, 200)]
    dots = [Dot(Point(f"@variant{at}", 1, 1, False), *place) for at, place in enumerate(places)]
    boxes = [each.box for each in place_labels(dots)]
    covered = [*boxes, *(dot.box for dot in dots)]
    assert all(box.is_inside for box in boxes)
    assert not any(
        box.overlaps(other) for at, box in enumerate(boxes) for other in covered[at + 1 :]
    )
