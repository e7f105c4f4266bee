"""Tasks that need no board: build, convert, and print what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from piyard import build as builder
from piyard import convert, job, report, result, say, tables
from piyard.errors import WrongInput


def build(target_name: str, source_name: str, *, dry_run: bool) -> None:
    """Build for a target, or say what that would take."""
    if dry_run:
        for line in builder.plan(target_name, source_name):
            print(line)
        return
    made = builder.build(target_name, source_name)
    facts = made.manifest["elf"]
    linked = "static" if facts["static"] else f"needs GLIBC {facts['glibc']}"
    size = made.nnrun.stat().st_size / 1e6
    state = "built" if made.fresh else "nothing changed"
    say.note(f"✓ {target_name}: {state}, build {made.key}, nnrun {size:.1f} MB, {linked}")
    print(made.folder)


def conversions(names: Sequence[str], *, random_weights: bool, dry_run: bool) -> None:
    """Convert models, or say which would be."""
    job.check_names(names)
    for name in names:
        if dry_run:
            print(f"convert {name}, or find it converted")
            continue
        made = convert.convert(name, random_weights=random_weights)
        proved = "converted and proved" if made.made else "nothing changed"
        say.note(
            f"✓ {name}: {proved}, {_weights(made)}, {made.manifest['params'] / 1e6:.2f} M params"
        )
        print(made.folder)


def reprint(form: str, *, every: bool, run_id: str) -> None:
    """The table of what is stored."""
    tables.check_format(form)
    if run_id:
        print(report.render([result.read(result.find(run_id))], form))
        return
    results, unreadable = result.stored(every=every)
    for line in unreadable:
        say.note(f"left out: {line}")
    if not results:
        raise WrongInput("no results are stored yet", remedy="invoke deploy-bench makes some")
    print(report.render(results, form))


def _weights(made: convert.Conversion) -> str:
    told = made.manifest["weights"]
    return f"weights: {told['source']}" if made.has_real_weights else "random weights"
