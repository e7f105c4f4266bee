"""Tasks about what was measured before: list it, compare it, measure two builds in turns."""

from __future__ import annotations

from invoke.context import Context

from piyard.tasks import defaults, texts
from piyard.tasks.letters import task

FAIL_ABOVE = "end with code 19 when a job is significantly slower by more than that, as 5%"
BUILD = "a build by its key or the start of it (invoke build prints its folder), or current"
OF_BENCH = (
    *("target", "no-wait", "strict", "precision", "threads", "loops", "budget", "warmup"),
    *("governor", "limit", "link-limit", "random-weights", "format", "dry-run"),
)


@task(
    iterable=["host", "model"],
    help={
        "host": "only boards of that name, glob or @tag; repeat for more",
        "model": "only models of that name or glob; repeat for more",
        "since": "only from that day on, as 2026-11-01, or that moment (UTC)",
        "last": "only so many of the newest (30)",
        "rebuild": "make the index again from all stored results",
        "format": texts.FORMAT,
    },
)
def history(
    _c: Context,
    host: list[str],
    model: list[str],
    since: str = "",
    last: str = "",
    rebuild: bool = False,
    format: str = "plain",
) -> None:
    """List stored results, the newest last, each with its change since the one before."""
    from piyard.commands import history as known

    known.listed(locals())


@task(
    positional=["a", "b"],
    help={
        "a": "a run's id or its start, or a set: build=2cc76d,model=resnet*,host=pi5 "
        "(keys: host, model, model_key, build, precision, threads, since, on)",
        "b": "the same; effects are B's against A's",
        "across": "conditions that may differ, joined by commas, as build,kernel",
        "fail-above": FAIL_ABOVE,
        "emulated": "compare emulated boards' times with each other, too",
        "format": texts.FORMAT,
    },
)
def compare(
    _c: Context,
    a: str,
    b: str,
    across: str = "",
    fail_above: str = "",
    emulated: bool = False,
    format: str = "plain",
) -> None:
    """Compare stored results of the same jobs; unlike conditions are refused."""
    from piyard.commands import compare as known

    known.compare(locals())


@task(
    iterable=["model", "precision", "threads"],
    help={name: texts.BENCH[name] for name in OF_BENCH}
    | {
        "host": "the board: a name of the inventory, user@name:port or emulated:<target>",
        "model": texts.MODEL,
        "a": BUILD,
        "b": "the other build; effects are B's against A's",
        "rounds": "how often to measure A-B-B-A (1)",
        "fail-above": FAIL_ABOVE + ", and is so again",
    },
)
def ab(
    _c: Context,
    model: list[str],
    precision: list[str],
    threads: list[str],
    a: str = "",
    b: str = "",
    host: str = "",
    no_wait: bool = False,
    rounds: str = "",
    fail_above: str = "",
    target: str = "",
    loops: str = "",
    budget: str = "",
    warmup: str = "",
    governor: str = "",
    limit: str = "",
    random_weights: bool = False,
    link_limit: str = "",
    strict: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Measure two builds in turns (A-B-B-A) on one board, and compare them."""
    from piyard.commands import ab as known

    asked = locals()
    asked |= {"host": [host] if host else [], "model": model or [defaults.MODEL]}
    known.ab(asked | {"host": defaults.hosts(asked)})
