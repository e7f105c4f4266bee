"""Runs a TorchScript program and answers questions about it, in the process of ``script_child``."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from piyard.convert.lowering import ONNX_OPSET, save_script
from piyard.convert.reference import TorchReference
from piyard.convert.script_cutting import cut_script, describe_script, script_shapes, unwrap_script
from piyard.convert.script_inputs import script_channels, script_inputs
from piyard.convert.script_messages import (
    FRAME_HEAD,
    Content,
    Cost,
    Count,
    Describe,
    Description,
    Done,
    Export,
    Failure,
    Named,
    Ready,
    Run,
    Save,
    Shapes,
    Sizes,
    Tensors,
    Watch,
    decode_question,
    encode_frame,
    pack_tensor,
    unpack_tensor,
)
from piyard.convert.torchscript import (
    SAVE_REMEDY,
    freeze_script,
    load_script,
    summarize_error,
    torch_warnings_off,
)
from piyard.core.errors import ConversionFailed
from piyard.models.networks import inference

if TYPE_CHECKING:
    from piyard.convert.script_messages import Answer, Message, Question


def serve(file: Path, names: Sequence[str], questions: BinaryIO, answers: BinaryIO) -> bool:
    """Answer until nobody asks any more; False where the program cannot be loaded.

    ``names`` are those of ``cut``; none leaves the program whole.
    """
    import torch

    def send(message: Message) -> None:
        answers.write(encode_frame(message))
        answers.flush()

    with inference(), torch.no_grad(), torch_warnings_off():
        loaded = _load_program(file, names, send)
        if loaded is None:
            return False
        while head := questions.read(FRAME_HEAD):
            question = decode_question(questions.read(int.from_bytes(head, "big")))
            _answer(loaded, question, send)
    return True


class LoadedProgram(msgspec.Struct, frozen=True):
    """A program that returns tensors, and their keys where it returned a dictionary."""

    program: Any
    keys: list[str] = []


def _load_program(file: Path, names: Sequence[str], send: Any) -> LoadedProgram | None:
    loaded: LoadedProgram | None = None
    with _failures_sent(send):
        whole = load_script(file)
        loaded = LoadedProgram(*((cut_script(whole, names),) if names else unwrap_script(whole)))
        send(Ready())
    return loaded


def _answer(loaded: LoadedProgram, question: Question, send: Any) -> None:
    with _failures_sent(send):
        for answer in _answers(loaded.program, question):
            described = isinstance(answer, Description) and loaded.keys
            send(msgspec.structs.replace(answer, keys=loaded.keys) if described else answer)


@contextmanager
def _failures_sent(send: Any) -> Iterator[None]:
    """Whatever the program provokes becomes a ``Failure``."""
    try:
        yield
    except ConversionFailed as error:
        send(Failure(error.what, error.evidence, error.remedy))
    except Exception as error:  # noqa: BLE001  # a program may provoke anything
        what = "torch cannot run the TorchScript program"
        send(Failure(what, summarize_error(error), SAVE_REMEDY))


def _answers(program: Any, question: Question) -> Iterator[Answer]:
    match question:
        case Describe():
            yield _description(program)
        case Shapes(values=values, input=shape):
            yield Sizes(script_shapes(program, values, shape))
        case Save():
            yield Content(_saved_program(program))
        case Export(inputs=inputs):
            yield Content(_exported_program(program, inputs))
        case Count(inputs=inputs):
            yield Cost(_reference_network(program, inputs).size())
        case Run(inputs=inputs):
            outputs = _reference_network(program).run(*map(unpack_tensor, inputs))
            yield Tensors([pack_tensor(output) for output in outputs])
        case Watch(inputs=inputs):
            for name, value in _reference_network(program).tensors(*map(unpack_tensor, inputs)):
                yield Named(name, pack_tensor(value))
            yield Done()


def _description(program: Any) -> Description:
    frozen_program = freeze_script(program)
    return msgspec.structs.replace(
        describe_script(program),
        inputs=script_inputs(frozen_program),
        channels=script_channels(frozen_program),
    )


def _saved_program(program: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    save: Any = torch.jit.save
    save(freeze_script(program), buffer)
    return buffer.getvalue()


def _exported_program(program: Any, shapes: Sequence[tuple[int, ...]]) -> bytes:
    """ONNX, by torch's exporter of traced programs, which reads TorchScript."""
    import torch

    buffer = io.BytesIO()
    export: Any = torch.onnx.export
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    export(freeze_script(program), zeros, buffer, dynamo=False, opset_version=ONNX_OPSET)
    return buffer.getvalue()


def _reference_network(program: Any, shapes: Sequence[tuple[int, ...]] = ()) -> TorchReference:
    return TorchReference(network=program, shapes=list(shapes), write=save_script)
