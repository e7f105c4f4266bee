"""piyard's Invoke tasks: parse, call, print. What they do is in piyard/."""

from __future__ import annotations

from piyard import ending
from piyard.cli import board_tasks, desk_tasks, fleet_tasks, program, request

program.adopt()
ending.install()
TASKS = (board_tasks, desk_tasks, fleet_tasks)
"""A task is one as soon as its module is imported here."""
namespace = request.namespace(request.COMMANDS)
