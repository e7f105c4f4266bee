"""The tasks that tell how right a model is."""

from __future__ import annotations

from invoke.context import Context

from piyard.tasks import defaults, texts
from piyard.tasks.letters import task


@task(iterable=["host", "precision"], help=texts.EVALUATE)
def evaluate(
    _c: Context,
    data: str,
    host: list[str],
    precision: list[str],
    model: str = defaults.MODEL,
    kind: str = "",
    limit: str = "",
    desktop: bool = False,
    all: bool = False,
    target: str = "",
    threads: str = "",
    force: bool = False,
    retry: str = "",
    link_limit: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Tell how right a model is on your data: its original, ncnn here, nnrun on boards."""
    from piyard import wanted
    from piyard.commands import evaluate as judge

    typed = locals() | {"model": [model], "threads": [threads] if threads else []}
    # --limit counts pictures here; how long a board may take is the command's own affair.
    judge.evaluate(wanted.parse(typed | {"limit": ""}), typed)


@task(iterable=["host", "model", "precision"], help=texts.PROVE)
def prove(
    _c: Context,
    host: list[str],
    model: list[str],
    precision: list[str],
    pictures: str = "",
    mask: bool = False,
    random_weights: bool = False,
    all: bool = False,
    target: str = "",
    threads: str = "",
    limit: str = "",
    force: bool = False,
    retry: str = "",
    link_limit: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Prove that boards compute what a model's original does: raw outputs, and what they mean."""
    from piyard import options, wanted
    from piyard.boardproof.question import PICTURES
    from piyard.commands import prove as judge

    typed = locals() | {
        "host": defaults.hosts(locals()),
        "model": model or [defaults.MODEL],
        "threads": [threads] if threads else [],
    }
    count = options.whole("pictures", pictures, least=0)
    judge.on_boards(wanted.parse(typed), pictures=PICTURES if count is None else count, mask=mask)
