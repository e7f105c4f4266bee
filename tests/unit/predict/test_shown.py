"""The picture that a model is asked about, as nnrun gets it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from piyard.models.language_models import load_language_model
from piyard.predict.shown import find_shown, shown_words, write_shown


def test_what_nnrun_cannot_read_is_sent_as_png(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for name in ("a.png", "a.bmp"):
        Image.fromarray(pixels).save(tmp_path / name)
    assert write_shown(tmp_path / "a.png", tmp_path) == tmp_path / "a.png"
    shown = write_shown(tmp_path / "a.bmp", tmp_path)
    assert shown.read_bytes().startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(Image.open(shown)), pixels)


def test_the_flags_say_where_it_is_and_how_it_is_resized(tmp_path: Path) -> None:
    model = load_language_model("smolvlm_256m")
    conversion: Any = SimpleNamespace(model=model)
    words = shown_words(conversion, "../../releases/r")
    assert words[:2] == ["--picture", "../../releases/r/picture"]
    for flag, value in {
        "--picture-param": "picture.fused.param",
        "--picture-bin": "picture.fused.bin",
        "--size": "512x512",
        "--longest": "2048",
        "--resample": "lanczos",
    }.items():
        assert words[words.index(flag) + 1] == value
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    assert find_shown(model, [str(tmp_path / "a.png")]) == tmp_path / "a.png"
    assert find_shown(load_language_model("qwen3_0_6b"), []) is None
