"""What Invoke looks for in the checkout: piyard's tasks, and its program as piyard's own."""

from __future__ import annotations

from piyard import ending
from piyard.cli import program
from piyard.cli.tasks import NAMESPACE

program.adopt()
ending.install()
namespace = NAMESPACE
