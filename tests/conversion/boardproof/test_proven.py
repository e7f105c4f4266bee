"""What comes out, in figures, rows and words."""

from __future__ import annotations

import msgspec
import numpy as np

from piyard import infer
from piyard.boardproof import proven, table
from piyard.commands.prove import judged
from piyard.conversion import masks
from tests.conversion.boardproof.trouble import convolutions


def test_a_board_that_computes_right_passes(place, asked, board):
    runs = board({})
    made = proven.prove(place, asked)
    assert made.failed == []
    assert made.figures["noise"]["out0"].cosine > 0.999999
    assert runs == [("model", False, place.conversion.key)]


def test_the_first_layer_that_goes_wrong_is_named(place, asked, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (masks.FP32, 0.5)})
    made = judged(place, asked, mask=False)
    assert len(made.failed) == 2
    assert "cosine" in made.failed[0]
    assert "is below 0.999" in made.failed[0]
    (where,) = made.where
    assert f"first diverging layer: Convolution '{wrong}'" in where
    assert made.masks == {}


def test_fp32_on_a_board_has_the_stricter_bar(place, asked, board, conversion):
    last = infer.layers(conversion.folder)[-1].name
    board({last: (masks.FP32, 0.03)}, label="fp32")
    assert "is below 0.9999" in proven.prove(place, asked).failed[0]
    board({last: (masks.FP32, 0.03)}, label="fp16")
    assert proven.prove(place, asked).failed == []


def test_the_input_that_goes_wrong_tells_where(place, asked, board, conversion):
    """A layer may bear noise and not a picture: it loses more of what is small there."""
    name = convolutions(conversion)[4]
    fed = asked.fed["model"]
    calm = float(np.abs(fed["noise"][0][0]).max())
    board({name: (masks.FP32, lambda given: 0.5 if np.abs(given).max() > calm else 0)})
    made = judged(place, asked, mask=False)
    assert [line.partition(", output")[0] for line in made.failed] == ["fp16, drawn"]
    assert f"Convolution '{name}'" in made.where[0]
    assert {row[3]: row[-1] for row in table.rows([made])} == {
        "drawn": "DIFFERS",
        "noise": "passed",
    }


def test_rows_and_lines(place, asked, board):
    board({})
    made = proven.prove(place, asked)
    rows = table.rows([made])
    assert {len(row) for row in rows} == {len(table.COLUMNS)}
    assert rows[0][:5] == ["small", "pi5-a", "fp16", "drawn", "out0"]
    assert {row[-1] for row in rows} == {"passed"}
    assert table.lines(made) == []
    failed = msgspec.structs.replace(made, failed=["a"], where=["b"], masks={"c": 1, "d": 1})
    assert table.lines(failed) == [
        "small masks are not enough: c, d",
        "✗ small on pi5-a, a",
        "✗ small on pi5-a, b",
    ]
    assert table.lines(msgspec.structs.replace(made, masks={"c": 1})) == ["small needs masks: c"]
