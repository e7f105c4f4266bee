"""What a user typed, checked and typed, before anything is done."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import cost, fanout, job, lease, options, tables, target
from piyard.board import Line
from piyard.errors import WrongInput, unknown
from piyard.fleet.choose import choose
from piyard.seat import PMIC, Terms
from piyard.ssh import hostkeys

AUTO = "auto"


class Boards(msgspec.Struct, frozen=True, kw_only=True):
    """Which boards, and how to deal with them."""

    names: Sequence[str]
    target: str = ""
    parallel: int = fanout.PARALLEL
    wait_s: float = lease.WAIT_S

    def lines(self) -> list[Line]:
        """A line to each, not open yet."""
        return [Line(name, self.target, wait_s=self.wait_s) for name in self.names]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with which models on which boards."""

    boards: Boards
    models: Sequence[str]
    precisions: Sequence[str] = ()
    threads: Sequence[int] = ()
    bench: Mapping[str, Any]
    """How long to measure; None keeps what is usual."""
    terms: Terms
    random_weights: bool = False
    force: bool = False
    """Whether a conversion whose proof failed is used."""
    spread: bool = False
    """Share the jobs out over equal boards."""
    retry_failed: bool = False
    price_kwh: float | None = None
    """Dollars for a kilowatt-hour; None gives energy no price."""
    form: str = "plain"
    long: bool = False
    """Whether a table in the terminal has whole comments."""
    dry_run: bool = False


def boards(asked: Mapping[str, Any]) -> Boards:
    """The boards that flags name; raises ``WrongInput``."""
    if asked.get("strict"):
        hostkeys.be_strict()
    named = asked.get("target", "")
    if named and named not in target.names():
        raise unknown("target", named, target.names())
    return Boards(
        names=choose(asked["host"], every=bool(asked.get("all"))),
        target=named,
        parallel=options.whole("parallel", asked.get("parallel", "")) or fanout.PARALLEL,
        wait_s=0 if asked.get("no_wait") else lease.WAIT_S,
    )


def parse(asked: Mapping[str, Any]) -> Wanted:
    """All that the flags of a task say; raises ``WrongInput`` for the first that cannot be."""
    form = asked.get("format", "plain")
    tables.check_format(form)
    precisions = asked.get("precision", [])
    job.check_names(asked["model"], precisions)
    return Wanted(
        models=asked["model"],
        precisions=precisions,
        threads=options.wholes("threads", asked.get("threads", [])),
        bench=_how_long(asked),
        terms=_terms(asked),
        boards=boards(asked),
        random_weights=bool(asked.get("random_weights")),
        force=bool(asked.get("force")),
        spread=bool(asked.get("spread")),
        retry_failed=bool(asked.get("retry_failed")),
        price_kwh=cost.price_kwh(asked.get("price_kwh", "")),
        form=form,
        long=bool(asked.get("long")),
        dry_run=bool(asked.get("dry_run")),
    )


def _terms(asked: Mapping[str, Any]) -> Terms:
    return Terms(
        limit_s=options.whole("limit", asked.get("limit", "")) or 0,
        link_limit=options.rate("link-limit", asked.get("link_limit", "")) or 0,
        retry=options.whole("retry", asked.get("retry", ""), least=0) or 0,
        governor=_governor(asked.get("governor", "")),
        rerun_invalid=options.whole("rerun-invalid", asked.get("rerun_invalid", ""), least=0) or 0,
        energy=_meter(asked),
        picture=_picture(asked.get("picture", "")),
    )


def _picture(text: str) -> Path | None:
    if text and not Path(text).is_file():
        raise WrongInput(f"there is no picture {text}", remedy="check --picture")
    return Path(text) if text else None


def _governor(text: str) -> str:
    if text and not re.fullmatch(r"[a-z_]+", text):
        raise WrongInput(f"'{text}' is no governor", remedy="for example performance, or keep")
    return text


def _meter(asked: Mapping[str, Any]) -> str:
    """How to learn what the board draws: a meter's command, or its own sensors."""
    meter = str(asked.get("meter", ""))
    try:
        words = shlex.split(meter)
    except ValueError as error:
        raise WrongInput(f"--meter cannot be read as a command: {error}") from None
    if meter and not words:
        raise WrongInput("--meter names no command", remedy="give one that prints watts")
    return meter or (PMIC if asked.get("energy") else "")


def _how_long(asked: Mapping[str, Any]) -> dict[str, Any]:
    loops, budget = asked.get("loops", ""), asked.get("budget", "")
    if loops and budget:
        raise WrongInput("--loops and --budget exclude each other", remedy="give one of them")
    return {
        "loops": 0 if budget else options.whole("loops", loops),
        "budget_s": options.seconds("budget", budget),
        "warmup": _warmup(asked.get("warmup", "")),
    }


def _warmup(text: str) -> int | str | None:
    return text if text == AUTO else options.whole("warmup", text, least=0)
