"""nnrun other: every output of each picture, as it is, with what it holds."""

from __future__ import annotations

import numpy as np

from piyard.vision.flags import preprocess_flags
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Stretch
from tests.runner.nets import Net, identity
from tests.runner.outcome import Run, assert_refused
from tests.runner.pictures import noise

FIT = Stretch(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1.0, 1.0, 1.0))
FLAGS = preprocess_flags(FIT, (12, 20))


def two_outputs() -> Net:
    """The input, and its mean of each channel."""
    net = Net().add("Input", "in0").add("Split", "a b")
    net.add("ReLU", "map/0", bottoms=["a"])
    return net.add("Pooling", "means", "0=1 4=1", bottoms=["b"])


def test_outputs_are_kept_with_their_shapes_and_figures(nnrun: Run, tmp_path):
    (tmp_path / "out").mkdir()
    pictures = [noise(30, 20, seed) for seed in (1, 2)]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    flags = [*two_outputs().write(tmp_path), *FLAGS, "--precision", "fp32"]
    files = [tmp_path / "0.png", tmp_path / "1.png"]
    outcome = nnrun("other", *flags, "--save-outputs", tmp_path / "out", *files)
    lines = outcome.of("outputs")
    assert outcome.code == 0
    assert [line["width"] for line in lines] == [30, 30]
    for number, (line, picture) in enumerate(zip(lines, pictures, strict=True)):
        expected = prepare_picture(picture, FIT, (12, 20))
        whole, means = line["outputs"]
        assert (whole["name"], whole["shape"], whole["finite"]) == ("map/0", [3, 12, 20], True)
        assert (means["name"], means["shape"]) == ("means", [3])
        saved = np.fromfile(tmp_path / "out" / whole["file"], "<f4")
        assert np.array_equal(saved, expected.ravel())
        assert (whole["file"], means["file"]) == (f"{number}.0.f32", f"{number}.1.f32")
        assert (whole["min"], whole["max"]) == (expected.min(), expected.max())
        np.testing.assert_allclose(whole["mean"], expected.mean(dtype=np.float64))
        kept = np.fromfile(tmp_path / "out" / means["file"], "<f4")
        np.testing.assert_allclose(kept, expected.mean(axis=(1, 2)), rtol=1e-5)


def test_values_that_are_not_finite_have_no_figures(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("UnaryOp", "out0", "0=8")  # the logarithm of 0
    noise(9, 9).save(tmp_path / "a.png")
    black = preprocess_flags(
        Stretch(order="rgb", mean=(0.0, 0.0, 0.0), norm=(0.0, 0.0, 0.0)), (4, 4)
    )
    outcome = nnrun("other", *net.write(tmp_path), *black, tmp_path / "a.png")
    (output,) = outcome.line("outputs")["outputs"]
    assert output["finite"] is False
    assert (output["min"], output["mean"], output["max"]) == (None, None, None)
    assert "file" not in output


def test_a_broken_picture_leaves_the_others(nnrun: Run, tmp_path):
    noise(9, 9).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    files = [tmp_path / "b.png", tmp_path / "a.png"]
    outcome = nnrun("other", *identity().write(tmp_path), *FLAGS, *files)
    assert outcome.code == 4
    assert len(outcome.of("outputs")) == len(outcome.of("error")) == 1


def test_the_inputs_size_is_needed(nnrun: Run, tmp_path):
    outcome = nnrun("other", *identity().write(tmp_path), "a.png")
    assert_refused(outcome, 2, "--size")
