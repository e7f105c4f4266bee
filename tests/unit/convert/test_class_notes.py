"""Names of classes, however they are noted beside weights."""

import argparse

import pytest

from piyard.convert.own.class_notes import noted_class_names, ordered_names

TWO = ["cat", "dog"]


@pytest.mark.parametrize(
    "noted",
    [
        TWO,
        tuple(TWO),
        {0: "cat", 1: "dog"},
        {"0": "cat", "1": "dog"},
        {1: "dog", 0: "cat"},
        {"dog": 1, "cat": 0},
    ],
)
def test_names_come_in_the_order_of_their_numbers(noted):
    assert ordered_names(noted) == TWO


@pytest.mark.parametrize(
    "noted",
    [None, 2, "cat", [1, 2], {1: "cat", 2: "dog"}, {"cat": 0, "dog": 0}, {"a": "b"}, {}, []],
)
def test_anything_else_is_none(noted):
    assert ordered_names(noted) == []


@pytest.mark.parametrize(
    "notes",
    [
        {"class_names": TWO},
        {"classes": 2, "class_to_idx": {"cat": 0, "dog": 1}},
        {"hyper_parameters": {"id2label": {0: "cat", 1: "dog"}}},
        {"args": argparse.Namespace(classes=TWO)},
        {"meta": {"CLASSES": tuple(TWO)}},
    ],
)
def test_wherever_they_are_noted(notes):
    assert noted_class_names({"epoch": 3, "lr": 0.1, **notes}) == TWO
    assert noted_class_names({"epoch": 3}) == []
