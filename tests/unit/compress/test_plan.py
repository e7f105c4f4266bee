"""What a chain of methods means, before anything is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.compress import methods
from piyard.compress.method import CompressOptions, Settings
from piyard.compress.plan import plan_steps
from piyard.core.errors import WrongInput


class Share(Settings, frozen=True, kw_only=True):
    ratio: float


class Nothing(Settings, frozen=True, kw_only=True):
    pass


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A method as far as a plan looks at it."""

    name: str
    options: frozenset[str] = frozenset()
    needs_data: str = ""
    is_last: bool = False
    detail: Callable[[Any], str]
    choose_settings: Callable[[CompressOptions], Settings]


PRUNE = Planned(
    name="prune",
    options=frozenset({"ratio"}),
    detail=lambda settings: f"prune{100 * settings.ratio:g}",
    choose_settings=lambda options: Share(ratio=options.ratio or 0.5),
)
DISTILL = Planned(
    name="distill",
    options=frozenset({"teacher"}),
    needs_data="pictures",
    detail=lambda _: "distill",
    choose_settings=lambda _: Nothing(),
)
PTQ = Planned(
    name="ptq",
    options=frozenset({"mixed"}),
    is_last=True,
    detail=lambda _: "ptq-int8",
    choose_settings=lambda _: Nothing(),
)


@pytest.fixture(autouse=True)
def three_methods(monkeypatch):
    there = {each.name: each for each in (PRUNE, DISTILL, PTQ)}
    monkeypatch.setattr(methods, "METHODS", there)


def options(*chain, **more):
    return CompressOptions(**{"model": "net", "methods": chain, "data": Path("pics"), **more})


def test_each_step_is_on_what_the_one_before_makes():
    steps = plan_steps(options("prune", "distill", "ptq", ratio=0.25))
    assert [(step.parent, step.name) for step in steps] == [
        ("net", "net@prune25"),
        ("net@prune25", "net@prune25@distill"),
        ("net@prune25@distill", "net@prune25@distill@ptq-int8"),
    ]
    assert steps[0].line == "make net@prune25 of net by prune: ratio 0.25"
    assert steps[2].line == ("make net@prune25@distill@ptq-int8 of net@prune25@distill by ptq")


def test_a_name_is_for_the_last_step():
    steps = plan_steps(options("prune", "distill", name="small"))
    assert [step.name for step in steps] == ["net@prune50", "net@prune50@distill-small"]


@pytest.mark.parametrize("name", ["../x", "a b", "a@b", "a/b", "x\n"])
def test_a_name_is_part_of_a_file_s(name):
    with pytest.raises(WrongInput, match="letters, digits"):
        plan_steps(options("prune", name=name))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (options(), "no --method"),
        (options("ptq", "prune"), "what ptq makes cannot be changed"),
        (options("prune", "distill", data=None), "distill needs pictures"),
        (options("prune", mixed=True), "--mixed says nothing to prune"),
        (options("ptq", ratio=0.5), "--ratio says nothing to ptq"),
        (options("prune", max_latency_ms=9.0), "--max-latency says nothing"),
        (options("blow"), "unknown method 'blow'"),
    ],
)
def test_a_mistake_is_one_line(wrong, why):
    with pytest.raises(WrongInput, match=why):
        plan_steps(wrong)


def test_an_option_of_one_method_of_the_chain_is_enough():
    assert len(plan_steps(options("prune", "ptq", ratio=0.5, mixed=True))) == 2
