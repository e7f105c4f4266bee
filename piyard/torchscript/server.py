"""Runs a TorchScript program and answers questions about it, in the process of ``child.py``."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from piyard.conversion import programs
from piyard.errors import ConversionFailed
from piyard.originals.torch import TorchNetwork
from piyard.torch_shim import inference
from piyard.torchscript import describe, messages
from piyard.torchscript.cut import cut
from piyard.torchscript.messages import Failure, Ready
from piyard.torchscript.read import SAVE, first_lines, frozen, load, silent

if TYPE_CHECKING:
    from piyard.torchscript.messages import Answer, Message, Question


def serve(file: Path, names: Sequence[str], questions: BinaryIO, answers: BinaryIO) -> bool:
    """Answer until nobody asks any more; False where the program cannot be loaded.

    ``names`` are those of ``cut``; none leaves the program whole.
    """
    import torch

    def send(message: Message) -> None:
        answers.write(messages.frame(message))
        answers.flush()

    with inference(), torch.no_grad(), silent():
        program = _load(file, names, send)
        if program is None:
            return False
        while head := questions.read(messages.HEAD):
            question = messages.question(questions.read(int.from_bytes(head, "big")))
            _answer(program, question, send)
    return True


def _load(file: Path, names: Sequence[str], send: Any) -> Any:
    program: Any = None
    with _failures_sent(send):
        whole = load(file)
        program = cut(whole, names) if names else whole
        send(Ready())
    return program


def _answer(program: Any, question: Question, send: Any) -> None:
    with _failures_sent(send):
        for answer in _answers(program, question):
            send(answer)


@contextmanager
def _failures_sent(send: Any) -> Iterator[None]:
    """Whatever the program provokes becomes a ``Failure``."""
    try:
        yield
    except ConversionFailed as error:
        send(Failure(error.what, error.evidence, error.remedy))
    except Exception as error:  # noqa: BLE001  # a program may provoke anything
        what = "torch cannot run the TorchScript program"
        send(Failure(what, first_lines(error), SAVE))


def _answers(program: Any, question: Question) -> Iterator[Answer]:
    match question:
        case messages.Describe():
            yield describe.describe(program)
        case messages.Shapes(values=values, input=shape):
            yield messages.Sizes(describe.shapes(program, values, shape))
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
    import torch

    buffer = io.BytesIO()
    save: Any = torch.jit.save
    save(frozen(program), buffer)
    return buffer.getvalue()


def _network(program: Any, shapes: Sequence[tuple[int, ...]] = ()) -> TorchNetwork:
    return TorchNetwork(network=program, shapes=list(shapes), write=programs.save_script)
