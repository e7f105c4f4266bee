"""What is counted where nothing was measured, and when nothing can be."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from piyard.compress import counting
from piyard.convert import converter
from piyard.core.errors import NotSetUp
from piyard.core.target import load_target
from piyard.measure.counted.layers import Cost
from piyard.models.definition import load_model

BUILD = SimpleNamespace(nnrun="nnrun", key="b")
CONVERSION = SimpleNamespace(key="c", name="resnet18")


@pytest.fixture
def models():
    return [load_model("resnet18")]


def test_another_core_is_not_estimated(models, capsys, monkeypatch):
    monkeypatch.setattr(counting, "can_count", lambda: True)
    assert counting.count_speeds(models, load_target("rpi4")) == {}
    assert "what a rpi4 does" in capsys.readouterr().err


def test_without_an_emulator_that_is_said(models, capsys, monkeypatch):
    monkeypatch.setattr(counting, "can_count", lambda: False)
    assert counting.count_speeds(models, load_target("rpi5")) == {}
    assert "no emulator here counts" in capsys.readouterr().err


def test_an_emulator_without_plugins_is_said(models, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))

    def refuse(_nnrun):
        raise NotSetUp("qemu-aarch64 counts nothing")

    monkeypatch.setattr(counting, "can_count", lambda: True)
    monkeypatch.setattr(counting, "build_nnrun", lambda _target: BUILD)
    monkeypatch.setattr(counting, "open_machine", refuse)
    monkeypatch.setattr(converter, "convert_model", lambda *_, **__: CONVERSION)
    assert counting.count_speeds(models, load_target("rpi5")) == {}
    assert "nothing is counted: qemu-aarch64 counts nothing" in capsys.readouterr().err


def test_the_layers_are_added_up_and_counted_once(models, monkeypatch, tmp_path):
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    opened = []
    layers = {
        "a": Cost(instructions=10, cycles=4 * 2.4e6, bytes=0),
        "b": Cost(instructions=5, cycles=0, bytes=10_700_000),
    }

    @contextmanager
    def machine(_nnrun):
        opened.append(True)
        yield SimpleNamespace(count_layers=lambda *_: layers)

    conversion = SimpleNamespace(
        folder=tmp_path,
        key="c",
        name="resnet18",
        input_shapes=[(3, 224, 224)],
        board_files=lambda _: {"model.ncnn.param": "p", "model.ncnn.bin": "b"},
    )
    monkeypatch.setattr(counting, "can_count", lambda: True)
    monkeypatch.setattr(counting, "build_nnrun", lambda _target: BUILD)
    monkeypatch.setattr(counting, "open_machine", machine)
    monkeypatch.setattr(counting, "board_precision", lambda *_: "fp16")
    monkeypatch.setattr(
        counting, "converter", SimpleNamespace(convert_model=lambda *_, **__: conversion)
    )
    (speed,) = counting.count_speeds(models, load_target("rpi5")).values()
    assert (speed.source, speed.instructions) == ("counted", 15)
    assert speed.time_ms == pytest.approx(2.0)
    assert counting.count_speeds(models, load_target("rpi5")) == {"resnet18": speed}
    assert len(opened) == 1
    conversion.key = "another"
    counting.count_speeds(models, load_target("rpi5"))
    assert len(opened) == 2
