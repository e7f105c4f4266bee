"""Runs a TorchScript program and answers questions about it, in a sandbox.

Run by ``python -I child.py FILE CUT…``; questions come on stdin, answers go to stdout (see
``messages.py``). What the program itself prints goes nowhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from piyard.originals.torch import TorchNetwork
    from piyard.torchscript.messages import Answer, Message, Question


def main() -> None:
    """Answer until nobody asks any more."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    _find_piyard(Path(__file__).resolve().parents[1])
    import torch

    from piyard.torch_shim import inference
    from piyard.torchscript import messages
    from piyard.torchscript.read import silent

    os.dup2(nowhere, 2)  # until here it tells why Python itself does not start

    def send(message: Message) -> None:
        answers.write(messages.frame(message))
        answers.flush()

    with inference(), torch.no_grad(), silent():
        program = _load(Path(sys.argv[1]), sys.argv[2:], send)
        while head := questions.read(messages.HEAD):
            question = messages.question(questions.read(int.from_bytes(head, "big")))
            _answer(program, question, send)


def _find_piyard(folder: Path) -> None:
    """Where it is, may be read; the folder around it, which a path would have searched, may not."""
    spec = util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec and spec.loader:
        sys.modules[folder.name] = util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[folder.name])


def _load(file: Path, cut: Sequence[str], send: Any) -> Any:
    from piyard import torchscript
    from piyard.torchscript.messages import Ready

    with _failures_sent(send):
        program = torchscript.load(file)
        program = torchscript.cut(program, cut) if cut else program
        send(Ready())
        return program
    sys.exit(1)


def _answer(program: Any, question: Question, send: Any) -> None:
    with _failures_sent(send):
        for answer in _answers(program, question):
            send(answer)


@contextmanager
def _failures_sent(send: Any) -> Iterator[None]:
    """Whatever the program provokes becomes a ``Failure``."""
    from piyard.errors import ConversionFailed
    from piyard.torchscript.messages import Failure
    from piyard.torchscript.read import SAVE, first_lines

    try:
        yield
    except ConversionFailed as error:
        send(Failure(error.what, error.evidence, error.remedy))
    except Exception as error:  # noqa: BLE001  # a program may provoke anything
        what = "torch cannot run the TorchScript program"
        send(Failure(what, first_lines(error), SAVE))


def _answers(program: Any, question: Question) -> Iterator[Answer]:
    from piyard.torchscript import messages
    from piyard.torchscript.describe import describe, shapes

    match question:
        case messages.Describe():
            yield describe(program)
        case messages.Shapes(values=values, input=shape):
            yield messages.Sizes(shapes(program, values, shape))
        case messages.Save():
            yield messages.Content(_saved(program))
        case messages.Count(inputs=inputs):
            yield messages.Cost(_network(program, inputs).size())
        case messages.Run(inputs=inputs):
            outputs = _network(program).run(*map(messages.unpack, inputs))
            yield messages.Tensors([messages.pack(output) for output in outputs])
        case messages.Watch(inputs=inputs):
            for name, value in _network(program).tensors(*map(messages.unpack, inputs)):
                yield messages.Named(name, messages.pack(value))
            yield messages.Done()


def _saved(program: Any) -> bytes:
    import io

    import torch

    from piyard import torchscript

    buffer = io.BytesIO()
    save: Any = torch.jit.save
    save(torchscript.frozen(program), buffer)
    return buffer.getvalue()


def _network(program: Any, shapes: Sequence[tuple[int, ...]] = ()) -> TorchNetwork:
    from piyard.conversion import programs
    from piyard.originals.torch import TorchNetwork

    return TorchNetwork(network=program, shapes=list(shapes), write=programs.save_script)


if __name__ == "__main__":
    main()
