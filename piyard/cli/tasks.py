"""All tasks. Each imports its worker when it is called, so that ``--list`` stays quick."""

from __future__ import annotations

from piyard.cli import board_tasks, desk_tasks, fleet_tasks
from piyard.cli.command import list_commands, namespace

NAMESPACE = namespace(list_commands(board_tasks, fleet_tasks, desk_tasks))
