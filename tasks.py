"""What Invoke looks for in the checkout: piyard's tasks, and its program as piyard's own."""

from __future__ import annotations

from piyard.cli import program
from piyard.cli.tasks import NAMESPACE
from piyard.core.cancel import install_exit_hooks

program.adopt()
install_exit_hooks()
namespace = NAMESPACE
