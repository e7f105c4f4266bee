"""Boards, models and jobs as a plan holds them, by their names."""

from __future__ import annotations

from typing import Any

import msgspec

from piyard.board import emulator
from piyard.board.connection import BoardSpec
from piyard.board.emulator import EmulatedBoard
from piyard.board.fleet.inventory import emulated_target
from piyard.core.target import load_target
from piyard.models.definition import Model, load_model, model_names
from piyard.run.job import BenchOptions, Job


def board(name: str, target: str = "rpi5", **more: Any) -> BoardSpec:
    """A board of that target."""
    return BoardSpec(name=name, target=load_target(target), **more)


def model(name: str) -> Model:
    """The model of that name; one that is made up is like resnet18."""
    if name in model_names():
        return load_model(name)
    return msgspec.structs.replace(load_model("resnet18"), name=name)


def job(
    host: str, target: str, model_name: str, *, precision: str = "fp32", threads: int = 1
) -> Job:
    """A benchmark with the usual options."""
    return Job(
        board=board(host, target),
        model=model(model_name),
        precision=precision,
        threads=threads,
        bench=BenchOptions(),
    )


def start_emulated(name: str) -> EmulatedBoard:
    """The emulated board of that name, started."""
    return emulator.start_emulated(name, emulated_target(name))
