"""GGUF files: the values of each type, and heads that lie."""

import random

import numpy as np
import pytest

from piyard.core.errors import ConversionFailed
from piyard.language.gguf_blocks import BLOCK_TYPES, decode_blocks
from piyard.language.gguf_file import GgufFile, is_gguf
from piyard.models.synthetic import splitmix64
from tests.support.language_models import gguf_bytes, gguf_metadata, gguf_tensors

# First and last value, and the sum, of two blocks of these bytes by gguf 0.19's dequantisers.
GOLDEN = {
    "F32": (-305.4967956542969, -0.09050046652555466, -305.58729612082243),
    "F16": (-1.8974609375, -3.796875, -5.6943359375),
    "Q4_0": (-0.0, -1.0078125, 2.88671875),
    "Q4_1": (-32.2587890625, 70.06217956542969, 1676.4679260253906),
    "Q5_0": (13.2822265625, 700.625, 922.3408203125),
    "Q5_1": (-34.15625, -42.883323669433594, -1794.044677734375),
    "Q8_0": (197.3359375, 8471.25, 9740.46875),
    "Q4_K": (-85.3857421875, -54639.10546875, -769531046.2355957),
    "Q5_K": (-796.93359375, -363.7527160644531, -1127005.2421875),
    "Q6_K": (11.4873046875, 82081.125, 449599.80780029297),
    "BF16": (-1.1796875, -304.0, -305.1796875),
}
NUMBERS = {type_.name: number for number, type_ in BLOCK_TYPES.items()}


def stored_blocks(name):
    size = 2 * BLOCK_TYPES[NUMBERS[name]].bytes
    return (splitmix64(size, 2) >> np.uint64(56)).astype(np.uint8)


@pytest.mark.parametrize("name", GOLDEN)
def test_values_of_each_type_are_those_of_gguf(name):
    values = decode_blocks(stored_blocks(name), BLOCK_TYPES[NUMBERS[name]])
    assert values.dtype == np.float32
    first, last, total = GOLDEN[name]
    assert (float(values[0]), float(values[-1])) == (first, last)
    assert float(values.astype(np.float64).sum()) == pytest.approx(total, rel=1e-12)


def test_every_type_has_golden_values():
    assert GOLDEN.keys() == NUMBERS.keys()


def written(path, content):
    path.write_bytes(content)
    return path


def plain_bytes(**options):
    return gguf_bytes(
        gguf_metadata() | {"tokens": ["a", "é"], "b": True}, gguf_tensors(), **options
    )


@pytest.mark.parametrize("version", [2, 3])
def test_a_file_is_read(version, tmp_path):
    file = GgufFile(written(tmp_path / "a.gguf", plain_bytes(version=version)))
    assert is_gguf(file.path)
    assert file.metadata["tokens"] == ["a", "é"]
    assert file.metadata["b"] is True
    assert file.metadata["llama.embedding_length"] == 32
    for name, values in gguf_tensors().items():
        assert np.array_equal(file.read(name), values)


def test_alignment_is_the_files_own(tmp_path):
    metadata = gguf_metadata() | {"general.alignment": 128}
    content = gguf_bytes(metadata, gguf_tensors(), alignment=128)
    file = GgufFile(written(tmp_path / "a.gguf", content))
    assert np.array_equal(file.read("output_norm.weight"), gguf_tensors()["output_norm.weight"])


def test_quantised_rows_keep_their_shape(tmp_path):
    stored = stored_blocks("Q8_0").tobytes()
    content = gguf_bytes({}, {"a": (8, (2, 32), stored)})
    assert GgufFile(written(tmp_path / "a.gguf", content)).read("a").shape == (2, 32)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"GGUF", "cut within its head"),
        (b"GGML" + bytes(60), "does not begin with GGUF"),
        (plain_bytes(version=1), "version is 1"),
        (b"GGUF\0\0\0\3" + bytes(60), "big-endian"),
        (plain_bytes()[:500], "cut within its head"),
        (plain_bytes()[:-4], "lacks 4 bytes"),
        (b"GGUF\3\0\0\0" + b"\xff" * 60, "claims"),
        (gguf_bytes({"general.alignment": 3}, {}), "which is none"),
        (gguf_bytes({"general.alignment": 1 << 20}, {}), "which is none"),
        (gguf_bytes({}, {"a": (99, (32,), bytes(64))}), "type 99"),
        (gguf_bytes({}, {"a": (2, (33,), bytes(64))}), "cannot be of type Q4_0"),
        (gguf_bytes({}, {"a": (0, (1 << 40, 1 << 40), bytes(64))}), "cannot be of type F32"),
        (gguf_bytes({}, {"a": (0, (0,), bytes(64))}), "cannot be of type F32"),
        (gguf_bytes({}, {"a": (0, (1, 1, 1, 1, 1), bytes(64))}), "5 axes"),
    ],
)
def test_a_head_that_lies_is_refused_in_a_line(content, said, tmp_path):
    with pytest.raises(ConversionFailed) as raised:
        GgufFile(written(tmp_path / "a.gguf", content))
    assert said in raised.value.what
    assert "\n" not in raised.value.what


def test_a_tensor_that_is_not_there_is_named(tmp_path):
    file = GgufFile(written(tmp_path / "a.gguf", plain_bytes()))
    with pytest.raises(ConversionFailed, match="no tensor 'b'"):
        file.read("b")


def test_bytes_gone_astray_never_end_in_anything_else(tmp_path):
    whole, chance = plain_bytes(), random.Random(4)
    head = GgufFile(written(tmp_path / "whole.gguf", whole)).tensors["token_embd.weight"].begin
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(head)] = chance.randrange(256)
        try:
            file = GgufFile(written(tmp_path / "a.gguf", bytes(content)))
            for name in file.tensors:
                file.read(name)
        except ConversionFailed:
            continue
