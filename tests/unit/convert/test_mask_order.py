"""In which order layers are spared fp16."""

from piyard.convert.mask_search import order_by_loss
from piyard.convert.param import Layer


def layer(kind, name, bottoms, tops):
    return Layer(type=kind, name=name, bottoms=bottoms.split(), tops=tops.split())


NET = [
    layer("Convolution", "first", "in0", "a"),
    layer("Split", "copies", "a", "a0 a1"),
    layer("Interp", "larger", "a0", "b"),
    layer("Convolution", "beside", "a1", "c"),
    layer("Concat", "both", "b c", "d"),
    layer("Convolution", "last", "d", "out0"),
]


def test_a_layer_brings_what_its_inputs_come_from_the_nearest_first():
    losses = {"first": 0.0, "copies": 0.0, "larger": 1.0, "beside": 2.0, "both": 0.0, "last": 3.0}
    order = order_by_loss(NET, losses)
    assert order == ["last", "both", "larger", "beside", "copies", "first"]


def test_what_computes_ends_the_way_back():
    losses = dict.fromkeys([each.name for each in NET], 0.0) | {"beside": 2.0, "both": 1.0}
    assert order_by_loss(NET, losses)[:4] == ["beside", "copies", "first", "both"]


def test_what_overflows_brings_its_readers_and_not_its_makers():
    losses = dict.fromkeys([each.name for each in NET], 0.0) | {"both": float("inf"), "first": 1.0}
    assert order_by_loss(NET, losses)[:3] == ["both", "last", "first"]
