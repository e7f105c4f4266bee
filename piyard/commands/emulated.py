"""Tasks about emulated boards: start, stop, list."""

from __future__ import annotations

from piyard import emulator, tables


def up(target_name: str, *, dry_run: bool) -> None:
    """Start an emulated board and say how to reach it."""
    if dry_run:
        emulator.target_of(target_name)
        print(f"start emulated:{target_name} if it does not run")
        return
    found = emulator.up(target_name)
    print(f"{found.name} answers on port {found.port}: --host {found.name}")


def down(target_name: str, *, dry_run: bool) -> None:
    """Stop an emulated board."""
    if dry_run:
        emulator.target_of(target_name)
        print(f"stop emulated:{target_name} if it runs")
        return
    stopped = emulator.down(target_name)
    print(f"emulated:{target_name} {'is stopped' if stopped else 'was not running'}")


def listed(form: str) -> None:
    """The emulated boards that run."""
    tables.check_format(form)
    rows = [[b.name, b.target, b.container, str(b.port)] for b in emulator.running()]
    print(tables.render(("Board", "Target", "Container", "Port"), rows, form))
