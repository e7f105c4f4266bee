"""Messages between piyard and the process that runs a TorchScript program.

A frame is 8 bytes of length, then MessagePack. Nothing in it is code: whoever reads decodes types
and checks sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


FRAME_HEAD = 8
MAX_FRAME = 1 << 31
"""Bytes of a frame."""
MAX_DIMENSIONS = 16
"""Dimensions of a tensor."""


class Tensor(msgspec.Struct, frozen=True):
    """fp32, little-endian, row by row."""

    shape: tuple[int, ...]
    data: bytes


class Message(msgspec.Struct, frozen=True, tag=True):
    """A frame's content."""


class Describe(Message, frozen=True):
    """Ask for a ``Description``."""


class Run(Message, frozen=True):
    """Ask for the outputs (``Tensors``) for these inputs, without batch."""

    inputs: list[Tensor]


class Watch(Message, frozen=True):
    """Ask for everything that is computed on the way: ``Named`` for each tensor, then ``Done``."""

    inputs: list[Tensor]


class Shapes(Message, frozen=True):
    """Ask for the shapes (``Sizes``) of these values for an input (channels, rows, columns)."""

    values: list[str]
    input: tuple[int, ...]


class Save(Message, frozen=True):
    """Ask for the program, frozen, as a file's ``Content``."""


class Export(Message, frozen=True):
    """Ask for the program as ONNX, for inputs of these shapes with batch, as a ``Content``."""

    inputs: list[tuple[int, ...]]


class Count(Message, frozen=True):
    """Ask for the ``Cost`` of one inference of inputs of these shapes."""

    inputs: list[tuple[int, ...]]


class Ready(Message, frozen=True):
    """The program is loaded."""


class Done(Message, frozen=True):
    """Nothing more comes."""


class Failure(Message, frozen=True):
    """What a ``ConversionFailed`` says."""

    what: str
    evidence: str
    remedy: str


class Tensors(Message, frozen=True):
    """The outputs, without batch."""

    outputs: list[Tensor]


class Named(Message, frozen=True):
    """A tensor and where it is computed."""

    name: str
    value: Tensor


class Sizes(Message, frozen=True):
    """The shape of each value, with batch."""

    shapes: list[tuple[int, ...]]


class Content(Message, frozen=True):
    """A file's bytes."""

    data: bytes


class Cost(Message, frozen=True):
    """Parameters and multiply-accumulates; None where torch cannot count."""

    counted: dict[str, int] | None


class Node(msgspec.Struct, frozen=True):
    """A value of a graph: the operation that makes it, of which values."""

    name: str
    kind: str
    inputs: list[str]


class Description(Message, frozen=True):
    """A program's graph."""

    outputs: list[str]
    nodes: list[Node]
    named: list[str]
    """Those at which it can be cut."""
    keys: list[str] = []
    """Of its outputs, where it returned a dictionary."""
    inputs: list[str] = []
    channels: int = 0
    """Of the first input; 0 where the program does not show them."""


Question = Describe | Run | Watch | Shapes | Save | Export | Count
Answer = Ready | Done | Failure | Tensors | Named | Sizes | Content | Cost | Description

_encoder = msgspec.msgpack.Encoder()
_questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode_frame(message: Message) -> bytes:
    """A message as it travels."""
    content = _encoder.encode(message)
    return len(content).to_bytes(FRAME_HEAD, "big") + content


def decode_question(content: bytes) -> Question:
    """A question; raises ``msgspec.DecodeError``."""
    return _questions.decode(content)


def decode_answer(content: bytes) -> Answer:
    """An answer; raises ``msgspec.DecodeError``."""
    return _answers.decode(content)


def pack_tensor(values: Floats) -> Tensor:
    """An array as it travels."""
    import numpy as np

    return Tensor(values.shape, np.ascontiguousarray(values, "<f4").tobytes())


def unpack_tensor(tensor: Tensor) -> Floats:
    """An array of its own; raises ``ValueError`` when shape and bytes do not fit."""
    import numpy as np

    if len(tensor.shape) > MAX_DIMENSIONS or min(tensor.shape, default=0) < 0:
        raise ValueError("not the shape of a tensor")
    values: Floats = np.frombuffer(tensor.data, "<f4").copy()
    return values.reshape(tensor.shape)
