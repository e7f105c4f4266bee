"""What a TorchScript file shows of its inputs, in the sandbox that it runs in."""

from __future__ import annotations

from pathlib import Path

from piyard.convert.own.defaults import FILE_DEFAULTS
from piyard.convert.script_messages import Description
from piyard.convert.script_program import SandboxedProgram
from piyard.core.errors import WrongInput
from piyard.core.text import sanitize_line


def describe_program(program: SandboxedProgram) -> Description:
    """Its graph. Raises ``WrongInput`` for one with several inputs, which have no shapes."""
    described = program.describe()
    if len(described.inputs) > 1:
        names = ", ".join(map(sanitize_line, described.inputs))
        raise WrongInput(
            f"{program.file.name} takes {len(described.inputs)} inputs ({names}), and a "
            "TorchScript file says nothing of their shapes",
            remedy="save it as ONNX, which does: torch.onnx.export(network, examples, 'net.onnx')",
        )
    return described


def shown_size(file: Path) -> str:
    """The usual size with as many channels as the first convolution takes; empty without one."""
    channels = describe_program(SandboxedProgram(file)).channels
    _, _, sides = FILE_DEFAULTS.size.partition(",")
    return f"{channels},{sides}" if channels else ""
