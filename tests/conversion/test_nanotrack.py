"""NanoTrack with its authors' weights: ncnn follows as onnxruntime does, and nnrun as both."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.convert.model_files import choose_files
from piyard.convert.reference_models import reference_networks
from piyard.evaluate.track_metrics import sot_metrics
from piyard.models.definition import Model, load_model
from piyard.vision.clips import read_otb_truth
from piyard.vision.nanotrack import NanotrackNets, follow_object, make_nets
from piyard.vision.pictures import pixel_array, read_picture
from piyard.vision.schema import Corners, NanotrackConfig
from tests.conversion.conftest import elsewhere
from tests.support import tiny_nanotrack, tiny_ncnn

NAME = "nanotrack"
NEAR_PX = 0.5

Boxes = list[Corners]


class Clip:
    """OTB's Crossing: 120 frames, and where its pedestrian is."""

    def __init__(self, assets: Path) -> None:
        folder = assets / "data" / "sot_crossing"
        self.folder = folder / "img"
        self.paths = sorted(self.folder.glob("*.jpg"))
        self.truth = read_otb_truth(folder / "groundtruth_rect.txt")
        assert len(self.paths) == len(self.truth) == 120

    def boxes(self, networks: NanotrackNets, about: Model) -> Boxes:
        assert isinstance(about.tracker, NanotrackConfig)
        pictures = (pixel_array(read_picture(path)) for path in self.paths)
        result = follow_object(networks, about.tracker, about.preprocess, pictures, self.truth[0])
        return [each.box for each in result]

    def check(self, boxes: Boxes) -> None:
        """As well as the authors' code does it on this clip."""
        figures = sot_metrics(self.truth, boxes)
        print(f"AUC {figures.auc:.1f} %, precision {figures.precision:.1f} %")
        assert figures.precision == 100
        assert figures.overlap > 70


@pytest.fixture(scope="module")
def clip(assets: Path) -> Clip:
    return Clip(assets)


@pytest.fixture(scope="module")
def about() -> Model:
    return load_model(NAME)


@pytest.fixture(scope="module")
def conversion(assets: Path, base: Path) -> Conversion:
    with elsewhere(base) as patch:
        patch.setenv("PIYARD_MIRROR", str(assets))
        return convert_model(load_model(NAME))


@pytest.fixture(scope="module")
def by_ncnn(clip: Clip, about: Model, conversion: Conversion) -> Boxes:
    return clip.boxes(tiny_nanotrack.of_ncnn(conversion.folder), about)


@pytest.fixture(scope="module")
def nnrun() -> Path:
    """The one that tests/runner tests; it is built where that finds it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PIYARD_ARTIFACTS", raising=False)
        path = os.environ.get("NNRUN_DESKTOP")
        return Path(path) if path else tiny_ncnn.desktop().nnrun


def apart(first: Sequence[Corners], other: Sequence[Corners]) -> float:
    """The largest difference of two coordinates, in pixels."""
    return float(np.abs(np.array(first) - np.array(other)).max())


def test_its_proof_follows_too(conversion: Conversion) -> None:
    for way, least in (("fp32", 0.9999), ("fp16", 0.95)):
        tracks = conversion.manifest.proof[way].tracks
        assert tracks
        assert (tracks.expected, tracks.matched) == (8, 8)
        assert tracks.iou > least


def test_ncnn_follows(clip: Clip, by_ncnn: Boxes) -> None:
    clip.check(by_ncnn)


def test_the_original_does_the_same(mirror: Path, clip: Clip, about: Model, by_ncnn: Boxes) -> None:
    networks = reference_networks(about, choose_files(about))
    result = clip.boxes(make_nets(networks["model"].run, networks["head"].run), about)
    clip.check(result)
    assert apart(result, by_ncnn) < NEAR_PX


def test_nnrun_does_the_same(
    clip: Clip, conversion: Conversion, by_ncnn: Boxes, nnrun: Path
) -> None:
    x0, y0, x1, y1 = clip.truth[0]
    init = f"{x0},{y0},{x1 - x0},{y1 - y0}"
    files = [
        f"--{flag}{kind}={conversion.folder / stem}.ncnn.{kind}"
        for flag, stem in (("", "model"), ("head-", "head"))
        for kind in ("param", "bin")
    ]
    more = ["--init", init, "--order", "bgr", "--precision", "fp32", "--threads", "1"]
    line = [str(nnrun), "track", "sot", *files, *more, str(clip.folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=300)
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    objects = [each["objects"][0]["box"] for each in lines if each["type"] == "objects"]
    clip.check(objects)
    assert apart(objects, by_ncnn) < NEAR_PX
